"""From the tensors of a frame to the tensors of its answer: what stands around a module's `forward`, by task."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from common.errors import Invalid, Unavailable
from inference.runner.frames import Tensor, pack_strings, unpack_strings
from registry.numbers import are_finite
from registry.signature import Signature, TensorSpec

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one core a child; must stand before the library starts
warnings.filterwarnings("ignore", message="The given buffer is not writable")

TORCH_DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "UINT16": torch.uint16,
    "UINT32": torch.uint32,
    "UINT64": torch.uint64,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "FP32": torch.float32,
    "FP64": torch.float64,
    "BF16": torch.bfloat16,
}
DATATYPES = {dtype: name for name, dtype in TORCH_DTYPES.items()}
MAX_LABEL_CHARACTERS = 255
MAX_TOKENS = 512  # of a text whose tokeniser sets no limit of its own

CLASSIFICATION_OUTPUTS = {"label": "BYTES", "score": "FP32", "scores": "FP32"}

Module = Callable[..., Any]


class Manifest(Protocol):
    """What a pipeline reads of a manifest."""

    task: str
    signature: Signature
    tokeniser: str | None
    labels: str | None


class Pipeline(Protocol):
    """A loaded model: one call is one forward for all rows."""

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give the outputs, inputs and outputs in the signature's order."""


class TensorPipeline:
    """Numbers in, numbers out."""

    def __init__(self, manifest: Manifest, folder: Path, module: Module) -> None:
        self._module = module
        self._outputs = manifest.signature.outputs
        for spec in (*manifest.signature.inputs, *self._outputs):
            if spec.datatype not in TORCH_DTYPES:
                raise _bad(spec.name, f"the task tensor knows no {spec.datatype}")

    @torch.inference_mode()
    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give the module's outputs. Raises Unavailable (model_failed) if they are not what the signature says."""
        answer = self._module(*map(_to_torch, inputs))
        values = _in_order(answer, self._outputs)
        return [_from_torch(spec, value) for spec, value in zip(self._outputs, values, strict=True)]


class TextClassificationPipeline:
    """Texts in; the best label, its score and, if the signature asks, all scores out."""

    def __init__(self, manifest: Manifest, folder: Path, module: Module) -> None:
        self._module = module
        self._outputs = manifest.signature.outputs
        self._labels = [label.encode() for label in read_labels(_path(folder, manifest.labels, "labels"))]
        self._tokenise = _tokeniser(_path(folder, manifest.tokeniser, "tokeniser"))
        self._check(manifest.signature)

    def _check(self, signature: Signature) -> None:
        if len(signature.inputs) != 1 or (signature.inputs[0].datatype, signature.inputs[0].shape) != ("BYTES", (-1,)):
            raise _bad("signature.inputs", "text-classification takes one BYTES input of shape [-1]")
        for spec in signature.outputs:
            shape = (-1, len(self._labels)) if spec.name == "scores" else (-1,)
            if spec.datatype != CLASSIFICATION_OUTPUTS.get(spec.name) or spec.shape != shape:
                raise _bad(
                    f"signature.outputs.{spec.name}",
                    f"text-classification gives label BYTES [-1], score FP32 [-1], "
                    f"scores FP32 [-1, {len(self._labels)}]",
                )

    @torch.inference_mode()
    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give labels and scores. Raises Invalid for a text that is not UTF-8."""
        texts = _texts(inputs[0])
        logits = self._module(self._tokenise(texts))
        if not isinstance(logits, torch.Tensor) or logits.shape != (len(texts), len(self._labels)):
            shape = list(getattr(logits, "shape", ()))
            raise _failed(f"the module gives shape {shape}, {[len(texts), len(self._labels)]} is wanted")
        scores = torch.softmax(logits.float(), 1)
        if not torch.isfinite(scores).all():
            raise _failed("the scores are not finite")
        best, places = scores.max(1)
        return [self._output(spec, best, places, scores) for spec in self._outputs]

    def _output(self, spec: TensorSpec, best: torch.Tensor, places: torch.Tensor, scores: torch.Tensor) -> Tensor:
        if spec.name == "label":
            labels = pack_strings([self._labels[place] for place in places.tolist()])
            return Tensor("BYTES", (len(places),), labels)
        return _from_torch(spec, best if spec.name == "score" else scores)


_TASKS: Mapping[str, type[TensorPipeline | TextClassificationPipeline]] = {
    "tensor": TensorPipeline,
    "text-classification": TextClassificationPipeline,
}
TASKS = tuple(_TASKS)


def make_pipeline(manifest: Manifest, folder: Path, module: Module) -> Pipeline:
    """Give the pipeline of the manifest's task. Raises Invalid if the manifest and its files do not fit the task."""
    if manifest.task not in _TASKS:
        raise _bad("task", f"must be one of {', '.join(TASKS)}")
    return _TASKS[manifest.task](manifest, Path(folder), module)


def read_labels(path: Path) -> list[str]:
    """Give label ids from a JSON list of texts or of `{"id", "name"}`. Raises Invalid if it is no such list."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        labels = [entry["id"] if isinstance(entry, dict) else entry for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad("labels", f"no list of labels: {type(error).__name__}") from None
    if not labels or not all(isinstance(label, str) and label for label in labels) or len(set(labels)) != len(labels):
        raise _bad("labels", "must be different texts")
    if any(len(label) > MAX_LABEL_CHARACTERS or min(label) < " " for label in labels):
        raise _bad("labels", f"may have {MAX_LABEL_CHARACTERS} characters each, and no control characters")
    return labels


def _tokeniser(path: Path) -> Callable[[list[str]], torch.Tensor]:
    from tokenizers import Tokenizer  # noqa: PLC0415 - text models only: costs other children nothing

    try:
        tokeniser = Tokenizer.from_file(str(path))
    except Exception as error:
        raise _bad("tokeniser", f"cannot be read: {str(error)[:200]}") from None
    tokeniser.enable_padding(pad_id=0)
    if tokeniser.truncation is None:
        tokeniser.enable_truncation(MAX_TOKENS)

    def tokenise(texts: list[str]) -> torch.Tensor:
        """Give ids (rows, tokens), padded with 0 to the longest text and never empty."""
        ids = [encoding.ids or [0] for encoding in tokeniser.encode_batch_fast(texts)]
        return torch.from_numpy(np.array(ids, dtype=np.int64))

    return tokenise


def _texts(tensor: Tensor) -> list[str]:
    try:
        return [text.decode() for text in unpack_strings(tensor.payload)]
    except UnicodeDecodeError:
        raise _bad("inputs", "a text is not UTF-8") from None


def _to_torch(tensor: Tensor) -> torch.Tensor:
    return torch.frombuffer(tensor.payload, dtype=TORCH_DTYPES[tensor.datatype]).view(tensor.shape)


def _from_torch(spec: TensorSpec, value: torch.Tensor) -> Tensor:
    datatype = DATATYPES.get(value.dtype, str(value.dtype))
    if datatype != spec.datatype:
        raise _failed(f"output `{spec.name}` is {datatype}, the signature says {spec.datatype}")
    shape = tuple(value.shape)
    if len(shape) != len(spec.shape) or any(
        want not in (-1, size) for want, size in zip(spec.shape, shape, strict=True)
    ):
        raise _failed(f"output `{spec.name}` has shape {list(shape)}, the signature says {list(spec.shape)}")
    if value.dtype == torch.bfloat16:
        payload = value.contiguous().view(torch.int16).numpy().tobytes()  # numpy has no bfloat16
    else:
        payload = value.numpy().tobytes()
    if value.is_floating_point() and not are_finite(datatype, payload):
        raise _failed(f"output `{spec.name}` holds a number that is not finite")
    return Tensor(datatype, shape, payload)


def _in_order(answer: Any, outputs: Sequence[TensorSpec]) -> Sequence[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        answer = (answer,)
    elif isinstance(answer, Mapping):
        missing = [spec.name for spec in outputs if spec.name not in answer]
        if missing:
            raise _failed(f"the module gives no output `{missing[0]}`")
        answer = [answer[spec.name] for spec in outputs]
    if not isinstance(answer, (tuple, list)) or not all(isinstance(value, torch.Tensor) for value in answer):
        raise _failed("the module gives no tensors")
    if len(answer) != len(outputs):
        raise _failed(f"the module gives {len(answer)} outputs, the signature says {len(outputs)}")
    return answer


def _path(folder: Path, name: str | None, field: str) -> Path:
    if not name:
        raise _bad(field, "text-classification needs this file")
    return folder / name


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})


def _failed(message: str) -> Unavailable:
    return Unavailable(message, code="model_failed")
