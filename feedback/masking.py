"""Personal data masked in values by name, by what the step of recipes finds. Loads Polars: for jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from datasets.steps.personal import MaskPersonalData
from datasets.steps.personal_kinds import KINDS, Finder


class Masker:
    """Masks texts, wherever they stand in a value, and counts what was masked by name and kind."""

    def __init__(self) -> None:
        self._step = MaskPersonalData()
        self._finder = Finder(self._step.which)
        self.found: Counter[tuple[str, str]] = Counter()

    def mask(self, values: Mapping[str, Any], *, leave: Collection[str] = ()) -> dict[str, Any]:
        """Give the values with masked texts, but for those of some names."""
        return {name: value if name in leave else self._masked(name, value) for name, value in values.items()}

    def report(self) -> dict[str, Any]:
        """Tell how much was masked, as the step tells it."""
        found = [
            {"column": name, "kind": KINDS[kind][2], "count": count}
            for (name, kind), count in sorted(self.found.items())
        ]
        return {"masked": self.found.total(), "found": found}

    def _masked(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            places = self._finder.find(value)
            self.found.update((name, one.kind) for one in places)
            return self._step.masked(value, places, b"") if places else value
        if isinstance(value, list):
            return [self._masked(name, one) for one in value]
        if isinstance(value, dict):
            return {key: self._masked(name, one) for key, one in value.items()}
        return value
