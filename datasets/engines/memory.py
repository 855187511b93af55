"""A table in memory, for previews and for tables that are known to be small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import polars as pl

from datasets.engines.table import KEY, MOST_WIDENED, ROW, FrameFunction, State, Table

_BUCKETS = 3  # more than one, so that what wants all keys in one frame shows itself here too


@dataclass(frozen=True)
class MemoryTable(Table):
    """Frames in memory; at least one, which may have no rows."""

    frames: tuple[pl.DataFrame, ...]

    @classmethod
    def of(cls, frame: pl.DataFrame, part_rows: int = 0) -> MemoryTable:
        """Make a table of rows without `ROW`, in parts of so many rows."""
        numbered = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
        return cls(tuple(numbered.iter_slices(part_rows or max(1, len(frame)))) or (numbered,))

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Columns and their types."""
        return {name: kind for name, kind in self.frames[0].schema.items() if name != ROW}

    def map(self, function: FrameFunction) -> MemoryTable:
        """Call the function on each frame."""
        return MemoryTable(tuple(function(frame) for frame in self.frames))

    def widen(self, function: FrameFunction) -> MemoryTable:
        """Call the function on each frame, once there is room."""
        return self.roomy().map(function)

    def roomy(self) -> MemoryTable:
        """Number the rows anew where their numbers are too large."""
        if self._last_row() < MOST_WIDENED:
            return self
        return MemoryTable.of(collected(self).drop(ROW))

    def fold(self, gather: Callable[[pl.DataFrame], State], merge: Callable[[Sequence[State]], State]) -> State:
        """Gather from each frame, then merge."""
        return merge([gather(frame) for frame in self.frames])

    def exchange(self, keyed: FrameFunction, decide: FrameFunction) -> MemoryTable:
        """Sort the keys into buckets, then decide on each."""
        keys = pl.concat([keyed(frame) for frame in self.frames]).sort(KEY, ROW)
        buckets = [keys.filter(pl.col(KEY) % _BUCKETS == number) for number in range(_BUCKETS)]
        return MemoryTable(tuple(decide(bucket) for bucket in buckets))

    def attach(self, facts: Table | pl.DataFrame, how: Literal["left", "semi", "anti"] = "left") -> MemoryTable:
        """Join each frame with all facts."""
        found = facts if isinstance(facts, pl.DataFrame) else collected(facts)
        if how == "left":
            return self.map(lambda frame: frame.join(found, on=ROW, how="left", maintain_order="left"))
        return self.map(lambda frame: frame.join(found, on=ROW, how=how, maintain_order="left"))

    def reorder(self, position: Callable[[pl.DataFrame], pl.Series]) -> MemoryTable:
        """Sort all rows at once."""
        placed = [frame.with_columns(position(frame).alias(ROW)) for frame in self.frames]
        return MemoryTable((pl.concat(placed).sort(ROW),))

    def concat(self, other: Table) -> MemoryTable:
        """Number the others on from the last row."""
        first = self._last_row() + 1
        after = collected(other).with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW) + first)
        return MemoryTable((*self.frames, after.select(self.frames[0].columns)))

    def count(self) -> int:
        """Give the number of rows."""
        return sum(map(len, self.frames))

    def _last_row(self) -> int:
        return max((int(frame[ROW].max()) for frame in self.frames if len(frame)), default=-1)  # type: ignore[arg-type]


def collected(table: Table) -> pl.DataFrame:
    """Give all rows of a small table in order, with `ROW`."""
    return table.fold(lambda frame: frame, lambda frames: reduce(pl.DataFrame.vstack, frames)).sort(ROW)
