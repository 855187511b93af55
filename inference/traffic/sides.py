"""A canary and the live versions beside it, counted by one web process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inference.figures.latency import bucket
from inference.traffic.evidence import OTHER_LABELS, SCORE_BUCKETS, score_bucket
from inference.traffic.judging import Counts
from inference.transport import Output
from registry.signature import TensorSpec

MOST_LABELS = 200
LABEL_CHARACTERS = 100

Outputs = Sequence[tuple[TensorSpec, Output]]


class Side(Counts):
    """What one side answers."""

    def failed(self, latency_ms: float) -> None:
        """Count a call that it failed."""
        self.requests += 1
        self.errors += 1
        self.latency[str(bucket(latency_ms))] += 1

    def answered(self, latency_ms: float, outputs: Outputs) -> None:
        """Count a call that it answered: its labels, and its scores or else the means of its first numbers.

        Each call adds one to labels and to scores, whatever its rows: those of one call are alike.
        """
        self.requests += 1
        self.latency[str(bucket(latency_ms))] += 1
        named = {spec.name: output for spec, output in outputs}
        label = named.get("label")
        if label is not None and isinstance(label.values, list):
            self._count_labels(label.values)
        score = named.get("score") or next((o for o in named.values() if not isinstance(o.values, list)), None)
        if score is not None and not isinstance(score.values, list) and score.values.size:
            self._count_scores(score)

    def _count_labels(self, values: list[bytes]) -> None:
        for value in values:
            label = value.decode("utf-8", "replace")[:LABEL_CHARACTERS]
            named = label if label in self.labels or len(self.labels) < MOST_LABELS else OTHER_LABELS
            self.labels[named] += 1 / len(values)

    def _count_scores(self, score: Output) -> None:
        values = np.asarray(score.values, dtype=np.float64)
        each = values.reshape(values.shape[0], -1).mean(1) if values.ndim else values.reshape(1)
        if len(each) == 1:
            self.scores[str(score_bucket(float(each[0])))] += 1
            return
        buckets, rows = np.unique(np.floor(np.arcsinh(each) * SCORE_BUCKETS).astype(int), return_counts=True)
        for one, n in zip(buckets.tolist(), rows.tolist(), strict=True):
            self.scores[str(one)] += n / len(each)


class Sides:
    """Both sides of one canary."""

    def __init__(self) -> None:
        self._canary, self._live = Side(), Side()

    def of(self, *, is_canary: bool) -> Side:
        """Give one of them."""
        return self._canary if is_canary else self._live

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {"canary": self._canary.as_dict(), "live": self._live.as_dict()}
