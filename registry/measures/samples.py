"""Percentiles of more numbers than are kept. Pure."""

from __future__ import annotations

import numpy as np

MOST = 10_000_000


class Sample:
    """All numbers up to `MOST` of them, beyond that every second, fourth … one."""

    def __init__(self, most: int = MOST) -> None:
        self._parts: list[np.ndarray] = []
        self._every, self._seen, self._most = 1, 0, most

    def add(self, values: np.ndarray) -> None:
        """Add numbers; those that are not finite are left out."""
        values = values[np.isfinite(values)]
        first = -self._seen % self._every
        self._seen += len(values)
        self._parts.append(values[first :: self._every].astype(np.float64))
        while sum(map(len, self._parts)) > self._most:
            self._parts = [np.concatenate(self._parts)[::2]]
            self._every *= 2

    def percentiles(self, shares: tuple[float, ...]) -> list[float]:
        """Give the numbers below which these shares lie; none without numbers."""
        known = np.concatenate(self._parts) if self._parts else np.empty(0)
        return [float(value) for value in np.quantile(known, shares)] if len(known) else []
