"""Pipelines that take texts: their tokens, and what a module's numbers say of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from inference.runner.entities import Mark, find_entities
from inference.runner.frames import Tensor, pack_strings, unpack_strings
from inference.runner.tensors import Module, bad, failed, from_torch
from registry.huggingface import CONFIG, FORMAT
from registry.signature import Signature, TensorSpec

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one core a child; must stand before the library starts

MAX_LABEL_CHARACTERS = 255
MAX_TOKENS = 512  # of a text whose tokeniser sets no limit of its own

CLASSIFICATION_OUTPUTS = {"label": "BYTES", "score": "FP32", "scores": "FP32"}


class Manifest(Protocol):
    """What a pipeline of texts reads of a manifest."""

    format: str
    task: str
    arguments: Mapping[str, Any]
    signature: Signature
    tokeniser: str | None
    labels: str | None


class TextClassificationPipeline:
    """Texts in; the best label, its score and, if the signature asks, all scores out."""

    def __init__(self, manifest: Manifest, folder: Path, module: Module) -> None:
        self._module = module
        self._outputs = manifest.signature.outputs
        self._labels = [label.encode() for label in read_labels(path_of(folder, manifest.labels, "labels"))]
        self._tokenise = make_tokeniser(manifest, folder)
        self._is_exclusive = manifest.arguments.get("scores") != "sigmoid"
        self._check(manifest.signature)

    def _check(self, signature: Signature) -> None:
        check_text_input(signature, "text-classification")
        for spec in signature.outputs:
            shape = (-1, len(self._labels)) if spec.name == "scores" else (-1,)
            if spec.datatype != CLASSIFICATION_OUTPUTS.get(spec.name) or spec.shape != shape:
                raise bad(
                    f"signature.outputs.{spec.name}",
                    f"text-classification gives label BYTES [-1], score FP32 [-1], "
                    f"scores FP32 [-1, {len(self._labels)}]",
                )

    @torch.inference_mode()
    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give labels and scores. Raises Invalid for a text that is not UTF-8."""
        texts = read_texts(inputs[0])
        logits = self._module(*self._tokenise(texts))
        check_shape(logits, (len(texts), len(self._labels)))
        scores = torch.softmax(logits.float(), 1) if self._is_exclusive else torch.sigmoid(logits.float())
        if not torch.isfinite(scores).all():
            raise failed("the scores are not finite")
        best, places = scores.max(1)
        return [self._output(spec, best, places, scores) for spec in self._outputs]

    def _output(self, spec: TensorSpec, best: torch.Tensor, places: torch.Tensor, scores: torch.Tensor) -> Tensor:
        if spec.name == "label":
            labels = pack_strings([self._labels[place] for place in places.tolist()])
            return Tensor("BYTES", (len(places),), labels)
        return from_torch(spec, best if spec.name == "score" else scores)


class TokenClassificationPipeline:
    """Texts in; for each the entities in it, as a JSON list."""

    def __init__(self, manifest: Manifest, folder: Path, module: Module) -> None:
        self._module = module
        self._labels = read_labels(path_of(folder, manifest.labels, "labels"))
        self._encode, self._tensors = make_encoder(manifest, folder)
        check_text_input(manifest.signature, "token-classification")
        outputs = manifest.signature.outputs
        if len(outputs) != 1 or (outputs[0].datatype, outputs[0].shape) != ("BYTES", (-1,)):
            raise bad("signature.outputs", "token-classification gives one BYTES output of shape [-1]")

    @torch.inference_mode()
    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give a JSON list of entities for each text, as `find_entities` makes them. Raises Invalid for no UTF-8."""
        texts = read_texts(inputs[0])
        encodings = self._encode(texts)
        tensors = self._tensors(encodings)
        logits = self._module(*tensors)
        check_shape(logits, (*tensors[0].shape, len(self._labels)))
        scores = torch.softmax(logits.float(), 2)
        if not torch.isfinite(scores).all():
            raise failed("the scores are not finite")
        best, places = scores.max(2)
        answers = []
        for text, encoding, row, labels in zip(texts, encodings, best.tolist(), places.tolist(), strict=True):
            marks = (
                Mark(start, end, self._labels[label], score)
                for (start, end), label, score in zip(encoding.offsets, labels, row, strict=True)
            )
            answers.append(json.dumps(find_entities(text, marks), ensure_ascii=False).encode())
        return [Tensor("BYTES", (len(texts),), pack_strings(answers))]


class EmbeddingPipeline:
    """Texts in; a vector for each out."""

    def __init__(self, manifest: Manifest, folder: Path, module: Module) -> None:
        self._module = module
        self._tokenise = make_tokeniser(manifest, folder)
        check_text_input(manifest.signature, "embedding")
        if len(manifest.signature.outputs) != 1 or manifest.signature.outputs[0].datatype != "FP32":
            raise bad("signature.outputs", "embedding gives one FP32 output of shape [-1, size]")
        self._output = manifest.signature.outputs[0]

    @torch.inference_mode()
    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give the vectors. Raises Invalid for a text that is not UTF-8."""
        vectors = self._module(*self._tokenise(read_texts(inputs[0])))
        if not isinstance(vectors, torch.Tensor):
            raise failed("the module gives no tensors")
        return [from_torch(self._output, vectors)]


def read_labels(path: Path) -> list[str]:
    """Give label ids from a JSON list of texts or of `{"id", "name"}`. Raises Invalid if it is no such list."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        labels = [entry["id"] if isinstance(entry, dict) else entry for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise bad("labels", f"no list of labels: {type(error).__name__}") from None
    if not labels or not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels):
        raise bad("labels", "must be different texts")
    if any(len(label) > MAX_LABEL_CHARACTERS or min(label) < " " for label in labels):
        raise bad("labels", f"may have {MAX_LABEL_CHARACTERS} characters each, and no control characters")
    return labels


Encode = Callable[[list[str]], list[Any]]
ToTensors = Callable[[list[Any]], tuple[torch.Tensor, ...]]


def make_tokeniser(manifest: Manifest, folder: Path) -> Callable[[list[str]], tuple[torch.Tensor, ...]]:
    """Give what turns texts into what the module takes."""
    encode, tensors = make_encoder(manifest, folder, is_fast=True)
    return lambda texts: tensors(encode(texts))


def make_encoder(manifest: Manifest, folder: Path, *, is_fast: bool = False) -> tuple[Encode, ToTensors]:
    """Give what cuts texts into tokens (`is_fast`: without their places), and what makes tensors of those.

    Ids (rows, tokens) are padded to the longest text and never empty; a Hugging Face module takes a mask too.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - text models only: costs other children nothing

    try:
        tokeniser = Tokenizer.from_file(str(path_of(folder, manifest.tokeniser, "tokeniser")))
    except Exception as error:
        raise bad("tokeniser", f"cannot be read: {str(error)[:200]}") from None
    is_huggingface = manifest.format == FORMAT
    padding = _padding(tokeniser, folder) if is_huggingface else 0
    tokeniser.enable_padding(pad_id=padding)
    if is_huggingface or tokeniser.truncation is None:
        tokeniser.enable_truncation(manifest.arguments.get("max_tokens", MAX_TOKENS))

    def tensors(encodings: list[Any]) -> tuple[torch.Tensor, ...]:
        ids = np.array([encoding.ids or [padding] for encoding in encodings], dtype=np.int64)
        if not is_huggingface:
            return (torch.from_numpy(ids),)
        mask = np.array([encoding.attention_mask or [1] for encoding in encodings], dtype=np.int64)
        return torch.from_numpy(ids), torch.from_numpy(mask)

    return tokeniser.encode_batch_fast if is_fast else tokeniser.encode_batch, tensors


def _padding(tokeniser: Any, folder: Path) -> int:
    """Give the id that pads, and refuse a tokeniser that knows more tokens than the model."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    known, most = config["vocab_size"], max(tokeniser.get_vocab(with_added_tokens=True).values(), default=-1)
    if most >= known:
        raise bad("tokeniser", f"gives token {most}, the model knows {known}")
    padding = (tokeniser.padding or {}).get("pad_id", config.get("pad_token_id"))
    return padding if type(padding) is int and 0 <= padding < known else 0


def check_text_input(signature: Signature, task: str) -> None:
    """Raise Invalid if the signature does not take one text a row."""
    if len(signature.inputs) != 1 or (signature.inputs[0].datatype, signature.inputs[0].shape) != ("BYTES", (-1,)):
        raise bad("signature.inputs", f"{task} takes one BYTES input of shape [-1]")


def check_shape(logits: Any, wanted: tuple[int, ...]) -> None:
    """Raise Unavailable (model_failed) if a module gives something else than scores of this shape."""
    if not isinstance(logits, torch.Tensor) or logits.shape != wanted:
        raise failed(f"the module gives shape {list(getattr(logits, 'shape', ()))}, {list(wanted)} is wanted")


def read_texts(tensor: Tensor) -> list[str]:
    """Give the texts of an input. Raises Invalid for one that is not UTF-8."""
    try:
        return [text.decode() for text in unpack_strings(tensor.payload)]
    except UnicodeDecodeError:
        raise bad("inputs", "a text is not UTF-8") from None


def path_of(folder: Path, name: str | None, field: str) -> Path:
    """Give the path of a file that the task needs. Raises Invalid where the manifest names none."""
    if not name:
        raise bad(field, "text-classification needs this file")
    return folder / name
