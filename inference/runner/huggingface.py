"""Hugging Face folders as modules: `(ids, mask)` in, scores or one vector a text out.

`transformers` is an extra, told to read this folder alone: no network, no code of the author's, only safetensors.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.errors import Invalid
from registry.manifest import Manifest

EXTRA = "requirements-transformers.txt"
_USUAL = ("bert", "roberta", "xlm_roberta", "electra")
_WITHOUT_SDPA = frozenset({"DebertaV2"})
_UNUSED = "pooler."  # the layer over the first token, which no task here asks

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


class Scores(nn.Module):
    """What a head says of each text or token."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Give the logits (rows, labels) or (rows, tokens, labels)."""
        return self.model(input_ids=ids, attention_mask=mask, return_dict=True)[0]


class Embedding(nn.Module):
    """The vectors of a text's tokens as one.

    Source: Reimers and Gurevych 2019, "Sentence-BERT", mean over the tokens that the mask names, or the first one.
    """

    def __init__(self, model: nn.Module, *, pooling: str, normalise: bool) -> None:
        super().__init__()
        self.model, self.pooling, self.normalise = model, pooling, normalise

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Give (rows, dim) in FP32."""
        hidden = self.model(input_ids=ids, attention_mask=mask, return_dict=True)[0].float()
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weight = mask.unsqueeze(2).to(hidden.dtype)
            pooled = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-9)
        return functional.normalize(pooled, dim=1) if self.normalise else pooled


def load_huggingface(folder: Path, manifest: Manifest) -> nn.Module:
    """Give the module of a folder that `registry.huggingface` has found good. Raises Invalid if it cannot be loaded."""
    model = _load(folder, manifest)
    if manifest.task != "embedding":
        return Scores(model)
    return Embedding(model, pooling=manifest.arguments["pooling"], normalise=manifest.arguments["normalise"])


def preload() -> None:
    """Import what most folders need, where it is installed."""
    try:
        for name in _USUAL:
            import_module(f"transformers.models.{name}.modeling_{name}")
    except ImportError:
        return


def _load(folder: Path, manifest: Manifest) -> nn.Module:
    try:
        transformers: Any = import_module("transformers")
    except ImportError:
        raise _bad(f"a Hugging Face folder needs one package more: pip install -r {EXTRA}") from None
    transformers.utils.logging.disable_progress_bar()
    name = manifest.architecture or ""
    try:
        model, found = getattr(transformers, name).from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager" if name.startswith(tuple(_WITHOUT_SDPA)) else "sdpa",
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises whatever its readers meet
        said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
        raise _bad(f"cannot be loaded as {name}: {said}") from None
    missing = sorted(key for key in found["missing_keys"] if not key.startswith(_UNUSED))
    if missing:
        raise _bad(f"lacks `{missing[0][:80]}` and {len(missing) - 1} more; {name} wants them")
    return model.eval()  # type: ignore[no-any-return]


def _bad(what: str) -> Invalid:
    return Invalid(f"weights: {what}", fields={"weights": what})
