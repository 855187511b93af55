"""The columns of gathered rows: what they are is known once all rows have been seen. Loads Polars: for jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from feedback.gathering import FACTS, TYPES

_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "truth": pl.Boolean(),
    "integer": pl.Int64(),
    "long": pl.String(),
    "number": pl.Float64(),
    "datetime": pl.Datetime("us", "UTC"),
}
_TYPES |= {f"list[{name}]": pl.List(kind) for name, kind in _TYPES.items()}
_JSON = "json"
_NUMBERS = ("truth", "integer", "long", "number")  # each takes in those before it; "long" is beyond 64 bits, as text
_PLAIN = {type(None): "", str: "text", bool: "truth", float: "number"}
_READ: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": lambda value: str(int(value)),
    "number": float,
    "datetime": datetime.fromisoformat,
}


class Columns:
    """The columns seen so far; one that holds values of several kinds becomes text."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Their names: inputs and the right answer, then the facts."""
        return [*(name for name in self._kinds if name not in FACTS), *(name for name in FACTS if name in self._kinds)]

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in what a row holds."""
        for name, value in row.items():
            known = self._kinds.get(name, "")
            self._kinds[name] = _together(known, TYPES.get(name) or _kind(value))

    def schema(self) -> pl.Schema:
        """Give names and types."""
        return pl.Schema({name: _TYPES.get(self._kinds[name], pl.String()) for name in self.names})

    def frames(self, path: Path, size: int) -> Iterator[pl.DataFrame]:
        """Give the rows of a file of JSON Lines, so many at a time."""
        schema = self.schema()
        with path.open(encoding="utf-8") as file:
            while lines := list(islice(file, size)):
                rows = [json.loads(line) for line in lines]
                values = {name: [self._cell(name, row.get(name)) for row in rows] for name in schema}
                yield pl.DataFrame(values, schema=schema)

    def _cell(self, name: str, value: Any) -> Any:
        kind = self._kinds[name]
        if value is None:
            return None
        if kind == _JSON:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        read = _READ.get(_inner(kind) or kind)
        if read is None:
            return value
        return [read(one) for one in value] if _inner(kind) else read(value)


def _kind(value: Any) -> str:
    """Give what a value is, empty for a missing one."""
    if type(value) in _PLAIN:
        return _PLAIN[type(value)]
    if isinstance(value, int):
        return "integer" if -(1 << 63) <= value < 1 << 63 else "long"
    if isinstance(value, list) and value:
        kinds = set(map(_kind, value))
        kind = reduce(_together, kinds)
        return f"list[{kind}]" if "" not in kinds and kind in ("text", *_NUMBERS) else _JSON
    return "list[text]" if value == [] else _JSON


def _together(one: str, other: str) -> str:
    """Give the kind that holds values of two kinds."""
    if one == other or not one or not other:
        return one or other
    if one in _NUMBERS and other in _NUMBERS:
        return max(one, other, key=_NUMBERS.index)
    inner = _together(_inner(one), _inner(other)) if _inner(one) and _inner(other) else _JSON
    return f"list[{inner}]" if inner in _NUMBERS else _JSON


def _inner(kind: str) -> str:
    """Give the kind of what a list holds, empty for anything else."""
    return kind[5:-1] if kind.startswith("list[") else ""
