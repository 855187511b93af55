"""Pieces of a file brought to the columns of a dataset: what fits goes on, what does not is set aside. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from datasets.formats import tables
from datasets.formats import values as typed
from datasets.formats.facts import DROP, FRAME_ROWS, LONGEST_RAW, Column, Found, Reading, Reject, UnreadableError, cut
from datasets.formats.unpacking import Packed
from datasets.formats.values import Fitted, Texts

SAMPLE_ROWS = 10_000
EXAMPLES = 3
_SIMPLE: dict[str, set[type]] = {"integer": {int}, "number": {int, float}, "truth": {bool}}


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows that fit, and those that did not."""

    rows: pl.DataFrame
    rejects: list[Reject]


def survey(files: Sequence[Packed], reading: Reading) -> Found:
    """Find out what the files hold, from the beginning of the first of them. Raises UnreadableError."""
    typed.check_asked(reading)
    found = tables.recognise(files[0], reading)
    found.sheet = reading.sheet
    found.files = [file.name for file in files[:1000]]
    pieces = tables.pieces_of(files[0], found, reading.has_header, SAMPLE_ROWS)
    columns = next(pieces).values
    sample = next(pieces, None) or tables.Piece({})
    columns |= {source: [] for source in sample.values if source not in columns}
    if not columns:
        raise UnreadableError("no_columns", file=files[0].name)
    found.columns = [_column(source, known, sample.values.get(source, [])) for source, known in columns.items()]
    _override(found, reading)
    found.warnings += tables.named(found.columns, reading.names)
    found.warnings += [(column.note, {"column": column.name}) for column in found.columns if column.note]
    if not sample.rows and not sample.rejects:
        found.warnings.append(("no_rows", {}))
    return found


def _column(source: str, known: Any, values: Any) -> Column:
    if isinstance(known, tuple):  # the format says the type
        column = Column(source, source, *known)
    else:
        head = list(values[:SAMPLE_ROWS])
        column = typed.guess(source, Texts(head) if isinstance(values, pl.Series) else head)
    first = values[:100].to_list() if isinstance(values, pl.Series) else values[:100]
    column.examples = [cut(str(value))[:100] for value in first if value not in (None, "")][:EXAMPLES]
    return column


def _override(found: Found, reading: Reading) -> None:
    known = {column.source: column for column in found.columns}
    for asked in (reading.types, reading.names, reading.date_formats):
        for name in asked:
            if name not in known:
                near = ", ".join(list(known)[:20])
                raise UnreadableError("no_such_column", column=name, columns=near)
    for name, kind in reading.types.items():
        column = known[name]
        if column.type == "" and kind not in ("text", DROP):
            raise UnreadableError("bytes_as", column=name, type=kind)
        column.is_chosen = True
        if kind != column.type:
            column.type, column.note, column.date_format = kind, "", ""
    for name, form in reading.date_formats.items():
        known[name].date_format = form


def frames(files: Sequence[Packed], found: Found, reading: Reading, most_rows: int = FRAME_ROWS) -> Iterator[Frame]:
    """Give all rows of the files, at most so many at a time. Raises UnreadableError where one is damaged."""
    for column in found.columns:
        if not column.type:
            raise UnreadableError("bytes_column", column=column.name)
    if all(column.type == DROP for column in found.columns):
        raise UnreadableError("all_dropped")
    for number, file in enumerate(files):
        mark = file.name if len(files) > 1 else ""
        own = _found_of(file, found, reading, number)
        for piece in tables.pieces_of(file, own, reading.has_header, most_rows):
            if not piece.rows and not piece.rejects:
                _same_columns(piece, found, file)
                continue
            yield _fitted(piece, found, reading, mark)


def _found_of(file: Packed, found: Found, reading: Reading, number: int) -> Found:
    """Give how one of several files is read: with the same columns, in an encoding and dialect of its own."""
    if number == 0:
        return found
    own = tables.recognise(file, reading)
    if own.format != found.format:
        raise UnreadableError("other_format", file=file.name, format=own.format, first=found.format)
    return replace(own, columns=found.columns, sheet=found.sheet if reading.sheet else "")


def _same_columns(piece: tables.Piece, found: Found, file: Packed) -> None:
    if not piece.values:
        return
    known = {column.source for column in found.columns}
    for name in known - piece.values.keys():
        raise UnreadableError("lacks_column", file=file.name, column=name)
    for name in piece.values.keys() - known:
        raise UnreadableError("strange_column", file=file.name, column=name)


def _fitted(piece: tables.Piece, found: Found, reading: Reading, mark: str) -> Frame:
    wrong: dict[int, tuple[str, str, Any]] = {}
    fitted: dict[str, pl.Series] = {}
    quick = _at_once(piece, found.columns)
    for column in found.columns:
        if column.type == DROP:
            continue
        if column.source in quick:
            fitted[column.name] = quick[column.source].alias(column.name)
            continue
        one = _values(piece.values[column.source], column, reading.time_zone)
        fitted[column.name] = one.values.alias(column.name)
        if one.wrong is not None:
            for row in one.wrong.is_not_null().arg_true():
                wrong.setdefault(row, (one.wrong[row], column.name, piece.values[column.source][row]))
    rows = pl.DataFrame(fitted)
    rejects = list(piece.rejects)
    if wrong:
        rows = rows.with_row_index("__n").filter(~pl.col("__n").is_in(list(wrong))).drop("__n")
        rejects += [_misfit(piece, row, *why, found) for row, why in wrong.items()]
    rejects.sort(key=lambda reject: reject.line)
    return Frame(rows, [replace(one, file=mark) for one in rejects] if mark else rejects)


def _at_once(piece: tables.Piece, columns: Sequence[Column]) -> dict[str, pl.Series]:
    """Give the columns of cells of which all fit as they stand, all in one go: there may be thousands of them."""
    kinds = {one.source: one.type for one in columns if one.type in ("text", "integer", "number")}
    cells = {source: piece.values[source] for source in kinds if _are_cells(piece.values[source])}
    if not cells:
        return {}
    names = {f"c{number}": source for number, source in enumerate(cells)}  # of ours: some names are patterns to Polars
    frame = pl.DataFrame({name: cells[source] for name, source in names.items()})
    read = frame.select(pl.col(name).cast(typed.DTYPES[kinds[source]], strict=False) for name, source in names.items())
    looked = frame.with_columns(read.select(name for name, source in names.items() if kinds[source] == "number"))
    odd = looked.select(_is_odd(pl.col(name), kinds[source]).any().alias(name) for name, source in names.items()).row(0)
    lost = zip(frame.null_count().row(0), read.null_count().row(0), odd, strict=True)
    return {
        source: read[name]
        for (name, source), (before, after, is_odd) in zip(names.items(), lost, strict=True)
        if before == after and not is_odd
    }


def _are_cells(values: Any) -> bool:
    return isinstance(values, pl.Series) and values.dtype == pl.String


def _is_odd(column: pl.Expr, kind: str) -> pl.Expr:
    """Tell values that need a closer look: numbers as such, all others by their letters."""
    if kind == "text":
        return column.str.contains("\0", literal=True)
    return column.is_nan() | column.is_infinite() if kind == "number" else column.str.contains(typed.CODE)


def _misfit(piece: tables.Piece, row: int, code: str, column: str, value: Any, found: Found) -> Reject:
    kind = next(one.type for one in found.columns if one.name == column)
    values = {"value": cut(str(value))[:100], "type": kind}
    return Reject(piece.lines[row], code, piece.raw(row)[: LONGEST_RAW + 1], column, values)


def _values(values: Any, column: Column, zone: str) -> Fitted:
    fitted = typed.fit(values, column, zone) if isinstance(values, pl.Series) else _of_json(values, column, zone)
    if column.type == "text" and (holds := fitted.values.str.contains("\0", literal=True)).any():
        return Fitted(fitted.values, typed.codes(nul=holds))
    return fitted


def _of_json(values: list[Any], column: Column, zone: str) -> Fitted:
    """Give values as JSON has them as of the type of their column."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {str}:
        return typed.fit(pl.Series(column.source, values, dtype=pl.String), column, zone)
    if kinds <= _SIMPLE.get(column.type, set()) or (kinds == {list} and column.type.startswith("list[")):
        try:
            return typed.fit(pl.Series(column.source, values, dtype=typed.dtype_of(column.type)), column, zone)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            kinds = {object}  # one of them does not fit: find out which
    texts = [one if one is None or isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in values]
    return typed.fit(pl.Series(column.source, texts, dtype=pl.String), column, zone)
