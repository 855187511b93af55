"""Files of rows, each sorted by one whole number, from which a range is read at a time: what brings rows together.

Nothing is ever held but the range that is worked at, and ranges are chosen after all is written, when their sizes are
known: a range that is too large is halved until it fits or has one number alone. No Django.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from datasets.engines.parts import written

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio. Source: Knuth, TAOCP 3, 6.4


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included, and how many rows have them."""

    low: int
    high: int
    rows: int


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Runs:
    """Files sorted by `column`, UInt64 or Int64."""

    paths: tuple[Path, ...]
    column: str

    def between(self, low: int, high: int) -> pl.DataFrame:
        """Give the rows with numbers from `low` to `high`, sorted by number."""
        found: list[pl.DataFrame] = []
        for path in self.paths:
            frame = read_frame(path)
            begin, end = _borders(frame[self.column].to_numpy(), low, high)
            if end > begin or not found:
                found.append(frame.slice(begin, end - begin))
        return pl.concat(found).sort(self.column, maintain_order=True)

    def ranges(self, most_rows: int) -> list[Range]:
        """Give ranges that hold all rows, each of at most so many rows unless it is one number alone."""
        numbers = [read_frame(path)[self.column].to_numpy() for path in self.paths]
        held = [one for one in numbers if len(one)]
        if not held:
            return []
        low, high = min(int(one[0]) for one in held), max(int(one[-1]) for one in held)
        return list(_halved(held, low, high, max(1, most_rows)))


def write_run(frame: pl.DataFrame, path: Path, by: Sequence[str]) -> None:
    """Write rows as a run, sorted by some columns. Raises StorageFull."""
    write_frame(frame.sort(list(by)), path)


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write rows so that they are read where they lie: as one batch, or columns of numbers would be copied together.

    Raises StorageFull.
    """
    rows = max(1, len(frame))
    written(path, lambda target: frame.rechunk().write_ipc(target, compression="uncompressed", record_batch_size=rows))


def read_frame(path: Path) -> pl.DataFrame:
    """Give rows where they lie: Polars' own reader would copy them."""
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
        return pl.DataFrame(pl.from_arrow(file.read_all(), rechunk=False))


def mixed(keys: pl.Series) -> pl.Series:
    """Give another number for each key, no two the same, spread evenly however the keys are not."""
    return pl.Series(keys.to_numpy() * _ODD, dtype=pl.UInt64)


def _borders(numbers: np.ndarray[Any, Any], low: int, high: int) -> tuple[int, int]:
    kind = numbers.dtype.type
    return int(np.searchsorted(numbers, kind(low))), int(np.searchsorted(numbers, kind(high), side="right"))


def _halved(numbers: Sequence[np.ndarray[Any, Any]], low: int, high: int, most_rows: int) -> Iterator[Range]:
    rows = sum(end - begin for begin, end in (_borders(one, low, high) for one in numbers))
    if rows <= most_rows or low == high:
        if rows:
            yield Range(low, high, rows)
        return
    middle = low + (high - low) // 2
    yield from _halved(numbers, low, middle, most_rows)
    yield from _halved(numbers, middle + 1, high, most_rows)
