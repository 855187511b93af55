"""Columns of a file as tensors: whole columns at once where they are as signed, row by row where some are not. Pure.

Numbers of Arrow columns go to the model's process as they lie in memory; no Python object is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import Invalid
from inference.runner.frames import Tensor, pack_strings
from registry.numbers import array_dtype, to_array, to_payload
from registry.signature import FLOATS, Signature, TensorSpec, infer_shape, read_numbers, read_texts

Column: TypeAlias = "pa.Array | list[Any]"
Wrong = dict[int, str]
LENGTH_BYTES = 4  # before each text of a BYTES payload


class Block(Protocol):
    """The values of one input, row after row."""

    def tensor(self, first: int, last: int) -> Tensor:
        """Give the rows from `first` up to `last`."""

    def take(self, rows: np.ndarray) -> Block:
        """Give some of the rows, by a mask."""

    def breaks(self) -> list[int]:
        """Give the rows whose form differs from that of the row before."""


class Numbers:
    """Rows of one shape: (rows, *row shape)."""

    def __init__(self, spec: TensorSpec, values: np.ndarray) -> None:
        self._spec, self._values = spec, values

    def tensor(self, first: int, last: int) -> Tensor:
        """Give rows without a copy; those of BF16 are float32 here, and rounded."""
        part = self._values[first:last]
        if self._spec.datatype == "BF16":
            return Tensor("BF16", part.shape, to_payload("BF16", part))
        return Tensor(self._spec.datatype, part.shape, part.reshape(-1).view(np.uint8).data)

    def take(self, rows: np.ndarray) -> Numbers:
        """Give some of the rows."""
        return Numbers(self._spec, self._values[rows])

    def breaks(self) -> list[int]:
        """Give nothing: all rows have one form."""
        return []


class Texts:
    """One text a row, packed as it travels; text n lies between `bounds[n]` and `bounds[n + 1]`."""

    def __init__(self, packed: np.ndarray, bounds: np.ndarray) -> None:
        self._packed, self._bounds = packed, bounds

    def tensor(self, first: int, last: int) -> Tensor:
        """Give rows without a copy."""
        return Tensor("BYTES", (last - first,), self._packed[self._bounds[first] : self._bounds[last]].data)

    def take(self, rows: np.ndarray) -> Texts:
        """Give some of the rows."""
        lengths = np.diff(self._bounds)
        return Texts(self._packed[np.repeat(rows, lengths)], np.concatenate(([0], np.cumsum(lengths[rows]))))

    def breaks(self) -> list[int]:
        """Give nothing: all rows have one form."""
        return []


class Loose:
    """Rows that differ in shape, or a model without a batch dimension: a tensor a row."""

    def __init__(self, rows: Sequence[Tensor], *, is_batched: bool) -> None:
        self._rows, self._is_batched = rows, is_batched

    def tensor(self, first: int, last: int) -> Tensor:
        """Give rows of one shape, joined."""
        if not self._is_batched:
            return self._rows[first]
        datatype, shape, _ = self._rows[first]
        payload = b"".join(bytes(row.payload) for row in self._rows[first:last])
        return Tensor(datatype, (last - first, *shape[1:]), payload)

    def take(self, rows: np.ndarray) -> Loose:
        """Give some of the rows."""
        return Loose([self._rows[row] for row in np.flatnonzero(rows).tolist()], is_batched=self._is_batched)

    def breaks(self) -> list[int]:
        """Give where the shape changes."""
        if not self._is_batched:
            return list(range(1, len(self._rows)))
        return [n for n in range(1, len(self._rows)) if self._rows[n].shape != self._rows[n - 1].shape]


def convert(
    signature: Signature, columns: Mapping[str, Column], mapping: Mapping[str, str], rows: int
) -> tuple[list[Block], np.ndarray, Wrong]:
    """Give a block for each input, a mask of the rows that are in them, and what is wrong with the others."""
    found = [_read(spec, columns[mapping[spec.name]], signature.is_batched) for spec in signature.inputs]
    is_good = np.ones(rows, bool)
    wrong: Wrong = {}
    for _, errors in found:
        for row, text in errors.items():
            wrong[row] = f"{wrong[row]}; {text}" if row in wrong else text
    is_good[list(wrong)] = False
    blocks = []
    for block, errors in found:
        if len(errors) < len(wrong):
            own = np.ones(rows, bool)
            own[list(errors)] = False
            block = block.take(is_good[own])  # noqa: PLW2901 - the same one, with the rows that all inputs have
        blocks.append(block)
    return blocks, is_good, wrong


def _read(spec: TensorSpec, column: Column, is_batched: bool) -> tuple[Block, Wrong]:
    """Give the rows of a column that can be taken, and what is wrong with the others."""
    if isinstance(column, list):
        return _read_values(spec, column, is_batched)
    column = plain_array(column)
    wrong: Wrong = {}
    if column.null_count:
        is_null = column.is_null().to_numpy(zero_copy_only=False)
        wrong = dict.fromkeys(np.flatnonzero(is_null).tolist(), f"{spec.name}: is missing")
        column = column.filter(pa.array(~is_null))
    whole = _read_whole(spec, column) if is_batched and len(column) else None
    block, others = whole or _read_values(spec, column.to_pylist(), is_batched)
    return block, wrong | _moved(others, wrong, len(column))


def _read_whole(spec: TensorSpec, column: pa.Array) -> tuple[Block, Wrong] | None:
    """Take a column at once; `None` where each row must be looked at."""
    if spec.datatype == "BYTES":
        texts = _texts(spec, column)
        return None if texts is None else (texts, {})
    values = _numbers(spec, column)
    if values is None:
        return None
    wrong = _not_finite(spec, values)
    if wrong:
        values = np.delete(values, list(wrong), axis=0)
    return Numbers(spec, values), wrong


def _moved(others: Wrong, wrong: Wrong, left: int) -> Wrong:
    """Give errors by their place in the whole column, told by their place among the rows that are not wrong."""
    if not others or not wrong:
        return others
    is_left = np.ones(left + len(wrong), bool)
    is_left[list(wrong)] = False
    places = np.flatnonzero(is_left)
    return {int(places[row]): text for row, text in others.items()}


def plain_array(column: pa.Array) -> pa.Array:
    """Give a column without the wrappings that a file may put around its values."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _numbers(spec: TensorSpec, column: pa.Array) -> np.ndarray | None:
    """Give (rows, *row shape), `None` where a row is not as signed and each must be looked at."""
    shape = spec.row_shape
    if any(size < 0 for size in shape):
        return None
    flat, sizes = column, list(shape)
    if len(sizes) > 1 and _is_list(flat.type) and not _is_list(flat.type.value_type):
        sizes = [math.prod(sizes)]
    for size in sizes:
        if not _is_list(flat.type) or flat.null_count or not _has_lengths(flat, size):
            return None
        flat = flat.flatten()
    if flat.null_count or not _is_kind(spec.datatype, flat.type):
        return None
    values = flat.to_numpy(zero_copy_only=pa.types.is_primitive(flat.type) and not pa.types.is_boolean(flat.type))
    wanted = array_dtype(spec.datatype)
    if values.dtype != wanted:
        if spec.datatype not in FLOATS and not _is_in_range(values, wanted):
            return None
        with np.errstate(over="ignore", invalid="ignore"):  # told as not finite
            values = values.astype(wanted)
    return np.ascontiguousarray(values).reshape(len(column), *shape)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _has_lengths(column: pa.Array, size: int) -> bool:
    if pa.types.is_fixed_size_list(column.type):
        return bool(column.type.list_size == size)
    lengths = pc.min_max(pc.list_value_length(column))
    return bool(lengths["min"].as_py() == lengths["max"].as_py() == size)


def _is_kind(datatype: str, kind: pa.DataType) -> bool:
    if datatype == "BOOL":
        return bool(pa.types.is_boolean(kind))
    return bool(pa.types.is_integer(kind) or (datatype in FLOATS and pa.types.is_floating(kind)))


def _is_in_range(values: np.ndarray, wanted: np.dtype) -> bool:
    limits = np.iinfo(wanted)
    return int(values.min()) >= limits.min and int(values.max()) <= limits.max


def _not_finite(spec: TensorSpec, values: np.ndarray) -> Wrong:
    if spec.datatype not in FLOATS:
        return {}
    is_finite = np.isfinite(values)
    if spec.datatype == "BF16":  # whose range is a little smaller than that of float32
        is_finite &= np.isfinite(to_array("BF16", to_payload("BF16", values))).reshape(values.shape)
    is_finite = is_finite.reshape(len(values), -1).all(axis=1)
    if is_finite.all():
        return {}
    said = f"{spec.name}: holds a number that is not finite or out of the range of {spec.datatype}"
    return dict.fromkeys(np.flatnonzero(~is_finite).tolist(), said)


def _texts(spec: TensorSpec, column: pa.Array) -> Texts | None:
    """Give the texts packed, `None` where one is not as signed and each must be looked at."""
    if len(spec.shape) != 1 or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    try:
        column.validate(full=True)  # a file may hold bytes that are no UTF-8
    except pa.ArrowInvalid:
        return None
    large = column.cast(pa.large_string())
    if pc.max(pc.utf8_length(large)).as_py() > spec.max_length:
        return None
    _, offsets, data = large.buffers()
    bounds = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    content = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]
    if not content.all():  # NUL
        return None
    return _packed(content, np.diff(bounds))


def _packed(content: np.ndarray, lengths: np.ndarray) -> Texts:
    """Put its length before each text."""
    bounds = np.concatenate(([0], np.cumsum(lengths + LENGTH_BYTES)))
    heads = bounds[:-1, None] + np.arange(LENGTH_BYTES)
    packed = np.empty(bounds[-1], np.uint8)
    is_content = np.ones(len(packed), bool)
    is_content[heads] = False
    packed[heads] = lengths.astype("<u4").view(np.uint8).reshape(-1, LENGTH_BYTES)
    packed[is_content] = content
    return Texts(packed, bounds)


def _read_values(spec: TensorSpec, values: list[Any], is_batched: bool) -> tuple[Block, Wrong]:
    """Take plain values: all at once, or if one is wrong each alone."""
    is_regular = is_batched and all(size > 0 for size in spec.row_shape) and values and None not in values
    if is_regular:
        try:
            return _read_all(spec, values), {}
        except Invalid:
            pass  # told below, row by row
    rows, wrong = [], {}
    for number, value in enumerate(values):
        try:
            rows.append(_read_one(spec, value, is_batched))
        except Invalid as error:
            wrong[number] = error.message
    return Loose(rows, is_batched=is_batched), wrong


def _read_all(spec: TensorSpec, values: list[Any]) -> Block:
    shape = (len(values), *spec.row_shape)
    if spec.datatype != "BYTES":
        return Numbers(spec, read_numbers(spec, shape, values))
    texts = read_texts(spec, shape, values)
    if len(shape) > 1:
        raise Invalid("texts with dimensions of their own are taken row by row")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return _packed(np.frombuffer(b"".join(texts), np.uint8), lengths)


def _read_one(spec: TensorSpec, value: Any, is_batched: bool) -> Tensor:
    if value is None:
        raise Invalid(f"{spec.name}: is missing")
    data = [value] if is_batched else value
    shape: Sequence[int] = infer_shape(spec, data)
    row = spec.row_shape
    if is_batched and len(row) > 1 and type(value) is list and value and type(value[0]) is not list:
        shape, data = (1, *row), value  # flat numbers of a row with dimensions
    read: Callable[..., Any] = _read_bytes if spec.datatype == "BYTES" else _read_number_bytes
    return Tensor(spec.datatype, tuple(shape), read(spec, shape, data))


def _read_bytes(spec: TensorSpec, shape: Sequence[int], data: Any) -> bytes:
    return pack_strings(read_texts(spec, shape, data))


def _read_number_bytes(spec: TensorSpec, shape: Sequence[int], data: Any) -> bytes:
    return to_payload(spec.datatype, read_numbers(spec, shape, data))
