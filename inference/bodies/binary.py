"""Tensors as raw bytes after, or in place of, the JSON of a call. Pure: no ORM, no request.

Source: Triton, docs/protocol/extension_binary_data.md. Numbers are checked whole, without a look at each in Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.errors import Invalid
from inference.runner.frames import Tensor, pack_strings
from registry.numbers import FLOATS, ITEM_BYTES, are_finite
from registry.signature import Signature, TensorSpec, check_shape, check_texts

SIZE = "binary_data_size"
_LENGTH_BYTES = 4  # before each element of BYTES


def cut(entries: Mapping[str, Mapping[str, Any]], tail: memoryview) -> dict[str, memoryview]:
    """Give the bytes of each input that names a size, in the order of the inputs. Raises Invalid if sums are off."""
    found: dict[str, memoryview] = {}
    at = 0
    for name, entry in entries.items():
        size = size_of(entry)
        if size is None:
            continue
        if type(size) is not int or size < 0:
            raise _bad(name, f"{SIZE} must be a number of bytes")
        if "data" in entry:
            raise _bad(name, f"has both data and {SIZE}")
        if size > len(tail) - at:
            raise _bad(name, f"{SIZE} is {size}, of the body {len(tail) - at} bytes are left")
        found[name] = tail[at : at + size]
        at += size
    if at != len(tail):
        raise Invalid(f"the body goes on for {len(tail) - at} bytes after its tensors", code="bytes_left")
    return found


def size_of(entry: Mapping[str, Any]) -> Any:
    """Give what an input says of the size of its bytes, `None` where it says nothing."""
    parameters = entry.get("parameters")
    return parameters.get(SIZE) if isinstance(parameters, dict) else None


def read_binary(spec: TensorSpec, shape: Sequence[int], payload: memoryview) -> Tensor:
    """Give a tensor over the bytes themselves, without a copy. Raises Invalid for what does not fit the signature."""
    if spec.datatype == "BYTES":
        _check_texts(spec, check_texts(spec, shape), payload)
        return Tensor("BYTES", tuple(shape), payload)
    wanted = check_shape(spec, shape) * ITEM_BYTES[spec.datatype]
    if len(payload) != wanted:
        raise _bad(spec.name, f"has {len(payload)} bytes, its shape and datatype say {wanted}")
    if spec.datatype in FLOATS:
        if not are_finite(spec.datatype, payload):
            raise _bad(spec.name, f"holds a number that is not finite or out of the range of {spec.datatype}")
    elif spec.datatype == "BOOL" and (np.frombuffer(payload, "u1") > 1).any():
        raise _bad(spec.name, "holds a byte that is neither 0 nor 1 where BOOL is wanted")
    return Tensor(spec.datatype, tuple(shape), payload)


def read_raw(payload: memoryview, signature: Signature) -> Tensor:
    """Give the tensor of a body that is nothing but the one input, of one row. Raises Invalid."""
    spec = signature.inputs[0]
    if len(signature.inputs) != 1:
        raise Invalid(f"a body of raw bytes is for models of one input, this has {len(signature.inputs)}", code="raw")
    batch, sizes = ((1,), spec.row_shape) if signature.is_batched else ((), spec.shape)
    if spec.datatype == "BYTES":
        if any(size not in (-1, 1) for size in sizes):
            raise _bad(spec.name, "raw bytes are one text, this input takes more")
        shape = (*batch, *(1 for _ in sizes))
        return read_binary(spec, shape, memoryview(pack_strings([bytes(payload)])))
    if sizes.count(-1) > 1:
        raise _bad(spec.name, "has more than one free dimension, so that raw bytes do not tell its shape")
    fixed = math.prod(size for size in sizes if size > 0) * ITEM_BYTES[spec.datatype]
    free = len(payload) // fixed
    return read_binary(spec, (*batch, *(free if size < 0 else size for size in sizes)), payload)


def _check_texts(spec: TensorSpec, wanted: int, payload: memoryview) -> None:
    """Check each element. Raises Invalid for what is no UTF-8: models of text take nothing else, nor can the log."""
    data, at, end, limit = bytes(payload), 0, len(payload), spec.max_length
    if end < wanted * _LENGTH_BYTES:
        raise _bad(spec.name, f"has {end} bytes, too few for {wanted} elements")
    for n in range(wanted):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "little")
        if at > end or start > end:
            raise _bad(spec.name, f"element {n} runs past the end of the tensor")
        try:
            text = data[start:at].decode()
        except UnicodeDecodeError:
            raise _bad(spec.name, f"element {n} is not UTF-8") from None
        if len(text) > limit:
            raise _bad(spec.name, f"element {n} has {len(text)} characters, more than {limit}")
        if "\0" in text:
            raise _bad(spec.name, f"element {n} holds a NUL character")
    if at != end:
        raise _bad(spec.name, f"has {end - at} bytes after its {wanted} elements")


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
