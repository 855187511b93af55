"""The arithmetic of a token bucket, kept as one number: the moment at which the bucket will be full again.

Source: generic cell rate algorithm, ITU-T I.371, annex A (virtual scheduling). Times are microseconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

MINUTE_US = 60_000_000
MAX_PER_MINUTE = 600_000
MAX_ROWS_PER_MINUTE = 6_000_000
LEASE_S = 0.1


@dataclass(frozen=True)
class Limit:
    """So many calls a minute, and so many at once after a quiet time; or so many rows of calls."""

    per_minute: int
    burst: int
    counts_rows: bool = False

    @classmethod
    def of(cls, per_minute: int, burst: int | None = None) -> Limit:
        """Give a limit; a burst that is not given is six seconds' worth."""
        return cls(per_minute, burst or max(1, per_minute // 10))

    @classmethod
    def of_rows(cls, per_minute: int) -> Limit:
        """Give a limit of rows; a minute's worth may come at once, so that it says how large a call can be."""
        return cls(per_minute, per_minute, counts_rows=True)

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
        return self.most * self.interval_us

    @property
    def most(self) -> int:
        """How many tokens a full bucket holds."""
        return self.burst - (self.lease if self.lease > 1 else 0)

    @property
    def policy(self) -> str:
        """The limit as the header RateLimit-Policy says it. Source: draft-ietf-httpapi-ratelimit-headers-10."""
        return f'"{self._name}";q={self.per_minute};w=60'

    def left(self, count: int, seconds: int | None = None) -> str:
        """What is left of it as the header RateLimit says it, and when it is whole, or usable, again."""
        if seconds is None:
            seconds = math.ceil(max(self.most - count, 0) * self.interval_us / 1_000_000)
        return f'"{self._name}";r={count};t={seconds}'

    @property
    def _name(self) -> str:
        return "rows" if self.counts_rows else "default"


class Standing(NamedTuple):
    """A limit, and how much of it is left."""

    limit: Limit
    left: int


def told(standings: Sequence[Standing], wait_s: int | None = None) -> dict[str, str]:
    """Give limits and what is left of them as headers; `wait_s` after a refusal, else the time until all is back.

    Source: draft-ietf-httpapi-ratelimit-headers-10.
    """
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(limit.policy for limit, _left in standings),
        "RateLimit": ", ".join(limit.left(left, wait_s) for limit, left in standings),
    }


@dataclass(frozen=True, slots=True)
class Spent:
    """What a bucket gave: tokens, its new state, after none the time until enough are back, and how many are left."""

    granted: int
    full_at: int
    wait_us: int
    left: int = 0


def spend(*, full_at: int, now: int, limit: Limit, wanted: int, least: int = 1) -> Spent:
    """Take up to `wanted` tokens, but none if there are fewer than `least`, which must not be more than `limit.most`.

    A state from the future, after a clock was set back, counts as an empty bucket.
    """
    latest = now + limit.depth_us
    full_at = min(max(full_at, now), latest)
    left = (latest - full_at) // limit.interval_us
    if left < least:
        return Spent(0, full_at, full_at + least * limit.interval_us - latest, left)
    granted = min(wanted, left)
    return Spent(granted, full_at + granted * limit.interval_us, 0, left - granted)
