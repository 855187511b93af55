"""Files of any format as pieces of rows of bounded size, each row with the number of its line. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import polars as pl

from datasets.engines.table import is_pattern
from datasets.formats import delimited, guessing, jsons
from datasets.formats.facts import (
    FRAME_BYTES,
    FRAME_CELLS,
    FRAME_ROWS,
    MOST_COLUMNS,
    Column,
    Found,
    Reading,
    Reject,
    UnreadableError,
    cut,
)
from datasets.formats.texts import Lines
from datasets.formats.unpacking import Packed
from datasets.formats.values import Texts

MOST_MISSES = 8  # blocks in a row that Arrow does not take
_TEXTUAL = ("csv", "tsv", "json", "jsonl")


@dataclass(slots=True)
class Piece:
    """Some rows as they stand in the file: values by column, lines, what was set aside, and how a row reads."""

    values: dict[str, Any]
    lines: Sequence[int] = ()
    rejects: list[Reject] = field(default_factory=list)
    raw: Callable[[int], str] = str

    @property
    def rows(self) -> int:
        """The number of rows that could be read."""
        return len(self.lines)


def recognise(file: Packed, reading: Reading) -> Found:
    """Give format, encoding and dialect of a file. Raises UnreadableError."""
    with file.open() as stream:
        sample = guessing.text_sample(stream)
    kind = reading.format or guessing.format_of(file.name, sample)
    found = Found(format=kind, compression=file.compression)
    if kind not in _TEXTUAL:
        return found
    encoding, is_mixed = guessing.encoding_of(file.name, sample)
    found.encoding = reading.encoding or encoding
    if is_mixed and not reading.encoding:
        found.warnings.append(("mixed_encodings", {"encoding": encoding}))
    if kind in ("csv", "tsv"):
        text = sample.decode(found.encoding, "replace").removeprefix("\ufeff")
        given = reading.delimiter or ("\t" if kind == "tsv" else "")
        dialect = guessing.dialect_of(text, given, reading.quote)
        found.delimiter, found.quote = dialect.delimiter, dialect.quote
    return found


def pieces_of(file: Packed, found: Found, has_header: bool, most_rows: int = FRAME_ROWS) -> Iterator[Piece]:
    """Give the rows of a file, at most so many at a time.

    The first piece has none and tells the columns, where the format knows them.
    """
    if found.format in ("csv", "tsv"):
        return _delimited(file, found, has_header, most_rows)
    if found.format in ("json", "jsonl"):
        return _items(file, found, most_rows)
    if found.format == "excel":
        return _sheet(file, found, has_header, most_rows)
    return _batches(file, found)


def _delimited(file: Packed, found: Found, has_header: bool, most_rows: int) -> Iterator[Piece]:
    with file.open() as stream:
        dialect = guessing.Dialect(found.delimiter, found.quote)
        rows = iter(delimited.Rows(Lines(stream, found.encoding), dialect))
        first = next(rows, None)
        if first is None:
            raise UnreadableError("empty", file=file.name)
        if isinstance(first, Reject):
            raise UnreadableError("broken_header", file=file.name, line=first.line, why=first.code)
        sources = _unique(first.cells if has_header else [""] * len(first.cells), file.name)
        yield Piece({source: Texts() for source in sources})
        waiting = _Waiting(sources, found.delimiter, most_rows)
        if not has_header:
            waiting.add(first)
        for row in rows:
            waiting.add(row)
            if waiting.is_full:
                yield waiting.piece()
        yield waiting.piece()


class _Waiting:
    """Rows of cells until they are enough for a piece."""

    def __init__(self, sources: list[str], delimiter: str, most_rows: int) -> None:
        self._sources, self._delimiter = sources, delimiter
        self._most = max(1, min(most_rows, FRAME_CELLS // len(sources)))
        self._begin()

    def _begin(self) -> None:
        self._cells: list[list[str]] = []
        self._lines: list[int] = []
        self._rejects: list[Reject] = []
        self._size = 0

    @property
    def is_full(self) -> bool:
        return len(self._cells) + len(self._rejects) >= self._most or self._size >= FRAME_BYTES

    def add(self, row: delimited.Row | Reject) -> None:
        if isinstance(row, Reject):
            self._rejects.append(row)
            return
        cells, width = row.cells, len(self._sources)
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]  # delimiters at the end of the line
        self._size += row.size
        if len(cells) != width:
            values = {"cells": len(cells), "columns": width}
            self._rejects.append(Reject(row.line, "ragged", cut(self._delimiter.join(cells)), values=values))
            return
        self._cells.append(cells)
        self._lines.append(row.line)

    def piece(self) -> Piece:
        columns = zip(*self._cells, strict=True) if self._cells else ([] for _source in self._sources)
        cells, mark = self._cells, self._delimiter
        names = [f"c{number}" for number in range(len(self._sources))]  # some names are patterns to Polars
        frame = pl.DataFrame(
            [pl.Series(name, list(one), dtype=pl.String) for name, one in zip(names, columns, strict=True)]
        )
        frame = frame.select(pl.when(pl.col(name) != "").then(pl.col(name)) for name in names)
        values = dict(zip(self._sources, frame.get_columns(), strict=True))
        piece = Piece(values, self._lines, self._rejects, lambda row: mark.join(cells[row]))
        self._begin()
        return piece


def _items(file: Packed, found: Found, most_rows: int) -> Iterator[Piece]:
    gathered = _Items([column.source for column in found.columns], most_rows, file.name)
    with file.open() as stream:
        yield Piece({})
        if found.format == "jsonl":
            yield from _lines(Lines(stream, found.encoding), found, gathered)
        else:
            yield from gathered.pieces(jsons.whole(stream, found.encoding, file.name))
        yield gathered.piece()


def _lines(lines: Lines, found: Found, gathered: _Items) -> Iterator[Piece]:
    """Give blocks that Arrow reads as they are; those in which it finds anything odd are gathered row by row."""
    from datasets.formats import arrow_lines  # noqa: PLC0415 - Arrow is loaded only where rows are read

    schema = arrow_lines.schema_of(found.columns) if lines.is_utf8 else None
    misses = 0 if schema is not None else MOST_MISSES
    while misses < MOST_MISSES and (block := lines.block(arrow_lines.BLOCK_BYTES, gathered.most)):
        values = arrow_lines.values_of(block, schema)
        if values is None:
            misses += 1
            lines.give_back(block)
            yield from gathered.pieces(jsons.lines_of(lines, len(block)))
            continue
        misses = 0
        yield gathered.piece()
        numbers = range(lines.number + 1, lines.number + len(block) + 1)
        yield Piece(values, numbers, raw=partial(_raw, block))
        lines.pass_by(block)
    yield from gathered.pieces(jsons.lines_of(lines))


def _raw(block: Sequence[bytes], row: int) -> str:
    return _json(orjson.loads(block[row]))


class _Items:
    """Objects of JSON until they are enough for a piece."""

    def __init__(self, known: list[str], most_rows: int, file: str) -> None:
        self._known, self._file = known, file
        self._names = set(known)  # while columns are being found out every name is welcome
        self.most = max(1, min(most_rows, FRAME_CELLS // max(1, len(known))))
        self._begin()

    def _begin(self) -> None:
        self._items: list[jsons.Item] = []
        self._rejects: list[Reject] = []
        self._size = 0

    def pieces(self, items: Iterable[jsons.Item | Reject]) -> Iterator[Piece]:
        """Gather, giving each piece that is full."""
        for item in items:
            self._add(item)
            if len(self._items) + len(self._rejects) >= self.most or self._size >= FRAME_BYTES:
                yield self.piece()

    def _add(self, item: jsons.Item | Reject) -> None:
        if isinstance(item, Reject):
            self._rejects.append(item)
        elif self._names and not self._names >= item.values.keys():
            name = min(item.values.keys() - self._names)
            self._rejects.append(Reject(item.line, "unknown_field", _json(item.values), column=name[:255]))
        else:
            self._items.append(item)
            self._size += item.size

    def piece(self) -> Piece:
        """Give what was gathered, which may be nothing."""
        items = self._items
        sources = self._known or list(dict.fromkeys(source for item in items for source in item.values))
        if len(sources) > MOST_COLUMNS:
            raise UnreadableError("too_many_columns", file=self._file, columns=len(sources), most=MOST_COLUMNS)
        values = {source: [item.values.get(source) for item in items] for source in sources}
        piece = Piece(values, [item.line for item in items], self._rejects, lambda row: _json(items[row].values))
        self._begin()
        return piece


def _batches(file: Packed, found: Found) -> Iterator[Piece]:
    from datasets.formats import columnar  # noqa: PLC0415 - Arrow is loaded only for its own formats

    at = 1
    with file.seekable() as stream:
        for number, batch in enumerate(columnar.batches_of(stream, found.format, file.name)):
            sources = _unique(list(batch.schema.names), file.name)
            if number == 0:
                yield Piece(dict(zip(sources, map(columnar.type_of, batch.schema.types), strict=True)))
                continue
            wanted = {column.source for column in found.columns if column.type != "drop"} or set(sources)
            columns = zip(sources, batch.columns, strict=True)
            read = {source: pl.Series(source, columnar.plain(one)) for source, one in columns if source in wanted}
            yield Piece(read, range(at, at + batch.num_rows), raw=_frame_raw(read))
            at += batch.num_rows


def _sheet(file: Packed, found: Found, has_header: bool, most_rows: int) -> Iterator[Piece]:
    from datasets.formats import sheets  # noqa: PLC0415 - calamine likewise

    with file.seekable() as stream:
        workbook = sheets.open_workbook(stream, file.name)
    found.sheets = list(workbook.sheet_names)
    found.sheet = sheets.choose(workbook, found.sheet, file.name)
    frame, errors = sheets.frame_of(workbook, found.sheet, has_header, file.name)
    sources = _unique(["" if re.fullmatch(r"__UNNAMED__\d+", name) else name for name in frame.columns], file.name)
    frame.columns = sources
    yield Piece({source: _sheet_type(frame[source].dtype) for source in sources})
    first = 2 if has_header else 1
    most = max(1, min(most_rows, FRAME_CELLS // len(sources)))
    for start in range(0, len(frame), most):
        part = frame.slice(start, most)
        read = {source: part[source] for source in sources}
        lines = range(first + start, first + start + len(part))
        yield _without_errors(Piece(read, lines, raw=_frame_raw(read)), errors, start)


def _sheet_type(kind: pl.DataType) -> tuple[str, str]:
    for test, name in ((kind.is_integer, "integer"), (kind.is_float, "number")):
        if test():
            return name, ""
    known = {pl.Boolean: "truth", pl.Date: "date", pl.Datetime: "datetime", pl.Duration: "duration"}
    return known.get(kind.base_type(), "text"), ""


def _without_errors(piece: Piece, errors: dict[int, str], start: int) -> Piece:
    """Set the rows aside that hold what a formula could not reckon."""
    wrong = [row for row in range(piece.rows) if row + start in errors]
    if not wrong:
        return piece
    rejects = [
        Reject(piece.lines[row], "formula_error", cut(piece.raw(row)), column=errors[row + start]) for row in wrong
    ]
    kept = [row for row in range(piece.rows) if row + start not in errors]
    read = {source: values.gather(kept) for source, values in piece.values.items()}
    return Piece(read, [piece.lines[row] for row in kept], rejects, _frame_raw(read))


def _frame_raw(read: dict[str, pl.Series]) -> Callable[[int], str]:
    return lambda row: _json({name: values[row] for name, values in read.items()})


def _json(values: dict[str, Any]) -> str:
    try:
        return cut(orjson.dumps(values, default=str).decode())
    except (TypeError, orjson.JSONEncodeError):
        return cut(str(values))


def _unique(header: Sequence[str], file: str) -> list[str]:
    """Give each column a name of its own, as it stands in the file where it has one."""
    if not header:
        raise UnreadableError("empty", file=file)
    if len(header) > MOST_COLUMNS:
        raise UnreadableError("too_many_columns", file=file, columns=len(header), most=MOST_COLUMNS)
    taken: set[str] = set()
    found = []
    for number, name in enumerate(header, 1):
        plain = name.strip() or f"column_{number}"
        one, again = plain, 2
        while one in taken:
            one, again = f"{plain}_{again}", again + 1
        taken.add(one)
        found.append(one)
    return found


def named(columns: list[Column], wanted: dict[str, str] | Any) -> list[tuple[str, dict[str, Any]]]:
    """Give the columns the names that datasets take, and tell of each that is another than in the file."""
    taken: set[str] = set()
    told = []
    for column in columns:
        plain = _safe(wanted.get(column.source, column.source))
        one, again = plain, 2
        while one in taken:
            one, again = f"{plain}_{again}", again + 1
        taken.add(one)
        column.name = one
        if one != wanted.get(column.source, column.source):
            told.append(("renamed", {"source": column.source[:100], "column": one}))
    return told


def _safe(name: str) -> str:
    """Give a name in NFC, on one line, of at most 255 characters, that is no pattern and does not begin with “__”."""
    plain = "".join(
        " " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one
        for one in unicodedata.normalize("NFC", name)
        if unicodedata.category(one) not in ("Cf", "Cs")
    )
    plain = re.sub(r"\s+", " ", plain).strip()[:255]
    while is_pattern(plain) or plain.startswith("__"):
        plain = plain.strip("^$* ") if is_pattern(plain) else plain.lstrip("_")
    return plain or "column"
