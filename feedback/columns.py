"""The columns of gathered rows: what they are is known once all rows have been seen. Loads Polars: for jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from feedback.gathering import FACTS, TYPES

_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "datetime": pl.Datetime("us", "UTC"),
    "list[text]": pl.List(pl.String()),
    "list[number]": pl.List(pl.Float64()),
}
_JSON = "json"


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
            kind = TYPES.get(name) or _kind(value)
            if not known or not kind:
                self._kinds[name] = known or kind
            elif known != kind:
                self._kinds[name] = _JSON

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
        if kind == "datetime":
            return datetime.fromisoformat(value)
        if kind == "list[number]":
            return [float(one) for one in value]
        return float(value) if kind == "number" else value


def _kind(value: Any) -> str:
    """Give what a value is, empty for a missing one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list) and value:
        kinds = {_kind(one) for one in value}
        return f"list[{kinds.pop()}]" if kinds in ({"text"}, {"number"}) else _JSON
    return "list[text]" if value == [] else _JSON
