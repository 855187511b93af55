"""When a canary is stopped and how it grows: asked for by gates, kept by what runs canaries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from common.errors import Invalid


@dataclass(frozen=True, slots=True)
class Guard:
    """When a canary is stopped, and with `steps` when it grows.

    `error_rate`: how much larger a share of its calls may fail than of the live versions'. `latency_factor`: how many
    times the live p95 its own may be, where it is slower by `latency_slack_ms` at least. `drift`: the largest
    population stability index of scores and of labels. `min_requests`: calls on each side before it is called good.
    `steps`: the weights it goes through by itself, each after `step_minutes` without harm; 100 promotes it.
    """

    error_rate: float = 0.01
    latency_factor: float = 1.5
    latency_slack_ms: float = 5.0
    drift: float = 0.25
    min_requests: int = 500
    steps: tuple[int, ...] = ()
    step_minutes: float = 10.0

    def checked(self) -> Guard:
        """Give the guard. Raises Invalid for limits that are none."""
        limits = {
            "error_rate": 0 < self.error_rate <= 1,
            "latency_factor": 1 <= self.latency_factor <= 1000,
            "latency_slack_ms": 0 <= self.latency_slack_ms <= 600_000,
            "drift": 0 < self.drift <= 100,
            "min_requests": 1 <= self.min_requests <= 10_000_000,
            "steps": list(self.steps) == sorted(set(self.steps)) and all(0 < step <= 100 for step in self.steps),
            "step_minutes": 0 < self.step_minutes <= 100_000,
        }
        if wrong := [name for name, is_good in limits.items() if not is_good]:
            raise Invalid(f"the canary's {wrong[0]} is out of range", fields=dict.fromkeys(wrong, "out of range"))
        return self

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Guard:
        """Give what `as_dict` gave; what is missing has its default."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        return cls(**{**known, "steps": tuple(known.get("steps", ()))})
