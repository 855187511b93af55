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
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out of the metrics
            self._add(right, answers)

    def _add(self, right: np.ndarray, answers: np.ndarray) -> None:
        error = np.abs(answers - right)
        rows = self.rows + len(right)
        apart = float(right.mean()) - self.mean
        # Not `**`, at whose overflow Python raises.
        between = apart * apart * self.rows * len(right) / rows if self.rows else 0.0
        self.spread += float(np.square(right - right.mean()).sum()) + between
        self.mean += apart * len(right) / rows
        self.rows = rows
        self.absolute += float(error.sum())
        self.squares += float(np.square(error).sum())
        is_something = right != 0
        self.shares += float((error[is_something] / np.abs(right[is_something])).sum())
        self.share_rows += int(is_something.sum())

    def metrics(self) -> dict[str, float]:
        """Give the numbers by name: MAPE over rows whose right number is not nought, R² where these differ."""
        if not self.rows:
            return {}
        found = {"mae": self.absolute / self.rows, "rmse": math.sqrt(self.squares / self.rows)}
        if self.share_rows:
            found["mape"] = self.shares / self.share_rows
        if self.rows > 1 and 0 < self.spread < math.inf:
            found["r2"] = 1 - self.squares / self.spread
        return {name: value for name, value in found.items() if math.isfinite(value)}
