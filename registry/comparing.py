"""Two versions beside each other, from plain data: which numbers got better, what changed. Pure.

`a` is the version that one has, `b` the one that might take its place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.measures.catalogue import METRICS

SAME, CHANGED, ONLY_A, ONLY_B = "same", "changed", "only_a", "only_b"
MOST_LABELS = 30
# Parts of the names that authors give to numbers, by which way is better.
_LOWER = re.compile(r"loss|err(or)?|mae|mse|rmse|mape|perplexity|ppl|wer|cer|brier|ece|latency|ms|seconds|time")
_HIGHER = re.compile(
    r"acc(uracy)?|f1|auc|precision|recall|r2|bleu|rouge|map|ap|score|correct|specificity|sensitivity|kappa|mcc"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of both; `is_better` is `None` where nobody knows which way is better, or nothing changed."""

    name: str
    a: float | None
    b: float | None
    is_better: bool | None = None

    @property
    def change(self) -> float | None:
        """By how much the second is above the first."""
        return None if self.a is None or self.b is None else self.b - self.a

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {"name": self.name, "a": self.a, "b": self.b, "change": self.change, "is_better": self.is_better}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that both, or one of both, have; `a` and `b` say what it is there."""

    name: str
    state: str
    a: Any = None
    b: Any = None
    side: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        told = {"name": self.name, "state": self.state, "a": self.a, "b": self.b}
        return {**told, "side": self.side} if self.side else told


def is_higher_better(name: str) -> bool | None:
    """Tell which way of a number is better, by the catalogue or else by its name; `None` if neither says."""
    if name in METRICS:
        return METRICS[name].is_higher_better
    parts = re.split(r"[^a-z0-9]+", name.lower())
    if any(_LOWER.fullmatch(part) for part in parts):
        return False
    return True if any(_HIGHER.fullmatch(part) for part in parts) else None


def figure(name: str, a: float | None, b: float | None, *, is_higher: bool | None = None) -> Figure:
    """Give a number of both, judged."""
    higher = is_higher_better(name) if is_higher is None else is_higher
    if a is None or b is None or higher is None or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
        return Figure(name, a, b)
    return Figure(name, a, b, (b > a) == higher)


def figures(a: Mapping[str, Any], b: Mapping[str, Any], order: Sequence[str] = ()) -> list[Figure]:
    """Give the numbers of either, those that both have first, then in the order given, then by name."""
    names = [name for name in dict.fromkeys((*a, *b)) if _number(a, name) is not None or _number(b, name) is not None]
    places = {name: place for place, name in enumerate(order)}
    known = [figure(name, _number(a, name), _number(b, name)) for name in names]
    return sorted(known, key=lambda one: (one.change is None, places.get(one.name, len(places)), one.name))


def signature_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Give the inputs and outputs that are not the same, inputs first."""
    changes = []
    for side in ("inputs", "outputs"):
        old = {one["name"]: _spec(one) for one in a.get(side, [])}
        new = {one["name"]: _spec(one) for one in b.get(side, [])}
        changes += [one for one in things(old, new, side=side) if one.state != SAME]
    return changes


def things(a: Mapping[str, Any], b: Mapping[str, Any], *, side: str = "") -> list[Change]:
    """Give what either has by name, in the order of the first, and whether it is the same."""
    return [_change(name, a, b, side) for name in dict.fromkeys((*a, *b))]


def sets(a: Iterable[str], b: Iterable[str]) -> list[Change]:
    """Give what either has, where only the name counts."""
    return things(dict.fromkeys(a, True), dict.fromkeys(b, True))


def confusion(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Give the confusion of both over the labels that count most: `{"labels", "cells": [{right, answer, a, b}]}`.

    Of two evaluation reports; labels after the most frequent `MOST_LABELS` are left out, and said so in `left_out`.
    """
    one, two = _cells(a), _cells(b)
    weight: dict[str, int] = {}
    for (right, answer), count in [*one.items(), *two.items()]:
        weight[right] = weight.get(right, 0) + count
        weight.setdefault(answer, 0)
    ranked = sorted(weight, key=lambda label: (-weight[label], label))
    labels = ranked[:MOST_LABELS]
    cells = [
        {"right": right, "answer": answer, "a": one.get((right, answer), 0), "b": two.get((right, answer), 0)}
        for right in labels
        for answer in labels
    ]
    return {"labels": labels, "left_out": len(ranked) - len(labels), "cells": cells}


def slices(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the slices that both reports know, by column and value, the most worsened first."""
    found = []
    for column in a:
        old = {one["value"]: one for one in a[column]}
        for one in b.get(column, []):
            if one["value"] not in old:
                continue
            name = next((key for key in ("accuracy", "mae", "rmse") if key in one and key in old[one["value"]]), "")
            if name:
                judged = figure(name, old[one["value"]][name], one[name])
                found.append({"column": column, "value": one["value"], "rows": one.get("rows"), **judged.as_dict()})
    return sorted(found, key=_worst_first)


def verdict(interval: Mapping[str, float] | None, judged: Figure | None) -> str:
    """Say `better`, `worse`, `unclear` or `unknown`; `interval` is of the gain of `b`, by `low` and `high`."""
    if interval is not None:
        return "better" if interval["low"] > 0 else "worse" if interval["high"] < 0 else "unclear"
    if judged is None or judged.change is None:
        return "unknown"
    return {True: "better", False: "worse", None: "unclear"}[judged.is_better]


def _worst_first(one: Mapping[str, Any]) -> tuple[float, str]:
    gain = abs(one["change"]) * {True: 1, False: -1, None: 0}[one["is_better"]]
    return gain, f"{one['column']} {one['value']}"


def _change(name: str, a: Mapping[str, Any], b: Mapping[str, Any], side: str) -> Change:
    if name not in a:
        return Change(name, ONLY_B, None, b[name], side)
    if name not in b:
        return Change(name, ONLY_A, a[name], None, side)
    return Change(name, SAME if a[name] == b[name] else CHANGED, a[name], b[name], side)


def _cells(report: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Give counts by the names of the right and the given label; a place of -1 is no answer."""
    names = report.get("labels", [])
    found: dict[tuple[str, str], int] = {}
    for right, answer, count in report.get("confusion", []):
        if 0 <= right < len(names):
            given = names[answer] if 0 <= answer < len(names) else ""
            found[names[right], given] = found.get((names[right], given), 0) + count
    return found


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _spec(one: Mapping[str, Any]) -> str:
    shape = " × ".join("n" if length == -1 else str(length) for length in one.get("shape", []))
    return f"{one.get('datatype', '')} [{shape}]"
