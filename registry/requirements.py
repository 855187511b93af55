"""What a gate demands of a version, as rules read from plain data. Pure.

| kind | fields beside `dataset`, `version` and `split` | passed when |
| --- | --- | --- |
| `metric` | `metric`, `at_least` or `at_most` | the number is within the limit |
| `live` | `metric`, `most_worse`, `is_significant` | it is worse than the live version's by no more than that |
| `slices` | `metric`, `column`, `at_least` or `at_most`, `rows` | so is each value of the column with as many rows |

`dataset` is the id of a dataset, `version` a number of it or `null` for its newest sealed one, `split` a split or "";
`label`, which each may have, names the column of right answers: "" takes the one that the newest evaluation took.
With `is_significant` the whole 95 % interval of the difference has to be above minus `most_worse`; that is for the
metrics whose differences have one (`COMPARED_METRICS`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from common.errors import Invalid
from registry.measures.catalogue import COMPARED_METRICS, METRICS, SLICED

METRIC, LIVE, SLICES = "metric", "live", "slices"
KINDS = (METRIC, LIVE, SLICES)
MOST = 50
MOST_ROWS = 1_000_000_000
_COMMON = ("kind", "dataset", "version", "split", "label", "metric")
_OWN = {
    METRIC: ("at_least", "at_most"),
    LIVE: ("most_worse", "is_significant"),
    SLICES: ("column", "at_least", "at_most", "rows"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One rule of a gate."""

    kind: str
    dataset: str
    metric: str
    version: int | None = None
    split: str = ""
    label: str = ""
    at_least: float | None = None
    at_most: float | None = None
    most_worse: float = 0.0
    is_significant: bool = False
    column: str = ""
    rows: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Give plain data with the fields of its kind."""
        return {name: value for name, value in asdict(self).items() if name in (*_COMMON, *_OWN[self.kind])}

    def holds(self, figure: float) -> bool:
        """Whether a number is within the limits."""
        is_enough = self.at_least is None or figure >= self.at_least
        return is_enough and (self.at_most is None or figure <= self.at_most)


def parse_requirements(value: Any) -> list[Requirement]:
    """Read rules that somebody gives. Raises Invalid, naming the field of the first that is none, or cannot be met."""
    found = read_requirements(value)
    for place, one in enumerate(found):
        if one.is_significant and one.metric not in COMPARED_METRICS:
            names = ", ".join(COMPARED_METRICS)
            where = f"requirements[{place}].is_significant"
            raise _bad(where, f"can be asked of {names} only: other differences have no interval")
    return found


def read_requirements(value: Any) -> list[Requirement]:
    """Read rules that a policy holds, also those that are no longer taken. Raises Invalid for what is none."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST:
        raise _bad("requirements", f"must be a list of at most {MOST}")
    found = [_parse(entry, f"requirements[{place}]") for place, entry in enumerate(value)]
    for place, one in enumerate(found):
        if one in found[:place]:
            raise _bad(f"requirements[{place}]", "stands there twice")
    return found


def _parse(entry: Any, where: str) -> Requirement:
    if not isinstance(entry, Mapping):
        raise _bad(where, "must be an object")
    kind = entry.get("kind")
    if kind not in KINDS:
        raise _bad(f"{where}.kind", f"must be one of {', '.join(KINDS)}")
    if unknown := sorted(map(str, set(entry) - {*_COMMON, *_OWN[kind]})):
        raise _bad(f"{where}.{unknown[0][:50]}", f"is no field of a requirement of this kind ({kind})")
    metric = entry.get("metric")
    if not isinstance(metric, str) or metric not in (SLICED if kind == SLICES else METRICS):
        raise _bad(f"{where}.metric", f"must be one of {', '.join(SLICED if kind == SLICES else METRICS)}")
    made = Requirement(
        kind=kind,
        dataset=_dataset(entry.get("dataset"), f"{where}.dataset"),
        metric=metric,
        version=_whole(entry.get("version"), f"{where}.version", 1 << 31),
        split=_text(entry.get("split", ""), f"{where}.split", 50),
        label=_text(entry.get("label", ""), f"{where}.label", 255),
        is_significant=_truth(entry.get("is_significant", False), f"{where}.is_significant"),
        column=_text(entry.get("column", ""), f"{where}.column", 255),
        rows=_whole(entry.get("rows", 1), f"{where}.rows", MOST_ROWS) or 1,
        most_worse=_number(entry.get("most_worse", 0.0), f"{where}.most_worse") or 0.0,
        at_least=_number(entry.get("at_least"), f"{where}.at_least"),
        at_most=_number(entry.get("at_most"), f"{where}.at_most"),
    )
    _check(made, where)
    return made


def _check(one: Requirement, where: str) -> None:
    if one.kind != LIVE and one.at_least is None and one.at_most is None:
        raise _bad(f"{where}.at_least", "a limit is needed: at_least or at_most")
    if one.at_least is not None and one.at_most is not None and one.at_least > one.at_most:
        raise _bad(f"{where}.at_most", "is below at_least")
    if one.most_worse < 0:
        raise _bad(f"{where}.most_worse", "must not be below nought")
    if one.kind == SLICES and not one.column:
        raise _bad(f"{where}.column", "is missing")


def _dataset(value: Any, where: str) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise _bad(where, "must be the id of a dataset") from None


def _text(value: Any, where: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise _bad(where, f"must be text of at most {most} characters")
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _bad(where, "must be true or false")
    return value


def _whole(value: Any, where: str, most: int) -> int | None:
    if value is not None and (type(value) is not int or not 1 <= value <= most):
        raise _bad(where, "must be a whole number from 1 on")
    return value


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e15:
        raise _bad(where, "must be a finite number")
    return float(value)


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
