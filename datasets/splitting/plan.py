"""Which rows go to training, validation and test. No Django.

By default the key of a row alone decides (`datasets/hashing.py`): the same row falls into the same split in every later
version. With a column of classes each class is divided in exact proportions instead, within a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import polars as pl

from datasets.engines.table import ROW
from datasets.hashing import key_texts, places, positions

EXAMPLES = 5
MOST_CLASSES = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Names of splits with their percentages, and what keeps rows together.

    Rows with equal values in `together` (none: in all columns) stay in one split; `stratify` names a column of classes.
    """

    shares: tuple[tuple[str, float], ...]
    seed: int = 0
    together: tuple[str, ...] = ()
    stratify: str = ""

    @property
    def names(self) -> list[str]:
        """Give the splits in order."""
        return [name for name, _share in self.shares]

    @property
    def percents(self) -> list[float]:
        """Give their shares in order."""
        return [share for _name, share in self.shares]

    def positions(self, frame: pl.DataFrame) -> pl.Series:
        """Give the position of each row; one without a key is placed by all that it holds."""
        everything = [name for name in frame.columns if name != ROW]
        keys = key_texts(frame, list(self.together) or everything)
        if keys.null_count():
            whole = key_texts(frame, everything).fill_null("")
            keys = pl.select(pl.coalesce(keys, whole)).to_series()
        return positions(keys, self.seed)

    def places(self, frame: pl.DataFrame) -> pl.Series:
        """Give the number of the split of each row, where its key alone decides."""
        return places(self.positions(frame), self.percents)


def exact_places(at: np.ndarray, classes: np.ndarray, percents: Sequence[float]) -> np.ndarray:
    """Give the number of the split of each row so that each class is divided exactly, within a row.

    `at` are the positions of all rows (uint64), `classes` their classes (int32 from 0). Rows of one position are one
    unit, of the class of its first row, and stay together; units fill the splits in the order of their positions.
    """
    if not len(at):
        return np.empty(0, np.uint8)
    order = np.argsort(at, kind="stable")
    placed = at[order]
    starts = np.flatnonzero(np.concatenate([[True], placed[1:] != placed[:-1]]))
    sizes = np.diff(np.append(starts, len(placed)))
    of_unit = classes[order[starts]]
    by_class = np.argsort(of_unit, kind="stable")
    ends = np.cumsum(sizes[by_class])
    rows = np.bincount(of_unit, weights=sizes, minlength=int(classes.max()) + 1).astype(np.int64)
    first = np.cumsum(rows) - rows
    before = ends - sizes[by_class] - first[of_unit[by_class]]
    whole = rows[of_unit[by_class]]
    place = np.zeros(len(before), np.uint8)
    for end in list(accumulate(percents))[:-1]:
        place += before >= np.floor(whole * end / sum(percents) + 0.5)
    unit_place = np.empty_like(place)
    unit_place[by_class] = place
    found = np.empty(len(at), np.uint8)
    found[order] = np.repeat(unit_place, sizes)
    return found


@dataclass(slots=True)
class Leaks:
    """Finds texts that stand in more than one split: what a model learnt by heart, its test would praise."""

    column: str
    _seen: list[pl.DataFrame] = field(default_factory=list)

    def add(self, frame: pl.DataFrame, place: pl.Series) -> None:
        """Take in some rows and where they went."""
        texts = pl.col(self.column).cast(pl.String)
        facts = frame.select(texts.hash(1).alias("text"), place.alias("place"), texts.is_not_null().alias("is_there"))
        self._seen.append(facts.filter("is_there").drop("is_there").unique())

    def found(self) -> pl.Series:
        """Give the hashes of the texts in more than one split."""
        if not self._seen:
            return pl.Series("text", [], pl.UInt64)
        counted = pl.concat(self._seen).unique().group_by("text").len()
        return counted.filter(pl.col("len") > 1)["text"]

    def rows_of(self, frame: pl.DataFrame, found: pl.Series) -> pl.Series:
        """Give the texts among some rows that were found."""
        texts = frame[self.column].cast(pl.String)
        return texts.filter(texts.is_not_null() & texts.hash(1).is_in(found.implode()))


def longest_text(frame: pl.DataFrame) -> str:
    """Give the text column with the longest texts, the one that a model reads; empty if there is none."""
    sizes = {name: frame[name].str.len_bytes().mean() or 0 for name, kind in frame.schema.items() if kind == pl.String}
    return max(sizes, key=lambda name: sizes[name]) if sizes else ""


def class_counts(classes: np.ndarray, place: np.ndarray, values: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Give for the largest classes how many rows each split got: `{"class", "rows": {split: rows}}`."""
    counts = np.bincount(classes.astype(np.int64) * len(names) + place, minlength=len(values) * len(names))
    table = counts.reshape(-1, len(names))
    largest = np.argsort(-table.sum(axis=1), kind="stable")[:20]
    return [
        {"class": values[one], "rows": {name: int(table[one][n]) for n, name in enumerate(names)}} for one in largest
    ]
