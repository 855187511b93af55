"""The profile of a version: one pass over its parts, with memory bounded however many rows and columns there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from datasets.frames import FRAME_ROWS, frames_of
from datasets.profile.columns import Column, Limits
from datasets.profile.findings import findings_of
from datasets.profile.sketches import Distinct

MOST_CELLS = 8_000_000  # of a frame
EXACT_ROWS = 12_000_000  # whose repetitions are counted one by one
KEPT_ROWS = 1_000_000  # where there are more
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Sampled:
    """The rows of a frame that are looked at closely."""

    numbers: Any
    texts: Any


def profile(
    parts: Iterable[tuple[Path, int, int]],
    columns: Sequence[dict[str, str]],
    rows: int,
    report: Callable[[int], None] = lambda _rows: None,
) -> dict[str, Any]:
    """Give what is found in parts (path, first row, rows) of a version, as JSON. `report` is told of rows gone by."""
    limits = Limits.of(len(columns))
    gathered = [Column(column["name"], column["type"], limits, rows) for column in columns]
    repeated = Distinct(EXACT_ROWS, KEPT_ROWS)
    for path, first_row, part_rows in parts:
        repeated.add(_take_part(path, first_row, part_rows, gathered, rows))
        report(first_row + part_rows)
    told = [column.told() for column in gathered]
    found = {"rows": rows, "columns": told, "repeated": repeated.repeated, "is_repeated_exact": repeated.is_exact}
    return found | {"findings": findings_of(found)}


def _take_part(path: Path, first_row: int, part_rows: int, columns: Sequence[Column], rows: int) -> Any:
    """Show a part to all columns, some of them at a time; give a key for each of its rows."""
    keys = np.zeros(part_rows, np.uint64)
    size = max(1, MOST_CELLS // max(1, min(part_rows, FRAME_ROWS)))
    for start in range(0, len(columns), size):
        group = columns[start : start + size]
        at = 0
        for frame in frames_of([(path, first_row)], [column.name for column in group]):
            named = frame.select(column.name for column in group)
            part = slice(at, at + len(frame))
            keys[part] = (keys[part] ^ named.hash_rows(seed=start + 1).to_numpy()) * _MIX
            _take_frame(named, first_row + at, group, rows)
            at += len(frame)
    return keys


def _take_frame(frame: pl.DataFrame, at: int, columns: Sequence[Column], rows: int) -> None:
    if not len(frame):
        return
    asked = [
        measure.alias(f"{place} {measure.meta.output_name()}")
        for place, column in enumerate(columns)
        for measure in column.measures()
    ]
    found: list[dict[str, Any]] = [{} for _column in columns]
    for name, value in frame.select(asked).row(0, named=True).items():
        place, _space, fact = name.partition(" ")
        found[int(place)][fact] = value
    limits = columns[0].limits
    sampled = Sampled(*(_some(len(frame), at, rows, most) for most in (limits.numbers, limits.texts)))
    for column, facts in zip(columns, found, strict=True):
        column.take(facts, frame, sampled)


def _some(count: int, at: int, rows: int, most: int) -> Any:
    """Choose rows of a frame: all, or their share of `most`, at random but each time the same."""
    if rows <= most:
        return np.arange(count)
    wanted = (at + count) * most // rows - at * most // rows
    return np.sort(np.random.default_rng(at).choice(count, min(wanted, count), replace=False))


def rows_by_part(parts: Iterable[Any]) -> Iterator[tuple[Path, int, int]]:
    """Give what `profile` reads of local parts."""
    for part in parts:
        yield part.path, part.first_row, part.rows
