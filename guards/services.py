"""Stamps, by which processes learn that what they hold in memory has changed; turns; and limits of rate."""

from __future__ import annotations

import math
from functools import cache

from django.db.models import F

from common.errors import TooMany
from guards.buckets import Buckets, make_buckets
from guards.limits import Limit, Standing, told
from guards.models import Lock, Stamp


def bump(name: str) -> None:
    """Raise a stamp inside the caller's transaction, so that the change and its stamp are seen together."""
    if not Stamp.objects.filter(name=name).update(value=F("value") + 1):
        Stamp.objects.get_or_create(name=name, defaults={"value": 1})


def take_turn(name: str) -> None:
    """Hold a name until the caller's transaction ends; another one that wants it waits and sees what was kept."""
    Lock.objects.select_for_update().get_or_create(name=f"turn:{name}")


def read_stamps() -> dict[str, int]:
    """Give all stamps."""
    return dict(Stamp.objects.values_list("name", "value"))


def take_token(*, bucket: str, limit: Limit) -> None:
    """Count one call against a limit that all processes share. Raises TooMany, or Unavailable."""
    spent = _buckets().take(bucket, limit, 1)
    if not spent.granted:
        raise too_many(limit, spent.wait_us / 1_000_000)


def too_many(limit: Limit, wait_s: float, left: int = 0) -> TooMany:
    """Give the refusal of a call over a limit."""
    seconds = max(1, math.ceil(wait_s))
    what = "rows" if limit.counts_rows else "calls"
    return TooMany(
        f"Too many {what}: at most {limit.per_minute} a minute.",
        code="rate_limited",
        retry_after_s=seconds,
        headers=told([Standing(limit, left)], seconds),
    )


@cache
def _buckets() -> Buckets:
    return make_buckets()
