"""JSON Lines a block at a time, by Arrow's reader. A block with anything odd in it is left to `jsons`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json

from datasets.formats.facts import MOST_LINE_BYTES, Column

BLOCK_BYTES = 8 << 20
_KINDS = {"integer": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}
_AS_TEXT = ("text", "date", "datetime", "duration")


def schema_of(columns: Sequence[Column]) -> pa.Schema | None:
    """Give the columns as JSON has them; `None` where a column is none of the plain types."""
    kinds = {one.source: pa.string() if one.type in _AS_TEXT else _KINDS.get(one.type) for one in columns}
    return pa.schema(list(kinds.items())) if kinds and all(kinds.values()) else None


def values_of(block: Sequence[bytes], schema: pa.Schema) -> dict[str, pl.Series] | None:
    """Give the values of lines by column; `None` unless each line is one object and each value of its column's type.

    What Arrow takes and JSON does not have (NaN and infinities), and the zero below zero, are odd too. Inside an object
    no closing brace stands before an opening one, so a line that ends with the first and one that begins with the
    other are two objects at least; as many objects as lines means one on each.
    """
    if len(block[-1]) > MOST_LINE_BYTES:
        return None  # it may go on
    data = b"".join(block)
    if not data.startswith(b"{") or data.count(b"}\n{") != len(block) - 1:
        return None
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        table.validate(full=True)  # that all text is UTF-8
    except pa.ArrowInvalid:
        return None
    if len(table) != len(block) or any(map(_is_odd, table.columns)):
        return None
    return {name: pl.Series(name, table[name]) for name in schema.names}


def _is_odd(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type):
        return False
    values = column.fill_null(1.0).to_numpy()
    return bool((~np.isfinite(values) | ((values == 0) & np.signbit(values))).any())
