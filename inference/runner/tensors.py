"""Tensors of frames as torch's, and back; the errors of what stands between."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from common.errors import Invalid, Unavailable
from inference.runner.frames import Tensor
from registry.numbers import are_finite
from registry.signature import TensorSpec

warnings.filterwarnings("ignore", message="The given buffer is not writable")

Module = Callable[..., Any]

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


def to_torch(tensor: Tensor) -> torch.Tensor:
    """Give a tensor of a frame as torch's, without a copy."""
    return torch.frombuffer(tensor.payload, dtype=TORCH_DTYPES[tensor.datatype]).view(tensor.shape)


def from_torch(spec: TensorSpec, value: torch.Tensor) -> Tensor:
    """Give an output for a frame. Raises Unavailable (model_failed) if it is not what the signature says."""
    datatype = DATATYPES.get(value.dtype, str(value.dtype))
    if datatype != spec.datatype:
        raise failed(f"output `{spec.name}` is {datatype}, the signature says {spec.datatype}")
    shape = tuple(value.shape)
    if len(shape) != len(spec.shape) or any(
        want not in (-1, size) for want, size in zip(spec.shape, shape, strict=True)
    ):
        raise failed(f"output `{spec.name}` has shape {list(shape)}, the signature says {list(spec.shape)}")
    if value.dtype == torch.bfloat16:
        payload = value.contiguous().view(torch.int16).numpy().tobytes()  # numpy has no bfloat16
    else:
        payload = value.numpy().tobytes()
    if value.is_floating_point() and not are_finite(datatype, payload):
        raise failed(f"output `{spec.name}` holds a number that is not finite")
    return Tensor(datatype, shape, payload)


def bad(where: str, what: str) -> Invalid:
    """Give the error of a manifest or a caller."""
    return Invalid(f"{where}: {what}", fields={where: what})


def failed(message: str) -> Unavailable:
    """Give the error of a model."""
    return Unavailable(message, code="model_failed")
