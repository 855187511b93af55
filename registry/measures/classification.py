"""Shares of right answers, of all kinds, from counts by label. Pure.

Labels are numbers here; an answer of -1 is none. Rows without a right answer do not come in. Averages are over the
labels that are right or answered somewhere; a share of nothing is nought.
Source: Sokolova & Lapalme (2009), "A systematic analysis of performance measures for classification tasks", table 3;
balanced accuracy: Brodersen et al. (2010). The numbers are those of scikit-learn with `zero_division=0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by label: rows answered rightly, rows that got the label as answer, rows whose right answer it is."""

    hits: np.ndarray
    answered: np.ndarray
    support: np.ndarray

    @classmethod
    def of(cls, labels: int, right: np.ndarray, answers: np.ndarray, weights: np.ndarray | None = None) -> Tally:
        """Count rows, or groups of equal rows with as many as `weights` says."""
        known = answers >= 0
        same = known & (right == answers)
        return cls(
            *(
                np.bincount(values[mask], None if weights is None else weights[mask], labels).astype(np.float64)
                for values, mask in ((right, same), (answers, known), (right, np.ones(len(right), bool)))
            )
        )

    def __add__(self, other: Tally) -> Tally:
        """Give the counts of both; labels that only one knows are counted as nought by the other."""
        most = max(len(self.hits), len(other.hits))
        pairs = ((self.hits, other.hits), (self.answered, other.answered), (self.support, other.support))
        return Tally(*(_longer(one, most) + _longer(two, most) for one, two in pairs))


def metrics_of(tally: Tally) -> dict[str, float]:
    """Give the numbers by name; none where there is no row."""
    rows = tally.support.sum()
    if not rows:
        return {}
    precision = _shares(tally.hits, tally.answered)
    recall = _shares(tally.hits, tally.support)
    f1 = _shares(2 * tally.hits, tally.answered + tally.support)
    is_there, has_support = (tally.answered + tally.support) > 0, tally.support > 0
    hits, answered = tally.hits.sum(), tally.answered.sum()
    weights = tally.support / rows
    found = {
        "accuracy": hits / rows,
        "balanced_accuracy": recall[has_support].mean(),
        "precision_micro": hits / answered if answered else 0.0,
        "recall_micro": hits / rows,
        "f1_micro": 2 * hits / (answered + rows),
        "unanswered": 1 - answered / rows,
    }
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        found[f"{name}_macro"] = values[is_there].mean()
        found[f"{name}_weighted"] = (values * weights).sum()
    return {name: float(value) for name, value in found.items()}


def by_label(tally: Tally, labels: list[str]) -> list[dict[str, Any]]:
    """Give precision, recall, F1 and rows of each label that is right or answered somewhere."""
    shares = zip(
        labels,
        _shares(tally.hits, tally.answered).tolist(),
        _shares(tally.hits, tally.support).tolist(),
        _shares(2 * tally.hits, tally.answered + tally.support).tolist(),
        tally.support.astype(int).tolist(),
        tally.answered.astype(int).tolist(),
        strict=False,
    )
    names = ("label", "precision", "recall", "f1", "support", "answered")
    return [dict(zip(names, row, strict=True)) for row in shares if row[4] or row[5]]


def ranks(right: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give at which place from nought the right label stands among a row's scores, `columns` where it has none.

    `scores` is (rows, labels of the model). Of equal scores the label that the model names first is the better one.
    """
    columns = scores.shape[1]
    found = np.full(len(right), columns, np.int64)
    known = np.flatnonzero((right >= 0) & (right < columns))
    own = scores[known, right[known]][:, None]
    is_before = (scores[known] == own) & (np.arange(columns) < right[known][:, None])
    found[known] = (scores[known] > own).sum(1) + is_before.sum(1)
    return found


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _longer(values: np.ndarray, size: int) -> np.ndarray:
    return np.pad(values, (0, size - len(values)))
