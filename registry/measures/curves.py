"""ROC and precision-recall curves of one label against the rest, exact by sorting. Pure.

Source: Fawcett (2006), "An introduction to ROC analysis", algorithms 1 and 3 (equal scores are one step, so the area
counts ties as half); average precision: the sum of precisions weighted by the gains in recall, without interpolation,
Manning, Raghavan & Schütze (2008), section 8.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_POINTS = 120


@dataclass(frozen=True, slots=True)
class Curves:
    """Areas of both curves, and as many of their points as a plot shows: shares between nought and one."""

    roc_auc: float
    average_precision: float
    roc: list[list[float]]
    pr: list[list[float]]


def curves_of(is_positive: np.ndarray, scores: np.ndarray) -> Curves | None:
    """Give the curves of rows; `None` where all rows are of one kind. Scores are finite."""
    positives = int(is_positive.sum())
    negatives = len(is_positive) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_positive[order], dtype=np.int64)
    ordered = scores[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    hits, taken = hits[ends], ends + 1
    recall, wrong = hits / positives, (taken - hits) / negatives
    precision = hits / taken
    area = np.trapezoid(np.append(0.0, recall), np.append(0.0, wrong))
    average = (np.diff(recall, prepend=0.0) * precision).sum()
    return Curves(
        float(area),
        float(average),
        _thinned(np.append(0.0, wrong), np.append(0.0, recall)),
        _thinned(recall, precision),
    )


def _thinned(across: np.ndarray, up: np.ndarray) -> list[list[float]]:
    """Give points at equal distances along the curve, both ends among them."""
    if len(across) > MOST_POINTS:
        way = np.append(0.0, np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(up))))
        places = np.unique(np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS)).clip(0, len(way) - 1))
        across, up = across[places], up[places]
    return np.round(np.column_stack([across, up]), 5).tolist()  # type: ignore[no-any-return]
