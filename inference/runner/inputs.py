"""Inputs for trying a model out: its manifest's sample, zeros, or random values of its signature's form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inference.runner.frames import Tensor, join_rows, pack_strings, split_rows, unpack_strings
from registry.manifest import Manifest
from registry.numbers import FLOATS, to_array, to_payload
from registry.signature import Signature, TensorSpec, infer_shape, read_numbers, read_texts

TEXTS = ("안녕하세요", "오늘 근처에 문을 연 식당이 있나요? 아이와 함께 갈 거예요.", "hello", "?", "ㅋㅋㅋ 고마워요")
_FREE_SIZE = 8  # of a dimension that the signature leaves open


def sample_inputs(manifest: Manifest) -> list[Tensor]:
    """Give the manifest's sample as tensors; empty where it has none."""
    if not manifest.sample:
        return []
    return [_read(spec, manifest.sample[spec.name]) for spec in manifest.signature.inputs]


def make_inputs(signature: Signature, *, rows: int, kind: str) -> list[Tensor]:
    """Give inputs of `zeros` or, always the same, `random` values; whole numbers are 0 or 1, fit for any vocabulary."""
    random = np.random.default_rng(0)
    return [_make(spec, rows, random if kind == "random" else None) for spec in signature.inputs]


def with_rows(inputs: list[Tensor], rows: int, others: list[Tensor]) -> list[Tensor]:
    """Give `rows` rows: those of `inputs` over and over, mixed with `others` where both have one form."""
    if not inputs or inputs[0].shape[:1] == (rows,):
        return inputs
    if others and all(a.shape[1:] == b.shape[1:] for a, b in zip(inputs, others, strict=True)):
        inputs = [join_rows([a, b]) for a, b in zip(inputs, others, strict=True)]
    return [_repeat(tensor, rows) for tensor in inputs]


def to_plain(tensor: Tensor, most: int) -> list[Any]:
    """Give the first values of a tensor, flat, as plain data for a report."""
    if tensor.datatype == "BYTES":
        return [value.decode("utf-8", "replace") for value in unpack_strings(tensor.payload)[:most]]
    return to_array(tensor.datatype, tensor.payload)[:most].tolist()


def _read(spec: TensorSpec, data: Any) -> Tensor:
    shape = infer_shape(spec, data)
    if spec.datatype == "BYTES":
        return Tensor(spec.datatype, shape, pack_strings(read_texts(spec, shape, data)))
    return Tensor(spec.datatype, shape, to_payload(spec.datatype, read_numbers(spec, shape, data)))


def _make(spec: TensorSpec, rows: int, random: np.random.Generator | None) -> Tensor:
    shape = tuple((rows if n == 0 else _FREE_SIZE) if size == -1 else size for n, size in enumerate(spec.shape))
    count = math.prod(shape)
    if spec.datatype == "BYTES":
        return Tensor("BYTES", shape, pack_strings([TEXTS[n % len(TEXTS)].encode() for n in range(count)]))
    if random is None:
        values: np.ndarray = np.zeros(shape)
    else:
        values = random.standard_normal(shape) if spec.datatype in FLOATS else random.integers(0, 2, shape)
    return Tensor(spec.datatype, shape, to_payload(spec.datatype, values))


def _repeat(tensor: Tensor, rows: int) -> Tensor:
    each = split_rows(tensor, [1] * tensor.shape[0])
    return join_rows([each[n % len(each)] for n in range(rows)])
