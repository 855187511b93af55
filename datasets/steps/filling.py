"""What missing values are, and how they are filled from other rows: of the whole column or of a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasets.engines.table import KEY, ROW, Table
from datasets.steps.base import at
from datasets.steps.comparing import digests
from datasets.steps.exact import mean_of

_FILL, _VALUE, _COUNT, _PRESENT = "__fill", "__value", "__count", "__present"


def absent(name: str, kind: pl.DataType, *, blanks: bool) -> pl.Expr:
    """Say where a value is missing."""
    if kind.is_float():
        return at(name).is_null() | at(name).is_nan()
    if blanks and kind == pl.String:
        return at(name).is_null() | ~at(name).str.contains(r"\S")
    return at(name).is_null()


def present(name: str, kind: pl.DataType, *, blanks: bool) -> pl.Expr:
    """Give the values of a column, `null` where they are missing in any way."""
    return pl.when(~absent(name, kind, blanks=blanks).fill_null(value=True)).then(at(name))


@dataclass(frozen=True)
class Neighbours:
    """Fills with the nearest value before or after, over the borders of parts."""

    columns: tuple[str, ...]
    is_forward: bool
    blanks: bool

    def run(self, table: Table) -> Table:
        """Find the values that stand beside missing ones, then fill."""
        return table.map(_Beside(self, table.fold(self.gather, _together)))

    def gather(self, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Give the values with a missing one beside them, or with the end of the frame."""
        found = {}
        for name in self.columns:
            value = present(name, frame.schema[name], blanks=self.blanks).alias(_VALUE)
            beside = pl.col(_VALUE).shift(-1 if self.is_forward else 1).is_null()
            found[name] = frame.select(ROW, value).filter(pl.col(_VALUE).is_not_null() & beside)
        return found


def _together(found: Sequence[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    return {name: pl.concat([one[name] for one in found]) for name in (found[0] if found else {})}


@dataclass(frozen=True, slots=True)
class _Beside:
    """Fills each frame with the values that stand before or after it."""

    of: Neighbours
    values: dict[str, pl.DataFrame]

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        strategy = "backward" if self.of.is_forward else "forward"
        made = []
        for name in self.of.columns:
            near = frame.select(ROW).join_asof(self.values[name], on=ROW, strategy=strategy)[_VALUE]  # type: ignore[arg-type]
            kept = present(name, frame.schema[name], blanks=self.of.blanks)
            made.append(pl.coalesce(kept, near).alias(name))
        return frame.with_columns(made)


@dataclass(frozen=True)
class GroupFill:
    """Fills within groups of rows: rows of a group meet, and only missing values travel back."""

    columns: tuple[str, ...]
    groups: tuple[str, ...]
    method: str
    blanks: bool

    def run(self, table: Table) -> Table:
        """Bring groups together, then fill."""
        return table.attach(table.exchange(self.keyed, self.decide)).map(self.apply)

    def keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the key of each row's group and the values that there are."""
        values = [
            present(name, frame.schema[name], blanks=self.blanks).alias(f"{_VALUE}{place}")
            for place, name in enumerate(self.columns)
        ]
        key, rest = digests(frame, self.groups, ())
        return frame.select(pl.Series(KEY, key), ROW, pl.Series(_COUNT, rest), *values)

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Give what fills each row that lacks something."""
        made = [self._fill(keys, f"{_VALUE}{place}").alias(f"{_FILL}{place}") for place in range(len(self.columns))]
        lacks = pl.any_horizontal([pl.col(f"{_VALUE}{place}").is_null() for place in range(len(self.columns))])
        return keys.with_columns(made).filter(lacks).select(ROW, *(one.name for one in made))

    def _fill(self, keys: pl.DataFrame, value: str) -> pl.Series:
        group = [KEY, _COUNT]
        if self.method in ("forward", "backward"):
            column = pl.col(value)
            return keys.select(
                (column.forward_fill() if self.method == "forward" else column.backward_fill()).over(group)
            )[value]
        if self.method == "mode":
            found = keys.select(*group, value).drop_nulls(value)
            counted = (
                found.group_by(*group, value).agg(pl.len().alias("__n")).sort("__n", value, descending=[True, False])
            )
            figures = counted.unique(group, keep="first", maintain_order=True).select(*group, value)
        else:
            figure = pl.col(value).cast(pl.Float64)
            found = keys.filter(figure.is_finite())
            lists = found.group_by(group).agg(figure.median() if self.method == "median" else figure)
            figures = lists if self.method == "median" else lists.with_columns(_means(lists[value]))
            if keys.schema[value].is_integer():
                figures = figures.with_columns(pl.col(value).round(0).cast(keys.schema[value]))
        return (
            keys.select(group)
            .join(figures, on=group, how="left", maintain_order="left")[value]
            .cast(keys.schema[value])
        )

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Put what was found where something is missing."""
        made = [
            pl.coalesce(present(name, frame.schema[name], blanks=self.blanks), f"{_FILL}{place}").alias(name)
            for place, name in enumerate(self.columns)
        ]
        return frame.with_columns(made).drop(f"{_FILL}{place}" for place in range(len(self.columns)))


def _means(lists: pl.Series) -> pl.Series:
    return pl.Series(lists.name, [mean_of(values) for values in lists.to_list()], dtype=pl.Float64)


@dataclass(frozen=True)
class Modes:
    """The most frequent value of a column, of those the smallest; counted in buckets, however many there are."""

    column: str
    blanks: bool

    def of(self, table: Table) -> Any:
        """Give the value; `None` if there is none."""
        best = table.exchange(self.keyed, self.decide).fold(_best, lambda found: _best(pl.concat(found)))
        return best[_VALUE][0] if len(best) else None

    def keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Count the values of a frame."""
        name = self.column
        found = frame.select(ROW, present(name, frame.schema[name], blanks=self.blanks).alias(_VALUE)).drop_nulls()
        counted = found.group_by(_VALUE).agg(pl.col(ROW).min(), pl.len().cast(pl.Int64).alias(_COUNT)).sort(ROW)
        return counted.select(pl.Series(KEY, digests(counted, [_VALUE], ())[0]), ROW, _VALUE, _COUNT)

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Add up the counts of each value and keep the most frequent."""
        return _best(keys.group_by(_VALUE).agg(pl.col(ROW).min(), pl.col(_COUNT).sum()))


def _best(counted: pl.DataFrame) -> pl.DataFrame:
    return counted.sort(_COUNT, _VALUE, descending=[True, False]).head(1).select(ROW, _VALUE, _COUNT)
