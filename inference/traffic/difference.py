"""How far the answer of a shadow is from the one that the caller got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference.transport import Output

MOST = 1e300  # what a database keeps of a difference


@dataclass(frozen=True, slots=True)
class Difference:
    """`largest` is 0 for the same answer: the largest distance of two numbers, or the share of texts that differ."""

    largest: float
    by_output: dict[str, dict[str, float]] = field(default_factory=dict)
    same_labels: float | None = None
    scores: tuple[float, ...] = ()

    @property
    def score(self) -> float | None:
        """The mean distance of the scores, `None` where there are none."""
        return float(np.abs(self.scores).mean()) if self.scores else None


def difference(live: Mapping[str, Output], shadow: Mapping[str, Output]) -> Difference:
    """Compare two answers output by output; one that the shadow lacks, or has in another form, differs wholly."""
    by_output = {name: _compare(output, shadow.get(name)) for name, output in live.items()}
    label, score = by_output.get("label", {}), live.get("score")
    scores: tuple[float, ...] = ()
    if score is not None and "max" in by_output["score"] and not isinstance(score.values, list):
        scores = tuple((_numbers(shadow["score"].values) - _numbers(score.values)).ravel().tolist())
    return Difference(
        largest=max((told.get("max", told.get("differing", 1.0)) for told in by_output.values()), default=0.0),
        by_output=by_output,
        same_labels=1 - label["differing"] if "differing" in label else None,
        scores=scores,
    )


def _compare(live: Output, shadow: Output | None) -> dict[str, float]:
    if shadow is None or (live.datatype == "BYTES") != (shadow.datatype == "BYTES") or live.shape != shadow.shape:
        return {"differing": 1.0}
    if isinstance(live.values, list) or isinstance(shadow.values, list):
        pairs = list(zip(live.values, shadow.values, strict=True))
        return {"differing": sum(mine != theirs for mine, theirs in pairs) / len(pairs) if pairs else 0.0}
    if not live.values.size:
        return {"max": 0.0, "mean": 0.0}
    with np.errstate(over="ignore"):
        apart = np.abs(_numbers(shadow.values) - _numbers(live.values))
    return {"max": min(float(apart.max()), MOST), "mean": min(float(apart.mean()), MOST)}


def _numbers(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)
