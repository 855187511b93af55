"""Where token buckets live, shared by all processes: Redis where there is one, else rows of the database."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction

from common.errors import Unavailable
from guards.limits import Limit, Spent, spend
from guards.models import RateBucket

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

KEPT_US = 3_600_000_000
FORGOTTEN_AT_ONCE = 10
REDIS_TIMEOUT_S = 0.25
REDIS_PAUSE_S = 5.0

# `guards.limits.spend` where the state is, by the one clock that all share. `latest` is stored too when a state lies
# behind it: after a clock was set back the bucket begins empty and fills again.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local wanted, least = tonumber(ARGV[3]), tonumber(ARGV[4])
local latest = now + depth
local full_at = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now), latest)
local left = math.floor((latest - full_at) / interval)
local granted, wait = 0, full_at + least * interval - latest
if left >= least then granted, wait = math.min(wanted, left), 0 end
full_at = full_at + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil(depth / 1000) + 1000)
return {granted, string.format('%.0f', full_at), wait, left - granted}
"""


class Buckets(Protocol):
    """A store of buckets."""

    def take(self, name: str, limit: Limit, wanted: int, least: int = 1) -> Spent:
        """Take up to `wanted` tokens from a bucket, none if there are fewer than `least`. Raises Unavailable."""


class DatabaseBuckets:
    """One row a bucket: read, and where something is left in it locked, read again and changed."""

    def take(self, name: str, limit: Limit, wanted: int, least: int = 1) -> Spent:
        """Take tokens. An empty bucket is only read: on SQLite any update takes the one write lock."""
        try:
            return self._take(name, limit, wanted, least)
        except (DatabaseError, InterfaceError) as error:
            raise Unavailable("the database does not answer", retry_after_s=1) from error

    def _take(self, name: str, limit: Limit, wanted: int, least: int) -> Spent:
        full_at = RateBucket.objects.filter(name=name).values_list("full_at", flat=True).first()
        if full_at is None:
            _make(name, _now())
        else:
            spent = spend(full_at=full_at, now=_now(), limit=limit, wanted=wanted, least=least)
            if not spent.granted and spent.full_at >= full_at:
                return spent
        with transaction.atomic():
            row = RateBucket.objects.select_for_update().filter(name=name).first()
            if row is not None:
                spent = spend(full_at=row.full_at, now=_now(), limit=limit, wanted=wanted, least=least)
                if spent.full_at != row.full_at:
                    RateBucket.objects.filter(name=name).update(full_at=spent.full_at)
                return spent
        return self._take(name, limit, wanted, least)  # another process has just forgotten it


class RedisBuckets:
    """One key a bucket, changed by one script; while Redis does not answer, the database stands in for it."""

    def __init__(self, client: Redis, stand_in: Buckets) -> None:
        self._script = client.register_script(_SCRIPT)
        self._stand_in = stand_in
        self._tried_again_at = 0.0

    def take(self, name: str, limit: Limit, wanted: int, least: int = 1) -> Spent:
        """Take tokens. Raises Unavailable when neither Redis nor the database answers."""
        from redis import RedisError  # noqa: PLC0415 - not part of the embedded set

        if time.monotonic() >= self._tried_again_at:
            try:
                arguments = [limit.interval_us, limit.depth_us, wanted, least]
                spent = self._script(keys=[f"flueman:rate:{name}"], args=arguments)
                return Spent(*map(int, spent))
            except (RedisError, OSError) as error:
                self._tried_again_at = time.monotonic() + REDIS_PAUSE_S
                log.warning("rate limits are kept in the database for %g s: %s", REDIS_PAUSE_S, error)
        return self._stand_in.take(name, limit, wanted, least)


def make_buckets() -> Buckets:
    """Give the store that the settings name."""
    if not settings.REDIS_URL:
        return DatabaseBuckets()
    from redis import Redis  # noqa: PLC0415 - not part of the embedded set

    patience: dict[str, Any] = {"socket_timeout": REDIS_TIMEOUT_S, "socket_connect_timeout": REDIS_TIMEOUT_S}
    return RedisBuckets(Redis.from_url(settings.REDIS_URL, **patience), DatabaseBuckets())


def _now() -> int:
    return time.time_ns() // 1000


def _make(name: str, now: int) -> None:
    """Make a full bucket, and forget a few that have been full for an hour: they say nothing."""
    RateBucket.objects.bulk_create([RateBucket(name=name, full_at=now)], ignore_conflicts=True)
    old = RateBucket.objects.filter(full_at__lt=now - KEPT_US).values_list("pk", flat=True)
    if names := list(old[:FORGOTTEN_AT_ONCE]):
        RateBucket.objects.filter(pk__in=names, full_at__lt=now - KEPT_US).delete()
