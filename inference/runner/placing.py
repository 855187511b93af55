"""A module on its device and in the type it computes in; callers give and get what the signature says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from common.errors import Invalid
from inference.runner.options import Placement

Module = Callable[..., Any]

_HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}


def place(module: Module, placement: Placement, *, is_program: bool) -> Module:
    """Give the module where it shall compute. Raises Invalid if the device is not there or it cannot take the type."""
    device = find_device(placement.device)
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(placement.device_share, device)
    if device.type == "cpu" and not placement.half:
        return module
    if is_program and placement.half:
        raise _bad("half", "a program computes in the types that it was exported with")
    if not isinstance(module, torch.nn.Module):
        raise _bad("device", "this program computes only on the device that it was exported for")
    dtype = _HALF.get(placement.half)
    try:
        return Placed(module.to(device=device, dtype=dtype), device, dtype)
    except NotImplementedError:
        raise _bad("device", "this program computes only on the device that it was exported for") from None


def find_device(name: str) -> torch.device:
    """Give the device of a name; `auto` is the first of CUDA where there is one. Raises Invalid if it is not there."""
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    number = int(name.removeprefix("cuda:") or 0) if name.removeprefix("cuda:").isdecimal() else 0
    if not torch.cuda.is_available() or number >= torch.cuda.device_count():
        raise _bad("device", f"{name[:20]} is not there")
    return torch.device("cuda", number)


def device_bytes() -> int:
    """Give the memory that this process has taken on CUDA devices; nought where it uses none."""
    if not torch.cuda.is_initialized():
        return 0
    return sum(torch.cuda.memory_reserved(number) for number in range(torch.cuda.device_count()))


class Placed:
    """A module whose inputs are brought to its device and type, and whose outputs come back as FP32 in memory."""

    def __init__(self, module: torch.nn.Module, device: torch.device, dtype: torch.dtype | None) -> None:
        self._module, self._device, self._dtype = module, device, dtype

    def __call__(self, *tensors: torch.Tensor, **named: torch.Tensor) -> Any:
        """Give what the module gives."""
        answer = self._module(*map(self._there, tensors), **{name: self._there(one) for name, one in named.items()})
        if isinstance(answer, Mapping):
            return {name: self._back(value) for name, value in answer.items()}
        if isinstance(answer, (tuple, list)):
            return [self._back(value) for value in answer]
        return self._back(answer)

    def _there(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._device, self._dtype if tensor.dtype == torch.float32 else None)

    def _back(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to("cpu", torch.float32 if self._dtype is not None and value.dtype == self._dtype else None)


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
