"""Parquet and Arrow files in batches of bounded size, their types brought down to the few that datasets hold. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets.formats.facts import FRAME_BYTES, FRAME_ROWS, UnreadableError

READ_ROWS = 8192
_TIME = pa.timestamp("us")


def batches_of(stream: BinaryIO, kind: str, name: str) -> Iterator[pa.RecordBatch]:
    """Give the batches of a file; the first, which may be empty, tells the schema. Raises UnreadableError."""
    try:
        yield from _parquet(stream) if kind == "parquet" else _arrow(stream)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, EOFError, UnicodeDecodeError) as error:
        raise _damaged(error, kind, name) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(error, kind, name) from error


def _damaged(error: BaseException, kind: str, name: str) -> UnreadableError:
    why = (str(error).splitlines() or [""])[0][:300]
    return UnreadableError("damaged_file", file=name, kind=kind, why=why)


def _parquet(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(stream)
    meta = file.metadata
    yield pa.RecordBatch.from_pylist([], schema=file.schema_arrow)
    size = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups))
    rows = max(1, min(READ_ROWS, FRAME_BYTES * max(1, meta.num_rows) // max(1, size)))
    for batch in file.iter_batches(batch_size=rows, use_threads=False):
        batch.validate(full=True)
        yield batch


def _arrow(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
    head = stream.read(6)
    stream.seek(0)
    if head == b"ARROW1":
        file = pa.ipc.open_file(stream)
        found = (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        file = found = pa.ipc.open_stream(stream)
    yield pa.RecordBatch.from_pylist([], schema=file.schema)
    for batch in found:
        batch.validate(full=True)
        step = max(1, min(FRAME_ROWS, FRAME_BYTES * max(1, batch.num_rows) // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, step):
            yield batch.slice(start, step)


def type_of(kind: pa.DataType) -> tuple[str, str]:
    """Give the type that a column of an Arrow type gets here, and a note where something is lost by it."""
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        return type_of(kind.value_type)[0], "was_category"
    if pa.types.is_run_end_encoded(kind):
        return type_of(kind.value_type)
    for tells, name, note in _KINDS:
        if tells(kind):
            return name, note
    if _is_list(kind):
        inner, note = type_of(kind.value_type)
        return (f"list[{inner}]", note) if "[" not in inner and note != "was_nested" else ("text", "was_nested")
    return "", "unknown_type"


def _is_list(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


_KINDS = (
    (_is_text, "text", ""),
    (pa.types.is_boolean, "truth", ""),
    (pa.types.is_uint64, "integer", "was_unsigned"),
    (pa.types.is_integer, "integer", ""),
    (pa.types.is_floating, "number", ""),
    (pa.types.is_decimal, "number", "was_decimal"),
    (pa.types.is_date, "date", ""),
    (pa.types.is_timestamp, "datetime", ""),
    (pa.types.is_duration, "duration", ""),
    (pa.types.is_time, "text", "was_time"),
    (pa.types.is_null, "text", "was_null"),
    (pa.types.is_struct, "text", "was_nested"),
    (pa.types.is_map, "text", "was_nested"),
    (_is_bytes, "", "was_bytes"),
)


def plain(column: pa.Array) -> pa.Array:
    """Give a column in one of the Arrow types that `values.fit` knows; bytes come as base64, nested values as JSON."""
    while (bare := _bare(column)) is not None:
        column = bare
    kind = column.type
    if _is_bytes(kind):
        return pa.array([None if one is None else base64.b64encode(one).decode() for one in column.to_pylist()])
    if type_of(kind) == ("text", "was_nested"):
        return pa.array([_json(one) for one in column.to_pylist()], pa.large_string())
    if pa.types.is_timestamp(kind):
        return pc.cast(column, pa.timestamp("us", kind.tz), safe=False)
    for tells, target in _TARGETS:
        if tells(kind):
            return pc.cast(column, target, safe=False)
    return column


def _bare(column: pa.Array) -> pa.Array | None:
    """Give the values behind an extension type, a dictionary or runs; `None` if there is nothing before them."""
    if isinstance(column.type, pa.BaseExtensionType):
        return column.storage
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return pc.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else None


_TARGETS = (
    (pa.types.is_duration, pa.duration("us")),
    (pa.types.is_decimal, pa.float64()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_date, pa.date32()),
    (_is_text, pa.large_string()),
    (pa.types.is_time, pa.string()),
    (pa.types.is_null, pa.string()),
)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
