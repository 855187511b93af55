"""Rows of a sealed version by their place: a page of it, wherever it is, read from the parts that hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasets.content import local_path
from datasets.engines.table import ROW
from datasets.models import DatasetPart, DatasetVersion
from datasets.values import plain

MOST_ROWS = 1000
LONGEST_LIST = 50


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one part that follow each other: `start` is the place of the first in the part."""

    part: DatasetPart
    start: int
    rows: int

    @property
    def first_row(self) -> int:
        """Give the number that the first of them has in the version."""
        return self.part.first_row + self.start

    def frame(self) -> pl.LazyFrame:
        """Give the rows with their numbers as `ROW`; nothing is read yet."""
        path = local_path(self.part.blob)
        return pl.scan_parquet(path, glob=False).slice(self.start, self.rows).with_row_index(ROW, self.first_row)


class Rows:
    """Rows of a version, or of one split of it, counted from 0."""

    def __init__(self, version: DatasetVersion, split: str | None = None) -> None:
        parts = version.parts.select_related("blob").order_by("number")
        self._parts = list(parts if split is None else parts.filter(split=split))
        self.total = sum(part.rows for part in self._parts)
        self.types = {column["name"]: column["type"] for column in version.columns}

    def stretches(self, place: int, most: int) -> Iterator[Stretch]:
        """Give what lies from a place on, in stretches of at most so many rows, to the end."""
        for part in self._parts:
            while place < part.rows:
                stretch = Stretch(part, place, min(most, part.rows - place))
                yield stretch
                place += stretch.rows
            place -= part.rows

    def page(self, place: int, count: int, columns: Sequence[str], longest: int) -> list[dict[str, Any]]:
        """Give some columns of so many rows, as `plain_rows`; `longest` is where texts are cut."""
        found, left = [], min(count, MOST_ROWS)
        for stretch in self.stretches(place, left):
            found.append(stretch.frame().head(left).select(ROW, *self.shown(columns, longest)).collect())
            left -= len(found[-1])
            if not left:
                break
        return [row for frame in found for row in plain_rows(frame)]

    def shown(self, columns: Sequence[str], longest: int) -> list[pl.Expr]:
        """Give columns with their texts and lists cut: one character, or one entry, tells that there is more."""
        return [_cut(pl.col(name), self.types[name], longest) for name in columns]


def plain_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Give `{"row": number, "values": {column: value}}`, the values as JSON."""
    return [
        {"row": row.pop(ROW), "values": {name: plain(value) for name, value in row.items()}} for row in frame.to_dicts()
    ]


def _cut(column: pl.Expr, kind: str, longest: int) -> pl.Expr:
    if kind == "text":
        return column.str.slice(0, longest + 1)
    if not kind.startswith("list"):
        return column
    short = column.list.head(LONGEST_LIST + 1)
    return short.list.eval(pl.element().str.slice(0, longest + 1)) if kind == "list[text]" else short
