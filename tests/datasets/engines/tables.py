"""Hostile frames, tables of both kinds, and how their rows are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import strategies as st

from datasets.engines.local import LocalTable
from datasets.engines.memory import MemoryTable, collected
from datasets.engines.parts import write_parquet
from datasets.engines.table import ROW, Table
from datasets.engines.workshop import Workshop

TEXTS = [
    None,
    "",
    " ",
    "가",
    "가",  # the same in two forms
    "안녕하세요\u200b",
    "ㅋㅋㅋㅋ",
    "👩‍👩‍👧",
    "\u202eabc",
    "line\nbreak",
    'say "hi"',
    "=1+1",
    "\u0000x".replace("\u0000", "\u0001"),
    "긴 글 " * 200,
]
NUMBERS = [None, 0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, 1e308, 5e-324]
SCHEMA = pl.Schema(
    {
        "text": pl.String,
        "number": pl.Float64,
        "count": pl.Int64,
        "large": pl.UInt64,
        "is_good": pl.Boolean,
        "day": pl.Date,
        "at": pl.Datetime("us", "UTC"),
        "took": pl.Duration("us"),
        "tags": pl.List(pl.String),
    }
)
row = st.tuples(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63)])),
    st.one_of(st.none(), st.sampled_from([0, 7, 2**64 - 1])),
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.sampled_from([date(1, 1, 1), date(2026, 2, 28)])),
    st.one_of(st.none(), st.just(datetime(2026, 1, 1, 9, 30, 0, 123456, tzinfo=UTC))),
    st.one_of(st.none(), st.just(timedelta(days=-1, microseconds=5))),
    st.one_of(st.none(), st.lists(st.sampled_from([*TEXTS[:5], "나"]), max_size=3)),
)
frames = st.lists(row, max_size=40).map(lambda rows: pl.DataFrame(rows, schema=SCHEMA, orient="row"))
cuts = st.lists(st.integers(0, 40), max_size=4)


def hostile(rows: int) -> pl.DataFrame:
    """Give rows of all kinds of trouble, some of them equal."""
    return pl.DataFrame(
        {
            "text": [TEXTS[n * 7 % len(TEXTS)] for n in range(rows)],
            "number": [NUMBERS[n * 5 % len(NUMBERS)] for n in range(rows)],
            "count": [None if n % 11 == 0 else n * 37 % 23 for n in range(rows)],
            "large": [2**64 - 1 - n % 3 for n in range(rows)],
            "is_good": [[True, False, None][n % 3] for n in range(rows)],
            "day": [date(2026, 1, 1 + n % 28) for n in range(rows)],
            "at": [datetime(2026, 1, 1, 9, n % 60, 0, n % 7, tzinfo=UTC) for n in range(rows)],
            "took": [timedelta(microseconds=n % 5 - 2) for n in range(rows)],
            "tags": [[None, [], ["가", None], ["나"]][n % 4] for n in range(rows)],
        },
        schema=SCHEMA,
    )


def in_files(frame: pl.DataFrame, folder: Path, at: Sequence[int] = ()) -> list[tuple[Path, int]]:
    """Write rows as Parquet files that end at these places; some may have no rows."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = sorted(min(place, len(frame)) for place in at)
    found = []
    for begin, end in zip([0, *ends], [*ends, len(frame)], strict=True):
        path = folder / f"{len(found)}.parquet"
        write_parquet(frame.slice(begin, end - begin), path)
        found.append((path, end - begin))
    return found


def local(frame: pl.DataFrame, folder: Path, at: Sequence[int] = ()) -> LocalTable:
    """Give a table on disk."""
    shop = Workshop(folder / "work")
    return LocalTable.of(shop, in_files(frame, folder / "rows", at))


def in_memory(frame: pl.DataFrame) -> MemoryTable:
    """Give the table that the others are compared with."""
    return MemoryTable.of(frame)


def rows_of(table: Table) -> pl.DataFrame:
    """Give all rows in order."""
    found = collected(table)
    return found.select(ROW, *sorted(set(found.columns) - {ROW})).rechunk()
