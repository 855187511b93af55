"""Rows in parts, as every engine gives them to the steps. Steps are written once against this; frames are Polars'.

Every frame carries `ROW`, an Int64 that tells rows apart and orders them; no two rows of a table share one, and all
rows of a part come before those of the next. Functions given to a table are called on frames of any size, in any
process and any number of times: pure, picklable, and giving the same rows however these are cut into frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import polars as pl

ROW = "__row"
KEY = "__key"
WIDENED = 1024  # rows that may come of one
MOST_WIDENED = 1 << 52  # rows from this number on are numbered anew first: those made of them, and after them, fit
State = TypeVar("State")
FrameFunction = Callable[[pl.DataFrame], pl.DataFrame]


class Table(Protocol):
    """Rows in order. Nothing is done before it must be; a table never changes."""

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Columns and their types, without `ROW`."""

    def map(self, function: FrameFunction) -> Table:
        """Give the frames that `function` makes; it keeps `ROW`, may drop rows, and may not reorder them."""

    def widen(self, function: FrameFunction) -> Table:
        """Give the frames of a function that makes several rows of one; all rows that it gives are `widened`."""

    def roomy(self) -> Table:
        """Give the rows with numbers that leave room to widen them; who learns of rows by number calls it before."""

    def fold(self, gather: Callable[[pl.DataFrame], State], merge: Callable[[Sequence[State]], State]) -> State:
        """Give what `merge` makes of what `gather` found in each frame, in the order of the rows."""

    def exchange(self, keyed: FrameFunction, decide: FrameFunction) -> Table:
        """Bring rows with one key together.

        `keyed` gives `KEY` (UInt64), `ROW` and whatever `decide` needs, a row for each key of a row. `decide` sees
        all rows of each of its keys, sorted by `KEY` and `ROW`, and gives facts: frames with `ROW`, at most one row for
        each where they are to be attached. Memory stays bounded however many keys there are.
        """

    def attach(self, facts: Table | pl.DataFrame, how: Literal["left", "semi", "anti"] = "left") -> Table:
        """Join facts by `ROW`: their columns beside the rows, or only rows with (`semi`) or without (`anti`) any."""

    def reorder(self, position: Callable[[pl.DataFrame], pl.Series]) -> Table:
        """Give the rows in the order of new, distinct Int64 positions."""

    def concat(self, other: Table) -> Table:
        """Give the rows of another table of the same columns after these; those get new `ROW`s, in their order."""

    def count(self) -> int:
        """Give the number of rows."""


def is_pattern(name: str) -> bool:
    """Tell names of columns that Polars takes for a pattern, and that no column of a dataset has."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def widened(frame: pl.DataFrame, counter: str) -> pl.DataFrame:
    """Give rows that came of one row a `ROW` each; `counter` is the column with their number within it, and goes.

    A row makes at most `WIDENED` rows.
    """
    return frame.with_columns(pl.col(ROW) * WIDENED + pl.col(counter).cast(pl.Int64)).drop(counter)
