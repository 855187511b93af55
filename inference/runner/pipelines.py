"""From the tensors of a frame to the tensors of its answer: what stands around a module's `forward`, by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from inference.runner.frames import Tensor
from inference.runner.tensors import TORCH_DTYPES, Module, bad, failed, from_torch, to_torch
from inference.runner.texts import (
    EmbeddingPipeline,
    Manifest,
    TextClassificationPipeline,
    TokenClassificationPipeline,
    read_labels,
)
from registry.signature import TensorSpec

__all__ = ["TASKS", "Pipeline", "make_pipeline", "read_labels"]


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
                raise bad(spec.name, f"the task tensor knows no {spec.datatype}")

    @torch.inference_mode()
    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Give the module's outputs. Raises Unavailable (model_failed) if they are not what the signature says."""
        answer = self._module(*map(to_torch, inputs))
        values = _in_order(answer, self._outputs)
        return [from_torch(spec, value) for spec, value in zip(self._outputs, values, strict=True)]


_TASKS: Mapping[str, Callable[[Manifest, Path, Module], Pipeline]] = {
    "tensor": TensorPipeline,
    "text-classification": TextClassificationPipeline,
    "token-classification": TokenClassificationPipeline,
    "embedding": EmbeddingPipeline,
}
TASKS = tuple(_TASKS)


def make_pipeline(manifest: Manifest, folder: Path, module: Module) -> Pipeline:
    """Give the pipeline of the manifest's task. Raises Invalid if the manifest and its files do not fit the task."""
    if manifest.task not in _TASKS:
        raise bad("task", f"must be one of {', '.join(TASKS)}")
    return _TASKS[manifest.task](manifest, Path(folder), module)


def _in_order(answer: Any, outputs: Sequence[TensorSpec]) -> Sequence[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        answer = (answer,)
    elif isinstance(answer, Mapping):
        missing = [spec.name for spec in outputs if spec.name not in answer]
        if missing:
            raise failed(f"the module gives no output `{missing[0]}`")
        answer = [answer[spec.name] for spec in outputs]
    if not isinstance(answer, (tuple, list)) or not all(isinstance(value, torch.Tensor) for value in answer):
        raise failed("the module gives no tensors")
    if len(answer) != len(outputs):
        raise failed(f"the module gives {len(answer)} outputs, the signature says {len(outputs)}")
    return answer
