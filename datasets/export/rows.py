"""Rows as CSV, JSON Lines and Parquet, frame by frame. No Django."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.engines.table import ROW

# What spreadsheets take for a formula at the beginning of a cell; the wide forms are what Excel in Korean and Japanese
# takes too. Source: OWASP, CSV Injection.
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_BOM = b"\xef\xbb\xbf"


def write_csv(
    frames: Iterable[pl.DataFrame], stream: BinaryIO, *, is_guarded: bool = True, has_bom: bool = False
) -> None:
    """Write RFC 4180 with a header, in UTF-8. A missing value is an empty cell, an empty text is `""`.

    Guarded, a text that a spreadsheet would run as a formula begins with a quote; `has_bom` is for Excel.
    """
    if has_bom:
        stream.write(_BOM)
    for number, frame in enumerate(frames):
        cells = _without_row(frame).select(_csv_cell(name, kind, is_guarded) for name, kind in _kinds(frame))
        if is_guarded:
            cells = cells.rename(lambda name: f"'{name}" if name and name[0] in "=+-@\t\r\n＝＋－＠" else name)
        stream.write(cells.write_csv(include_header=number == 0, line_terminator="\r\n").encode())


def write_jsonl(frames: Iterable[pl.DataFrame], stream: BinaryIO) -> None:
    """Write an object a line. A number that JSON has no word for is `null`; a duration is a number of seconds."""
    for frame in frames:
        lines = io.BytesIO()
        _without_row(frame).select(_json_cell(name, kind) for name, kind in _kinds(frame)).write_ndjson(lines)
        stream.write(lines.getbuffer())


def write_parquet(frames: Iterable[pl.DataFrame], stream: BinaryIO) -> None:
    """Write one Parquet file."""
    writer: pq.ParquetWriter | None = None
    try:
        for frame in frames:
            table = plain_arrow(_without_row(frame))
            writer = writer or pq.ParquetWriter(stream, table.schema, compression="zstd")
            if table.num_rows or frame.width:
                writer.write_table(table)
    finally:
        if writer:
            writer.close()


def plain_arrow(frame: pl.DataFrame) -> pa.Table:
    """Give a frame with the types of Arrow that every reader knows: no large texts, no views."""
    table = frame.to_arrow()
    return table.cast(pa.schema([(one.name, plain_type(one.type)) for one in table.schema]))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Give the type that every reader knows."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind


def _kinds(frame: pl.DataFrame) -> list[tuple[str, pl.DataType]]:
    return [(name, kind) for name, kind in frame.schema.items() if name != ROW]


def _without_row(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(ROW, strict=False)


def _csv_cell(name: str, kind: pl.DataType, is_guarded: bool) -> pl.Expr:
    own = pl.col(name)
    if isinstance(kind, pl.List):
        own = _json_list(name)
    elif isinstance(kind, pl.Datetime):
        return own.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    elif isinstance(kind, pl.Duration):
        return own.dt.total_microseconds() / 1_000_000
    if kind != pl.String or not is_guarded:
        return own
    return pl.when(own.str.contains(_FORMULA)).then(pl.lit("'") + own).otherwise(own).alias(name)


def _json_cell(name: str, kind: pl.DataType) -> pl.Expr:
    own = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return own.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    if isinstance(kind, pl.Duration):
        return own.dt.total_microseconds() / 1_000_000
    if kind.is_float():
        return pl.when(own.is_finite()).then(own).alias(name)
    return own


def _json_list(name: str) -> pl.Expr:
    """Give a list as JSON text: what stands in `{"v":…}`."""
    text = pl.struct(pl.col(name).alias("v")).struct.json_encode().str.slice(len('{"v":')).str.head(-1)
    return pl.when(pl.col(name).is_not_null()).then(text).alias(name)
