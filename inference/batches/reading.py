"""Parquet, JSON Lines and CSV in pieces that can be begun again at any of them. Pure; hostile files are expected."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import Invalid
from inference.batches.columns import Column
from registry.signature import FLOATS, Signature, TensorSpec

MOST_ROWS = 16_384  # of a piece
READ_ROWS = 1024  # of Parquet at a time
PIECE_BYTES = 32 << 20
MOST_LINE_BYTES = 16 << 20
MOST_COLUMNS = 4096
BLOCK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_SEPARATORS = re.compile(r"[,;\s]+")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: the row, and for JSON Lines the byte at which its line begins."""

    row: int = 0
    position: int = 0


@dataclass(slots=True)
class Piece:
    """Some rows: their columns by name, those that could not be read, and where the next piece begins."""

    first_row: int
    rows: int
    columns: Mapping[str, Column]
    next: Start
    broken: dict[int, str] = field(default_factory=dict)


def format_of(name: str, head: bytes) -> str:
    """Give `parquet`, `jsonl` or `csv`. Raises Invalid for a file that is none of them."""
    ending = name.lower().rpartition(".")[2]
    if head.startswith(b"PAR1"):
        return "parquet"
    if ending in ("jsonl", "ndjson", "json") or head.removeprefix(_BOM).lstrip()[:1] == b"{":
        return "jsonl"
    if ending in ("csv", "tsv"):
        return "csv"
    raise Invalid("the file is neither Parquet nor JSON Lines nor CSV", fields={"file": "is of another kind"})


def column_types(stream: BinaryIO, kind: str) -> dict[str, pa.DataType | None]:
    """Give the columns in order; types only where the format knows them. Raises Invalid for a damaged file."""
    with _told():
        if kind == "parquet":
            found = {field.name: field.type for field in pq.ParquetFile(stream).schema_arrow}
        elif kind == "csv":
            found = dict.fromkeys(_header(stream))
        else:
            rows = (_object(line)[0] or {} for line in islice(_lines(stream, 0), 100))
            found = dict.fromkeys(name for row in rows for name in row)
    stream.seek(0)
    if not found or len(found) > MOST_COLUMNS:
        raise Invalid(f"the file has {len(found)} columns; 1 to {MOST_COLUMNS} are taken", fields={"file": "columns"})
    _check_names(found)
    return found


def _check_names(names: Iterable[str]) -> None:
    """Refuse names that no page and no database takes. Raises Invalid."""
    for name in names:
        if "\0" in name:
            raise Invalid("the name of a column holds the character NUL", fields={"file": "holds the character NUL"})
        try:
            name.encode()
        except UnicodeEncodeError:
            raise Invalid(
                "the names of the columns are no UTF-8; save the file as UTF-8", fields={"file": "no UTF-8"}
            ) from None


def count_rows(stream: BinaryIO, kind: str) -> int:
    """Give how many rows there are; of texts how many lines, so that blank ones count too."""
    with _told():
        if kind == "parquet":
            return int(pq.ParquetFile(stream).metadata.num_rows)
    lines, last = 0, b"\n"
    while block := stream.read(BLOCK_BYTES):
        lines += block.count(b"\n")
        last = block[-1:]
    stream.seek(0)
    return max(0, lines + (last != b"\n") - (kind == "csv"))


def read_pieces(
    stream: BinaryIO, kind: str, columns: Sequence[str], start: Start, *, most_rows: Callable[[], int]
) -> Iterator[Piece]:
    """Give the rows from `start` on, in pieces of as many rows as are wanted at the time.

    Raises Invalid for a file that is damaged further on.
    """
    read = {"parquet": _parquet, "jsonl": _jsonl, "csv": _csv_pieces}[kind]
    with _told():
        yield from read(stream, list(dict.fromkeys(columns)), start, most_rows)


def cells(
    signature: Signature, kind: str, columns: Mapping[str, str], values: Mapping[str, Column]
) -> Mapping[str, Column]:
    """Give columns with the values that the cells of a CSV file stand for; other formats have values already."""
    if kind != "csv":
        return values
    specs = {columns[spec.name]: spec for spec in signature.inputs}
    return {
        name: [_cell(specs[name], text) for text in column] if name in specs else column
        for name, column in values.items()
    }


def _cell(spec: TensorSpec, text: Any) -> Any:
    if spec.datatype == "BYTES" and len(spec.shape) <= 1:
        return text
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        if text.lstrip().startswith("["):
            return orjson.loads(text)
        values = [_number(spec.datatype, word) for word in _SEPARATORS.split(text.strip(" \t,;"))]
    except (ValueError, KeyError):
        return text
    return values if len(spec.shape) > 1 else values[0] if len(values) == 1 else values


def _number(datatype: str, word: str) -> Any:
    if datatype == "BOOL":
        return _TRUTH[word.lower()]
    return float(word) if datatype in FLOATS else int(word)


class _told:  # noqa: N801 - reads as a verb
    """Says of a damaged file that it is one."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: BaseException | None, _trace: Any) -> None:
        """Turn the errors of the readers into Invalid."""
        if isinstance(error, pa.ArrowInvalid | pa.ArrowNotImplementedError | UnicodeDecodeError | EOFError):
            first = (str(error).splitlines() or [""])[0][:300]
            raise Invalid(f"the file cannot be read: {first}", fields={"file": first}) from error
        if isinstance(error, OSError) and error.errno is None:  # Arrow's, of a damaged file
            raise Invalid(f"the file cannot be read: {str(error)[:300]}", fields={"file": "is damaged"}) from error


def _parquet(stream: BinaryIO, columns: list[str], start: Start, most_rows: Callable[[], int]) -> Iterator[Piece]:
    file = pq.ParquetFile(stream)
    meta = file.metadata
    row_bytes = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups)) // max(1, meta.num_rows)
    most = max(1, min(MOST_ROWS, PIECE_BYTES // max(1, row_bytes)))
    groups, first = _groups_from(meta, start.row)
    batches = file.iter_batches(batch_size=min(most, READ_ROWS), row_groups=groups, columns=columns, use_threads=False)
    at, skip = start.row, start.row - first
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        waiting.append(batch.slice(skip))
        skip = 0
        while sum(one.num_rows for one in waiting) >= (size := min(most, most_rows())):
            table = pa.Table.from_batches(waiting)
            yield _piece(table.slice(0, size), at)
            at += size
            waiting = table.slice(size).to_batches()
    if waiting and (table := pa.Table.from_batches(waiting)).num_rows:
        yield _piece(table, at)


def _groups_from(meta: pq.FileMetaData, row: int) -> tuple[list[int], int]:
    """Give the row groups that hold `row` and what follows, and the number of their first row."""
    at = 0
    for number in range(meta.num_row_groups):
        if at + meta.row_group(number).num_rows > row:
            return list(range(number, meta.num_row_groups)), at
        at += meta.row_group(number).num_rows
    return [], at


def _piece(table: pa.Table, first_row: int) -> Piece:
    columns = {name: _joined(table.column(name)) for name in table.column_names}
    return Piece(first_row, table.num_rows, columns, Start(first_row + table.num_rows))


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _jsonl(stream: BinaryIO, columns: list[str], start: Start, most_rows: Callable[[], int]) -> Iterator[Piece]:
    values: dict[str, list[Any]] = {name: [] for name in columns}
    broken: dict[int, str] = {}
    rows, size, at, position = 0, 0, start.row, start.position
    for line in _lines(stream, start.position):
        position, length = line[1], len(line[0] or b"")
        row, problem = _object(line)
        if problem:
            broken[rows] = problem
        for name in columns:
            values[name].append((row or {}).get(name))
        rows, size = rows + 1, size + length
        if rows >= most_rows() or size >= PIECE_BYTES:
            yield Piece(at, rows, values, Start(at + rows, position), broken)
            at += rows
            values, broken, rows, size = {name: [] for name in columns}, {}, 0, 0
    if rows:
        yield Piece(at, rows, values, Start(at + rows, position), broken)


def _lines(stream: BinaryIO, position: int) -> Iterator[tuple[bytes | None, int]]:
    """Give each line that is not blank, `None` for one that is too long, and where the next one begins."""
    stream.seek(position)
    if position == 0 and stream.read(len(_BOM)) != _BOM:
        stream.seek(0)
    position = stream.tell()
    while line := stream.readline(MOST_LINE_BYTES + 1):
        position += len(line)
        kept: bytes | None = line
        while len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
            kept = None
            line = stream.readline(MOST_LINE_BYTES + 1)
            position += len(line)
        if kept is None or kept.strip():
            yield kept, position


def _object(line: tuple[bytes | None, int]) -> tuple[dict[str, Any] | None, str]:
    if line[0] is None:
        return None, f"the line has more than {MOST_LINE_BYTES} bytes"
    try:
        row = orjson.loads(line[0])
    except orjson.JSONDecodeError as error:
        return None, f"the line is no JSON: {error}"
    return (row, "") if isinstance(row, dict) else (None, "the line is no JSON object")


def _csv_pieces(stream: BinaryIO, columns: list[str], start: Start, most_rows: Callable[[], int]) -> Iterator[Piece]:
    lines = _csv(stream)
    header = next(lines, [])
    places = {name: header.index(name) for name in columns}
    at, rows = start.row, islice(lines, start.row, None)
    while piece := list(islice(rows, most_rows())):
        broken = {n: said for n, row in enumerate(piece) if (said := _problem(row, len(header)))}
        values = {
            name: [None if n in broken else row[place] for n, row in enumerate(piece)] for name, place in places.items()
        }
        yield Piece(at, len(piece), values, Start(at + len(piece)), broken)
        at += len(piece)


class _Unread(list[str]):
    """A row that the reader of CSV gave up; its only cell says why."""


def _problem(row: Sequence[str], cells: int) -> str:
    """Say why a row cannot be taken, nothing if it can."""
    if isinstance(row, _Unread):
        return f"the line cannot be read: {row[0]}"
    return "" if len(row) == cells else f"the line has {len(row)} cells, the header {cells}"


def _header(stream: BinaryIO) -> list[str]:
    header = next(_csv(stream), [])
    if isinstance(header, _Unread):
        raise Invalid(f"the file cannot be read: {header[0]}", fields={"file": header[0]})
    return header


def _csv(stream: BinaryIO) -> Iterator[list[str]]:
    """Give the rows, the header first. Bytes that are no UTF-8 stay visible as such, and are refused with their row."""
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        head = text.readline(BLOCK_BYTES)
        text.seek(0)
        csv.field_size_limit(MOST_LINE_BYTES)
        reader = csv.reader(text, delimiter=max(",;\t", key=head.count))
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = _Unread([str(error)])
            if row:
                yield row
    finally:
        text.detach()  # the stream is the caller's
