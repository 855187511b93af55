"""The arithmetic of a token bucket, kept as one number: the moment at which the bucket will be full again.

Source: generic cell rate algorithm, ITU-T I.371, annex A (virtual scheduling). Times are microseconds since 1970.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

MINUTE_US = 60_000_000
MAX_PER_MINUTE = 600_000
LEASE_S = 0.1


@dataclass(frozen=True)
class Limit:
    """So many calls a minute, and so many at once after a quiet time."""

    per_minute: int
    burst: int

    @classmethod
    def of(cls, per_minute: int, burst: int | None = None) -> Limit:
        """Give a limit; a burst that is not given is six seconds' worth."""
        return cls(per_minute, burst or max(1, per_minute // 10))

    @cached_property
    def interval_us(self) -> int:
        """The time in which one token comes back."""
        return math.ceil(MINUTE_US / self.per_minute)

    @cached_property
    def lease(self) -> int:
        """How many tokens a process may take at a time: a tenth of a second's worth, one where that is much of all."""
        size = int(self.per_minute * LEASE_S / 60)
        return size if size * 4 <= self.burst else 1

    @cached_property
    def depth_us(self) -> int:
        """The time in which an empty bucket fills.

        Leased tokens may be used up to `LEASE_S` later than they were taken, so the bucket holds as many fewer: in no
        stretch of time are more calls let in than the burst and what comes back in it.
        """
        return (self.burst - (self.lease if self.lease > 1 else 0)) * self.interval_us

    @property
    def policy(self) -> str:
        """The limit as the header RateLimit-Policy says it. Source: draft-ietf-httpapi-ratelimit-headers-10."""
        return f'"default";q={self.per_minute};w=60'


@dataclass(frozen=True, slots=True)
class Spent:
    """What a bucket gave: tokens, its new state, and after none the time until one is back."""

    granted: int
    full_at: int
    wait_us: int


def spend(*, full_at: int, now: int, limit: Limit, wanted: int) -> Spent:
    """Take up to `wanted` tokens; a state from the future, after a clock was set back, counts as an empty bucket."""
    latest = now + limit.depth_us
    full_at = min(max(full_at, now), latest)
    granted = min(wanted, (latest - full_at) // limit.interval_us)
    if granted < 1:
        return Spent(0, full_at, full_at + limit.interval_us - latest)
    return Spent(granted, full_at + granted * limit.interval_us, 0)
