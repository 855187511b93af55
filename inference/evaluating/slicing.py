"""How rows fare by the values of a column. Pure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from registry.measures.catalogue import MOST_SLICES
from registry.measures.intervals import wilson

MOST_VALUES = 10_000


class Slices:
    """Sums by value of one column: rows, and what `add` is given for each row."""

    def __init__(self) -> None:
        self._sums: dict[str | None, np.ndarray] = {}
        self.has_too_many = False

    def add(self, texts: pa.ChunkedArray, *sums: np.ndarray) -> None:
        """Add rows with their numbers."""
        encoded = texts.combine_chunks().dictionary_encode()
        values = [*encoded.dictionary.to_pylist(), None]
        places = encoded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
        counts = [np.bincount(places, weights, len(values)) for weights in (None, *sums)]
        for place, value in enumerate(values):
            row = np.array([one[place] for one in counts], np.float64)
            if row[0] and (value in self._sums or len(self._sums) < MOST_VALUES):
                self._sums[value] = self._sums.get(value, 0) + row
            elif row[0]:
                self.has_too_many = True

    def shares(self) -> list[dict[str, Any]]:
        """Give rows and the share of right ones by value, with 95 % intervals, the most frequent first."""
        return [
            _named(value, rows)
            | {"accuracy": hits / rows}
            | dict(zip(("low", "high"), wilson(hits, rows), strict=True))
            for value, (rows, hits) in self._ranked()
        ]

    def errors(self) -> list[dict[str, Any]]:
        """Give rows and mean errors by value, the most frequent first."""
        return [
            _named(value, rows) | {"mae": absolute / rows, "rmse": math.sqrt(squares / rows)}
            for value, (rows, absolute, squares) in self._ranked()
        ]

    def pairs(self) -> list[dict[str, Any]]:
        """Give rows and the shares that two versions answer rightly by value, the most frequent first."""
        return [
            _named(value, rows) | {"accuracy": mine / rows, "other": theirs / rows}
            for value, (rows, mine, theirs) in self._ranked()
        ]

    def _ranked(self) -> list[tuple[str | None, list[float]]]:
        ranked = sorted(self._sums.items(), key=lambda item: (-item[1][0], item[0] or ""))
        return [(value, sums.tolist()) for value, sums in ranked[:MOST_SLICES]]


def _named(value: str | None, rows: float) -> dict[str, Any]:
    return {"value": "" if value is None else value, "rows": int(rows)}
