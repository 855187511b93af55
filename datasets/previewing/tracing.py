"""A table in memory that knows which row became which, and what a step did to rows, for the eyes of a reader."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl
from django.utils.translation import gettext as _

from common.difference import difference
from datasets.engines.memory import MemoryTable, collected
from datasets.engines.table import ROW, WIDENED, FrameFunction, Table

SHOWN_ROWS = 12
SHOWN_COLUMNS = 12
CONTEXT_COLUMNS = 3
LONGEST_CELL = 600
_LEAD = 60


@dataclass(frozen=True)
class TracedTable(MemoryTable):
    """Keeps the old number of each row that was given a new one."""

    moves: list[dict[int, int]] = field(default_factory=list)

    def map(self, function: FrameFunction) -> TracedTable:
        """Call the function on each frame."""
        return TracedTable(super().map(function).frames, self.moves)

    def widen(self, function: FrameFunction) -> TracedTable:
        """Call the function on each frame, and keep which row each came of."""
        table = self.roomy().map(function)
        self.moves.append({row: row // WIDENED for frame in table.frames for row in frame[ROW].to_list()})
        return table

    def roomy(self) -> TracedTable:
        """Number the rows anew where their numbers are too large, and keep the old ones."""
        table = super().roomy()
        if table is self:
            return self
        self.moves.append(dict(enumerate(collected(self)[ROW].to_list())))
        return TracedTable(table.frames, self.moves)

    def exchange(self, keyed: FrameFunction, decide: FrameFunction) -> TracedTable:
        """Sort the keys into buckets, then decide on each."""
        return TracedTable(super().exchange(keyed, decide).frames, self.moves)

    def reorder(self, position: Callable[[pl.DataFrame], pl.Series]) -> TracedTable:
        """Sort all rows at once, and keep where each stood."""
        pairs = [zip(position(frame).to_list(), frame[ROW].to_list(), strict=True) for frame in self.frames]
        self.moves.append({new: old for pair in pairs for new, old in pair})
        return TracedTable(super().reorder(position).frames, self.moves)

    def concat(self, other: Table) -> TracedTable:
        """Number the others on from the last row."""
        return TracedTable(super().concat(other).frames, self.moves)


@dataclass(frozen=True)
class Comparison:
    """Rows before and after a step, each after-row with the number of the row that it came of, or None."""

    before: pl.DataFrame
    after: pl.DataFrame
    origins: Sequence[int | None]

    @classmethod
    def of(cls, before: pl.DataFrame, after: pl.DataFrame, moves: Sequence[Mapping[int, int]]) -> Comparison:
        """Find for each row what it was."""
        known = set(before[ROW].to_list())
        return cls(before, after, [_origin(row, known, moves) for row in after[ROW].to_list()])

    def facts(self) -> dict[str, Any]:
        """Give how many rows went in and came out, were changed, dropped, new, or stand elsewhere."""
        came_of = [row for row in self.origins if row is not None]
        return {
            "rows_in": len(self.before),
            "rows_out": len(self.after),
            "dropped": len(self.before) - len(set(came_of)),
            "added": len(self.after) - len(set(came_of)),
            "changed": len(self.changed),
            "is_reordered": came_of != sorted(came_of),
            "new_columns": sum(one["state"] == "new" for one in self.columns),
            "gone_columns": sum(one["state"] == "gone" for one in self.columns),
        }

    @cached_property
    def columns(self) -> list[dict[str, str]]:
        """Give the columns of both sides: `same`, `changed`, `new` or `gone`, in the order of a reader."""
        touched = {name for names in self.changed.values() for name in names}
        old, new = _types(self.before), _types(self.after)
        found = []
        for name in dict.fromkeys([*old, *new]):
            state = "gone" if name not in new else "new" if name not in old else "same"
            if state == "same" and (name in touched or old[name] != new[name]):
                state = "changed"
            found.append({"name": name, "state": state, "before": old.get(name, ""), "after": new.get(name, "")})
        return found

    @cached_property
    def changed(self) -> dict[int, set[str]]:
        """Give which columns changed in which after-rows, by place; only where both sides have the column."""
        place = {row: number for number, row in enumerate(self.before[ROW].to_list())}
        pairs = [(place[row], number) for number, row in enumerate(self.origins) if row is not None]
        known = set(self.before.columns) - {ROW}
        common = [name for name in self.after.columns if name in known]
        old = self.before.select(common)[[one for one, _number in pairs]]
        new = self.after.select(common)[[number for _one, number in pairs]]
        found: dict[int, set[str]] = {}
        for name, was, now in zip(common, old.iter_columns(), new.iter_columns(), strict=True):
            if was.dtype == now.dtype and was.equals(now, null_equal=True):
                continue
            for (_place, number), one, other in zip(pairs, was.to_list(), now.to_list(), strict=True):
                if not _is_same(one, other):
                    found.setdefault(number, set()).add(name)
        return found

    def shown(self) -> dict[str, Any]:
        """Give some rows side by side, those that tell most: changed parts marked, dropped rows, new ones."""
        columns = _worth_showing(self.columns)
        old = {row[ROW]: row for row in self.before.iter_rows(named=True)}
        new = list(self.after.iter_rows(named=True))
        lines: list[tuple[str, int, Any, Any]] = []
        for place, row in enumerate(new):
            origin = self.origins[place]
            came_of = old.get(origin) if origin is not None else None
            state = "new" if came_of is None else "changed" if place in self.changed else "same"
            lines.append((state, origin if origin is not None else row[ROW], came_of, row))
        left = set(old) - {row for row in self.origins if row is not None}
        lines += [("dropped", row, old[row], None) for row in sorted(left)]
        chosen = _worth_reading(lines)
        rows = [
            {"row": number, "state": state, "cells": [_cell(one, was, now) for one in columns]}
            for state, number, was, now in chosen
        ]
        return {"columns": columns, "hidden_columns": len(self.columns) - len(columns), "rows": rows}


def _origin(row: int, known: set[int], moves: Sequence[Mapping[int, int]]) -> int | None:
    for move in reversed(moves):
        row = move.get(row, row)
    return row if row in known else None


def _types(frame: pl.DataFrame) -> dict[str, str]:
    from datasets.planning import type_name  # noqa: PLC0415 - planning loads all steps

    return {name: type_name(kind) for name, kind in frame.schema.items() if name != ROW}


def _is_same(was: Any, now: Any) -> bool:
    if isinstance(was, float) and isinstance(now, float) and math.isnan(was) and math.isnan(now):
        return True
    return type(was) is type(now) and was == now


def _worth_showing(columns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Choose the columns that a step touched, with a few beside them, in their order."""
    touched = [one["name"] for one in columns if one["state"] != "same"][:SHOWN_COLUMNS]
    room = CONTEXT_COLUMNS if touched else SHOWN_COLUMNS
    others = [one["name"] for one in columns if one["state"] == "same"][:room]
    return [one for one in columns if one["name"] in {*touched, *others}]


def _worth_reading(lines: list[Any]) -> list[Any]:
    """Choose rows: mostly changed and dropped ones, some of each, in the order of the rows."""
    by_state = {state: [line for line in lines if line[0] == state] for state in ("changed", "dropped", "new", "same")}
    chosen: list[Any] = []
    for state, most in (("changed", 6), ("dropped", 4), ("new", 4)):
        chosen += by_state[state][:most]
    chosen = chosen[:SHOWN_ROWS]
    chosen += by_state["same"][: max(1 if chosen else 6, min(2, SHOWN_ROWS - len(chosen)))]
    after = [line for line in chosen if line[0] != "dropped"]
    order = {id(line): place for place, line in enumerate(lines)}
    after.sort(key=lambda line: order[id(line)])
    for line in sorted((line for line in chosen if line[0] == "dropped"), key=lambda line: int(line[1])):
        place = next((n for n, other in enumerate(after) if other[1] > line[1]), len(after))
        after.insert(place, line)
    return after


def _cell(column: Mapping[str, str], was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give a cell of both sides in marked pieces; None where the side has none, an empty list for a missing value."""
    name = column["name"]
    has_old, has_new = was is not None and name in was, now is not None and name in now
    if has_old and has_new and not _is_same(was[name], now[name]):  # type: ignore[index]
        return _compared(was[name], now[name])  # type: ignore[index]
    old = _whole(was[name], False) if has_old else None  # type: ignore[index]
    new = _whole(now[name], has_new and not has_old and was is not None) if has_new else None  # type: ignore[index]
    return {"before": old, "after": new}


def _compared(was: Any, now: Any) -> dict[str, Any]:
    if not isinstance(was, str) or not isinstance(now, str):
        return {"before": _whole(was, True), "after": _whole(now, True)}
    old, new = _windows(was, now)
    (change,) = difference({"": old}, {"": new})
    told: dict[str, Any] = {"before": change.before or [["", True]], "after": change.after or [["", True]]}
    if unicodedata.normalize("NFC", was) == unicodedata.normalize("NFC", now):
        told["note"] = _("looks the same: other code points")
    return told


def _windows(was: str, now: str) -> tuple[str, str]:
    """Cut long texts to where they begin to differ."""
    if len(was) <= LONGEST_CELL and len(now) <= LONGEST_CELL:
        return was, now
    at = next((place for place, (one, two) in enumerate(zip(was, now, strict=False)) if one != two), 0)
    first = max(0, at - _LEAD)
    cut = [text[first : first + LONGEST_CELL] for text in (was, now)]
    head = "…" if first else ""
    old, new = (
        f"{head}{piece}{'…' if first + LONGEST_CELL < len(text) else ''}"
        for piece, text in zip(cut, (was, now), strict=True)
    )
    return old, new


def _whole(value: Any, is_marked: bool) -> list[list[Any]]:
    if value is None:
        return []
    text = _said(value)
    return [[text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…", is_marked]]


def _said(value: Any) -> str:
    """Give a value as a reader writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _("true") if value else _("false")
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list):
        shown = ", ".join("–" if one is None else _said(one) for one in value[:40])
        return f"[{shown}{', …' if len(value) > 40 else ''}]"
    return str(value)
