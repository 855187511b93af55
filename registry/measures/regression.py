"""How far numbers are from the right ones, added piece by piece. Pure.

Source: Draper & Smith (1998), chapter 5 (R²); sums of squares about the mean are brought together as Chan, Golub &
LeVeque (1983) do, so that large means cost no digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class Errors:
    """Sums over rows: of errors (answer less right), and of the right numbers about their mean."""

    rows: int = 0
    absolute: float = 0.0
    squares: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    shares: float = 0.0
    share_rows: int = 0

    def add(self, right: np.ndarray, answers: np.ndarray) -> None:
        """Add rows; all numbers are finite float64."""
        if not len(right):
            return
        error = np.abs(answers - right)
        mean, rows = float(right.mean()), self.rows + len(right)
        self.spread += float(np.square(right - mean).sum()) + (mean - self.mean) ** 2 * self.rows * len(right) / rows
        self.mean += (mean - self.mean) * len(right) / rows
        self.rows = rows
        self.absolute += float(error.sum())
        self.squares += float(np.square(error).sum())
        is_something = right != 0
        with np.errstate(over="ignore"):  # left out of the metrics
            self.shares += float((error[is_something] / np.abs(right[is_something])).sum())
        self.share_rows += int(is_something.sum())

    def metrics(self) -> dict[str, float]:
        """Give the numbers by name: MAPE over rows whose right number is not nought, R² where these differ."""
        if not self.rows:
            return {}
        found = {"mae": self.absolute / self.rows, "rmse": math.sqrt(self.squares / self.rows)}
        if self.share_rows:
            found["mape"] = self.shares / self.share_rows
        if self.rows > 1 and self.spread > 0:
            found["r2"] = 1 - self.squares / self.spread
        return {name: value for name, value in found.items() if math.isfinite(value)}
