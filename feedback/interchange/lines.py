"""CSV and JSON Lines of judgements, a row at a time with its line; what cannot be read is set aside with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from datasets.formats import delimited, guessing, jsons
from datasets.formats.facts import Reject, UnreadableError
from datasets.formats.reading import unreadable
from datasets.formats.texts import Lines
from datasets.formats.words import why

SHOWN = 100


class Line(NamedTuple):
    """A row by column, and where it stands."""

    number: int
    values: dict[str, Any]


class Aside:
    """The rows that were set aside: all counted, the first ones told."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[dict[str, Any]] = []

    @property
    def first(self) -> list[dict[str, Any]]:
        """The first ones by line: a batch is read before its rows are taken."""
        return sorted(self._first, key=lambda one: int(one["line"]))

    def add(self, line: int, reason: str) -> None:
        """Count one."""
        self.count += 1
        if len(self._first) < SHOWN:
            # What a file holds may be no text that a database keeps.
            plain = reason[:500].replace("\0", "").encode("utf-8", "replace").decode()
            self._first.append({"line": line, "reason": plain})


def read_lines(stream: BinaryIO, name: str, aside: Aside) -> Iterator[Line]:
    """Give the rows of a file. Raises Invalid for a file that is neither CSV nor JSON."""
    try:
        sample = guessing.text_sample(stream)
        kind, encoding = guessing.format_of(name, sample), guessing.encoding_of(name, sample)[0]
        if kind not in ("csv", "tsv", "json", "jsonl"):
            raise UnreadableError("no_rows_format", file=name, kind=kind)
        stream.seek(0)
        if kind in ("csv", "tsv"):
            text = sample.decode(encoding, "replace").removeprefix("\ufeff")
            yield from _cells(stream, encoding, guessing.dialect_of(text, "\t" if kind == "tsv" else ""), aside)
            return
        for item in jsons.items_of(stream, kind, encoding, name):
            if isinstance(item, Reject):
                aside.add(item.line, why(item))
            else:
                yield Line(item.line, item.values)
    except UnreadableError as error:
        raise unreadable(error.code, error.values) from None


def _cells(stream: BinaryIO, encoding: str, dialect: guessing.Dialect, aside: Aside) -> Iterator[Line]:
    header: list[str] | None = None
    for row in delimited.Rows(Lines(stream, encoding), dialect):
        if isinstance(row, Reject):
            aside.add(row.line, why(row))
        elif header is None:
            header = [cell.strip() for cell in row.cells]
        elif len(row.cells) != len(header):
            values = {"cells": len(row.cells), "columns": len(header)}
            aside.add(row.line, why(Reject(row.line, "ragged", values=values)))
        else:
            yield Line(row.line, {name: cell for name, cell in zip(header, row.cells, strict=True) if cell.strip()})
