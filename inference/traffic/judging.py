"""Whether a canary may go on: its errors, its latency and its answers against those of the live versions.

Pure. All three are shares of calls and are compared by bounds that hold at every moment (`evidence.py`), so that
looking each second stops no good canary more often than they say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from inference.figures.latency import percentile
from inference.traffic.evidence import (
    by_label,
    floor_ms,
    in_tenths,
    lower_bound,
    score_middle,
    stability,
    surely_under,
    upper_bound,
)
from registry.guard import Guard

__all__ = ["Counts", "Guard", "Numbers", "Verdict", "judge", "numbers"]

P95 = 0.95
State = Literal["watching", "good", "stopped"]


@dataclass(slots=True)
class Counts:
    """What one side answered. `errors` are the model's fault; latencies by `latency.bucket`, scores `score_bucket`.

    Scores and labels add up to the calls that had any: a row is a part of its call.
    """

    requests: int = 0
    errors: int = 0
    latency: Counter[str] = field(default_factory=Counter)
    scores: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))
    labels: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))

    def add(self, other: Counts) -> None:
        """Add what another process counted."""
        self.requests += other.requests
        self.errors += other.errors
        self.latency.update(other.latency)
        for mine, theirs in ((self.scores, other.scores), (self.labels, other.labels)):
            for name, calls in theirs.items():
                mine[name] += calls

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "latency": dict(self.latency),
            "scores": dict(self.scores),
            "labels": dict(self.labels),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Counts:
        """Give what `as_dict` gave."""
        return cls(
            data.get("requests", 0),
            data.get("errors", 0),
            Counter(data.get("latency", {})),
            *(defaultdict(float, data.get(name, {})) for name in ("scores", "labels")),
        )


@dataclass(frozen=True, slots=True)
class Numbers:
    """One side in numbers for people; `None` where there is nothing to tell."""

    requests: int
    errors: int
    error_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    score_mean: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a canary.

    `reason` of one that is stopped: its `code` (errors, latency, drift_scores, drift_labels, not_loaded) and the
    figures behind it. `needed`: calls of the canary that are missing before it can be called good. `drift_scores` and
    `drift_labels` are `None` before there is enough of both sides.
    """

    state: State
    canary: Numbers
    live: Numbers
    needed: int
    reason: dict[str, Any] = field(default_factory=dict)
    drift_scores: float | None = None
    drift_labels: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return asdict(self)


def judge(canary: Counts, live: Counts, guard: Guard) -> Verdict:
    """Give the verdict on what both sides answered since the canary began."""
    scores = stability(*in_tenths(canary.scores, live.scores))
    labels = stability(*by_label(canary.labels, live.labels))
    reason = (
        _errors(canary, live, guard)
        or _latency(canary, live, guard)
        or _drift("drift_labels", labels, guard)
        or _drift("drift_scores", scores, guard)
    )
    needed = max(0, guard.min_requests - min(canary.requests, live.requests))
    return Verdict(
        state="stopped" if reason else "watching" if needed else "good",
        canary=numbers(canary),
        live=numbers(live),
        needed=needed,
        reason=reason,
        drift_scores=scores[0] if scores else None,
        drift_labels=labels[0] if labels else None,
    )


def numbers(counts: Counts) -> Numbers:
    """Give counts for people."""
    seen = sum(counts.scores.values())
    mean = sum(score_middle(int(bucket)) * n for bucket, n in counts.scores.items()) / seen if seen else None
    return Numbers(
        requests=counts.requests,
        errors=counts.errors,
        error_rate=counts.errors / counts.requests if counts.requests else None,
        p50_ms=percentile(counts.latency, 0.5),
        p95_ms=percentile(counts.latency, P95),
        score_mean=mean,
    )


def _errors(canary: Counts, live: Counts, guard: Guard) -> dict[str, Any]:
    least = lower_bound(canary.errors, canary.requests)
    most = upper_bound(live.errors, live.requests) if live.requests else 0.0
    if least <= most + guard.error_rate:
        return {}
    return {"code": "errors", "at_least": least, "live_at_most": most, "limit": guard.error_rate}


def _latency(canary: Counts, live: Counts, guard: Guard) -> dict[str, Any]:
    """Stop if more than a twentieth of the canary's calls took longer than the live p95 allows."""
    edge = surely_under(live.latency, P95)
    if edge is None:
        return {}
    limit_ms = max(edge * guard.latency_factor, edge + guard.latency_slack_ms)
    slow = sum(n for bucket, n in canary.latency.items() if floor_ms(int(bucket)) >= limit_ms)
    least = lower_bound(slow, sum(canary.latency.values()))
    if least <= 1 - P95:
        return {}
    return {"code": "latency", "limit_ms": limit_ms, "slower_at_least": least, "factor": guard.latency_factor}


def _drift(code: str, found: tuple[float, float] | None, guard: Guard) -> dict[str, Any]:
    if found is None or found[0] <= guard.drift + found[1]:
        return {}
    return {"code": code, "index": found[0], "noise": found[1], "limit": guard.drift}
