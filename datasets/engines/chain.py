"""Functions called on a frame one after the other, and the account of what each step of them did. No Django."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from datasets.engines.table import ROW, FrameFunction

SAMPLED_PARTS = 4
MOST_SAMPLES = 20
EACH = 4  # of one column, or of dropped rows
COMPARED_LISTS = 500
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Op:
    """What is done to a frame within a step; `None` ends the step, and its rows are counted there."""

    step: int
    function: FrameFunction | None
    is_wide: bool = False  # it makes several rows of one


@dataclass(slots=True)
class Account:
    """What the steps did to one frame: rows after each, nanoseconds, and some of what they changed."""

    rows: dict[int, int] = field(default_factory=dict)
    ns: Counter[int] = field(default_factory=Counter)
    samples: dict[int, list[dict[str, Any]]] = field(default_factory=dict)


def apply(frame: pl.DataFrame, ops: Sequence[Op], account: Account, sampled: Collection[int] = ()) -> pl.DataFrame:
    """Give the frame after all functions; `sampled` are the steps of which changes are to be shown."""
    for op in ops:
        if op.function is None:
            account.rows[op.step] = len(frame)
            continue
        begun = time.perf_counter_ns()
        try:
            after = op.function(frame)
        except Exception as error:
            vars(error).setdefault("step", op.step)  # told by who runs the recipe
            raise
        account.ns[op.step] += time.perf_counter_ns() - begun
        if op.step in sampled:
            account.samples.setdefault(op.step, []).extend(changes(frame, after))
        frame = after
    return frame


def changes(before: pl.DataFrame, after: pl.DataFrame) -> list[dict[str, Any]]:
    """Give some of what has changed: `{"row", "column", "before", "after"}`, or `{"row", "dropped"}`."""
    is_kept = before[ROW].is_in(after[ROW].implode())
    if len(after) > len(before) or not after[ROW].is_in(before[ROW].implode()).all():
        return []  # rows were made of rows: there is nothing to put side by side
    found = [
        {"row": row.pop(ROW), "dropped": {name: shown(value) for name, value in row.items()}}
        for row in before.filter(~is_kept).head(EACH).iter_rows(named=True)
    ]
    old = before.filter(is_kept)
    for name in after.columns:
        if not name.startswith("__"):  # what a step reckons with is not what it changes
            found += _changes_of(name, old, after)
    return found[:MOST_SAMPLES]


def _changes_of(name: str, old: pl.DataFrame, after: pl.DataFrame) -> list[dict[str, Any]]:
    new = after[name]
    was = old[name] if name in old.columns else pl.Series(name, [None], dtype=new.dtype).new_from_index(0, len(new))
    if was.dtype != new.dtype or was.dtype.is_nested():
        pairs = zip(was.head(COMPARED_LISTS), new.head(COMPARED_LISTS), strict=True)
        places = [place for place, (a, b) in enumerate(pairs) if shown(a) != shown(b)][:EACH]
    else:
        places = was.ne_missing(new).arg_true().head(EACH).to_list()
    return [
        {"row": after[ROW][place], "column": name, "before": shown(was[place]), "after": shown(new[place])}
        for place in places
    ]


def shown(value: Any) -> Any:
    """Give a cell as JSON can hold it, long texts cut."""
    if isinstance(value, pl.Series):
        return [shown(one) for one in value.head(50)]
    if isinstance(value, list):
        return [shown(one) for one in value[:50]]
    if isinstance(value, float) and value - value != 0:  # JSON knows neither NaN nor infinities
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
