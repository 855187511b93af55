"""Steps run on tables in memory, cut in three ways: the rows must be the same."""

from __future__ import annotations

from typing import Any

import polars as pl

from datasets.engines.memory import MemoryTable, collected
from datasets.engines.table import ROW, Table
from datasets.steps.base import other_versions
from datasets.steps.params import make_step


class Surroundings:
    """Another version, and what a step reports."""

    def __init__(self, other: pl.DataFrame | None) -> None:
        self._other = other
        self.facts: dict[str, Any] = {}

    def other(self, version_id: str) -> Table:
        return MemoryTable.of(self._other, 2)

    def key(self, purpose: str) -> bytes:
        return purpose.encode().ljust(32)

    def report(self, **facts: Any) -> None:
        self.facts |= facts


def done(kind: str, frame: pl.DataFrame, other: pl.DataFrame | None = None, **params: Any) -> pl.DataFrame:
    """Give the rows after a step, however they were cut."""
    return told(kind, frame, other, **params)[0]


def told(
    kind: str, frame: pl.DataFrame, other: pl.DataFrame | None = None, **params: Any
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Give the rows after a step, and its report."""
    results = []
    for part_rows in (1, 3, 0):
        table, around = MemoryTable.of(frame, part_rows), Surroundings(other)
        step = make_step(kind, params)
        with other_versions(lambda _id: dict(other.schema) if other is not None else {}):
            expected = step.out_schema(table.schema)
        after = collected(step.run(table, around)).drop(ROW)
        assert dict(after.schema) == dict(expected)
        results.append((after, around.facts))
    assert all(after.equals(results[0][0]) and facts == results[0][1] for after, facts in results)
    return results[0]


def texts(kind: str, values: list[str | None], **params: Any) -> list[str | None]:
    """Give texts after a step."""
    return done(kind, pl.DataFrame({"글": pl.Series(values, dtype=pl.String)}), **params)["글"].to_list()
