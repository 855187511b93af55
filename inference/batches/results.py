"""What a run gives: the input's id, the outputs and an error for each row, as Arrow tables of one schema. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inference.batches.columns import Column, Wrong, plain_array
from inference.bodies.payload import nested_values
from inference.transport import Output
from registry.numbers import array_dtype
from registry.signature import Signature, TensorSpec

ROW_NUMBER, ERROR = "row", "error"
_SHOWN_TEXT, _SHOWN_VALUES = 200, 16


@dataclass(frozen=True, slots=True)
class Answered:
    """What some rows that follow each other got in how long: outputs, or for a single row what went wrong."""

    first: int
    last: int
    outputs: Sequence[Output] = ()
    error: str = ""
    run_ms: float = 0.0


def schema_of(signature: Signature, id_column: str, id_type: pa.DataType | None) -> pa.Schema:
    """Give the columns of the result; without an id column rows are told by their number, from nought."""
    first = pa.field(id_column, _id_type(id_type)) if id_column else pa.field(ROW_NUMBER, pa.int64())
    taken = {first.name}
    outputs = [
        pa.field(_free(spec.name, taken), _type_of(spec, is_batched=signature.is_batched)) for spec in signature.outputs
    ]
    return pa.schema([first, *outputs, pa.field(_free(ERROR, taken), pa.string())])


def table_of(
    schema: pa.Schema,
    signature: Signature,
    ids: Column | None,
    first_row: int,
    is_good: np.ndarray,
    answered: Sequence[Answered],
    wrong: Wrong,
) -> tuple[pa.Table, Wrong]:
    """Give the rows of a piece in their order, and all that went wrong by row.

    `answered` speaks of the rows that `is_good` marks, counted without the others.
    """
    places = np.flatnonzero(is_good)
    failed = {int(places[one.first]): one.error for one in answered if one.error}
    fine = [one for one in answered if not one.error]
    columns, broken = [], {}
    is_answered = is_good.copy()
    is_answered[list(failed)] = False
    answered_places = np.flatnonzero(is_answered)
    for number, spec in enumerate(signature.outputs):
        parts = [one.outputs[number] for one in fine]
        for row in _not_finite(parts, signature.is_batched):
            broken[int(answered_places[row])] = f"the model gave a number that is not finite in '{spec.name}'"
        columns.append(parts)
    errors = wrong | failed | broken
    is_kept = is_answered.copy()
    is_kept[list(broken)] = False
    arrays = [
        _column(spec, parts, is_answered, is_kept, field.type, is_batched=signature.is_batched)
        for spec, parts, field in zip(signature.outputs, columns, list(schema)[1:-1], strict=True)
    ]
    rows = len(is_good)
    told = pa.array([errors.get(row) for row in range(rows)] if errors else pa.nulls(rows), pa.string())
    return pa.Table.from_arrays(
        [_ids(ids, first_row, rows, schema.field(0).type), *arrays, told], schema=schema
    ), errors


def shown(table: pa.Table, most: int) -> list[dict[str, Any]]:
    """Give the first rows as plain data for a page: long texts and lists cut."""
    return [{name: _short(value) for name, value in row.items()} for row in table.slice(0, most).to_pylist()]


def plain(columns: Mapping[str, Column], rows: int) -> list[dict[str, Any]]:
    """Give rows of a file as plain data for a page, cut likewise."""
    values = {name: column if isinstance(column, list) else column.to_pylist() for name, column in columns.items()}
    return [{name: _short(column[row]) for name, column in values.items()} for row in range(rows)]


def printable(text: str) -> str:
    """Give a text that every page and database takes: NUL, and bytes that were no UTF-8, as their escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def write_part(table: pa.Table, target: BinaryIO) -> None:
    """Write a table in Arrow's own form, which costs no encoding."""
    with pa.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table)


def read_part(source: BinaryIO) -> pa.Table:
    """Give a table that `write_part` wrote."""
    with pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def open_result(target: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """Give what writes the whole result, a table at a time."""
    return pq.ParquetWriter(target, schema)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _id_type(kind: pa.DataType | None) -> pa.DataType:
    """Give the id's own type where it is a plain one, else text."""
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_plain = kind is not None and (pa.types.is_integer(kind) or pa.types.is_large_string(kind))
    return kind if is_plain else pa.string()


def _type_of(spec: TensorSpec, *, is_batched: bool) -> pa.DataType:
    kind = pa.string() if spec.datatype == "BYTES" else pa.from_numpy_dtype(array_dtype(spec.datatype))
    for _ in spec.row_shape if is_batched else spec.shape:
        kind = pa.list_(kind)
    return kind


def _ids(ids: Column | None, first_row: int, rows: int, kind: pa.DataType) -> pa.Array:
    if ids is None:
        return pa.array(np.arange(first_row, first_row + rows))
    if isinstance(ids, list):
        return pa.array([_id_text(value) for value in ids], kind)
    known = plain_array(ids)
    try:
        return known.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([_id_text(value) for value in known.to_pylist()], kind)


def _id_text(value: Any) -> str | None:
    return None if value is None else str(value).encode("utf-8", "replace").decode()


def _not_finite(parts: Sequence[Output], is_batched: bool) -> list[int]:
    found, at = [], 0
    for part in parts:
        rows = part.shape[0] if is_batched else 1
        if not isinstance(part.values, list) and part.values.dtype.kind == "f":
            is_finite = np.isfinite(part.values).reshape(rows, -1).all(axis=1)
            found += [at + int(row) for row in np.flatnonzero(~is_finite)]
        at += rows
    return found


def _column(
    spec: TensorSpec,
    parts: Sequence[Output],
    is_answered: np.ndarray,
    is_kept: np.ndarray,
    kind: pa.DataType,
    *,
    is_batched: bool,
) -> pa.Array:
    """Give an output for every row, null where there is none."""
    if not parts:
        return pa.nulls(len(is_answered), kind)
    row_shapes = {part.shape[1:] if is_batched else part.shape for part in parts}
    is_even = len(row_shapes) == 1 and all(next(iter(row_shapes)))  # a size of nought has nothing to lay out
    if not is_even or isinstance(parts[0].values, list):
        return _of_values([row for part in parts for row in _rows(part, is_batched)], is_answered, is_kept, kind)
    (shape,) = row_shapes
    joined = np.concatenate([part.values.reshape(-1, *shape) for part in parts])  # type: ignore[union-attr]
    kept = joined if is_kept.sum() == len(joined) else joined[is_kept[is_answered]]
    if not shape:
        whole = np.zeros(len(is_kept), kept.dtype)
        whole[is_kept] = kept
        return pa.array(whole, kind, mask=~is_kept)
    inner: pa.Array = pa.array(kept.reshape(-1))
    for size in reversed(shape[1:]):
        inner = pa.ListArray.from_arrays(pa.array(np.arange(0, len(inner) + 1, size, dtype=np.int32)), inner)
    bounds = np.concatenate(([0], np.cumsum(is_kept, dtype=np.int32) * shape[0])).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), inner, mask=pa.array(~is_kept))


def _of_values(rows: list[Any], is_answered: np.ndarray, is_kept: np.ndarray, kind: pa.DataType) -> pa.Array:
    whole: list[Any] = [None] * len(is_answered)
    for place, value in zip(np.flatnonzero(is_answered), rows, strict=True):
        whole[place] = value if is_kept[place] else None
    return pa.array(whole, kind)


def _rows(part: Output, is_batched: bool) -> list[Any]:
    """Give one plain value a row."""
    if isinstance(part.values, list):
        rows: list[Any] = nested_values(part if is_batched else part._replace(shape=(1, *part.shape)))
        return rows
    return list(part.values.tolist()) if is_batched else [part.values.tolist()]


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value if len(value) <= _SHOWN_TEXT else f"{value[:_SHOWN_TEXT]}…")
    if isinstance(value, list):
        return [_short(one) for one in value[:_SHOWN_VALUES]] + (["…"] if len(value) > _SHOWN_VALUES else [])
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | type(None)) else str(value)
