"""Whether a score of 0.8 is right eight times of ten. Pure.

Source: Guo et al. (2017), "On Calibration of Modern Neural Networks", equation 3 (bins of equal width, each weighted by
its rows); Brier (1950), equation 2 (the sum over all labels, from 0 to 2); log loss: Bishop (2006), equation 4.108,
with probabilities no smaller than the spacing of float64 at 1, as scikit-learn has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

BINS = 15
EPSILON = float(np.finfo(np.float64).eps)
TOLERANCE = 0.01  # by which the scores of a row may miss a sum of one


@dataclass(slots=True)
class Calibration:
    """Rows by the score of their answer, added piece by piece."""

    rows: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    hits: np.ndarray = field(default_factory=lambda: np.zeros(BINS))

    def add(self, scores: np.ndarray, is_right: np.ndarray) -> None:
        """Count rows by the score, from 0 to 1, that their answer had; a bin holds its upper edge."""
        places = (np.ceil(scores.astype(np.float64) * BINS) - 1).clip(0, BINS - 1).astype(np.int64)
        self.rows += np.bincount(places, minlength=BINS)
        self.scores += np.bincount(places, scores, BINS)
        self.hits += np.bincount(places, is_right, BINS)

    @property
    def error(self) -> float | None:
        """Give the expected calibration error, `None` without rows."""
        total = self.rows.sum()
        return float(np.abs(self.hits - self.scores).sum() / total) if total else None

    def curve(self) -> list[dict[str, Any]]:
        """Give the bins that have rows: their edges, rows, mean score and share of right answers."""
        return [
            {
                "from": place / BINS,
                "to": (place + 1) / BINS,
                "rows": int(self.rows[place]),
                "score": float(self.scores[place] / self.rows[place]),
                "accuracy": float(self.hits[place] / self.rows[place]),
            }
            for place in np.flatnonzero(self.rows).tolist()
        ]


def are_probabilities(scores: np.ndarray) -> bool:
    """Whether each row of scores is between nought and one and sums up to one."""
    if not scores.size:
        return True
    is_within = scores.min() >= -TOLERANCE and scores.max() <= 1 + TOLERANCE
    return bool(is_within and np.abs(scores.sum(1) - 1).max() <= TOLERANCE)


def losses(right: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give log loss and Brier score of each row; `scores` is (rows, labels of the model).

    A right label that the model does not know had no probability.
    """
    known = np.flatnonzero((right >= 0) & (right < scores.shape[1]))
    own = np.zeros(len(right))
    own[known] = scores[known, right[known]]
    squares = np.square(scores, dtype=np.float64).sum(1) - 2 * own + 1
    return -np.log(own.clip(EPSILON, 1.0)), squares.clip(0.0)
