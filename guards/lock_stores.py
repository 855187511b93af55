"""Where locks are kept: each operation is one atomic step of its store, and time is the store's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.db import connection
from django.db.models import QuerySet

from common.errors import Unavailable
from guards.models import Lock

if TYPE_CHECKING:
    from redis import Redis
    from redis.lock import Lock as RedisLock

_NOW = {
    "mysql": "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}
_PREFIX = "flueman:lock:"
# Gives the fencing number only to whom the lock still belongs; `redis.call('TIME')` is the server's clock.
_FENCE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local now = redis.call('TIME')
local number = math.max(now[1] * 1000000 + now[2], tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
redis.call('SET', KEYS[2], string.format('%.0f', number))
return string.format('%.0f', number)
"""


class Store(Protocol):
    """What a lock asks of where it is kept."""

    def take(self, name: str, owner: str, ttl_s: float) -> int | None:
        """Take a lock that nobody holds and give its fencing number, None if somebody does."""

    def extend(self, name: str, owner: str, ttl_s: float) -> bool:
        """Move the end of the owner's lock."""

    def is_owner(self, name: str, owner: str) -> bool:
        """Tell whether the lock is the owner's and has not ended."""

    def release(self, name: str, owner: str) -> bool:
        """End the owner's lock."""


class DatabaseStore:
    """A row for each name, changed only where it still is as it was read."""

    def take(self, name: str, owner: str, ttl_s: float) -> int | None:
        """Take a lock that nobody holds.

        One that would live on longer than it was given shows that the clock was set back: it gets that from now on.
        """
        row = Lock.objects.filter(name=name).first()
        if row is None:
            Lock.objects.bulk_create([Lock(name=name)], ignore_conflicts=True)
            row = Lock.objects.get(name=name)
        now = _now_us()
        same = Lock.objects.filter(name=name, fence=row.fence, owner=row.owner, until_us=row.until_us)
        if row.owner and row.until_us > now:
            if row.until_us - now > row.ttl_us:
                same.update(until_us=now + row.ttl_us)
            return None
        fence, ttl_us = max(row.fence + 1, now), int(ttl_s * 1_000_000)
        return fence if same.update(owner=owner, fence=fence, ttl_us=ttl_us, until_us=now + ttl_us) else None

    def extend(self, name: str, owner: str, ttl_s: float) -> bool:
        """Move the end of the owner's lock."""
        now, ttl_us = _now_us(), int(ttl_s * 1_000_000)
        return bool(self._live(name, owner, now).update(ttl_us=ttl_us, until_us=now + ttl_us))

    def is_owner(self, name: str, owner: str) -> bool:
        """Tell whether the lock is the owner's and has not ended."""
        return self._live(name, owner, _now_us()).exists()

    def release(self, name: str, owner: str) -> bool:
        """End the owner's lock; its row stays, for the number."""
        is_live = self.is_owner(name, owner)
        return bool(Lock.objects.filter(name=name, owner=owner).update(owner="", until_us=0)) and is_live

    @staticmethod
    def _live(name: str, owner: str, now_us: int) -> QuerySet[Lock]:
        return Lock.objects.filter(name=name, owner=owner, until_us__gt=now_us)


class RedisStore:
    """redis-py's own lock, with a fencing number beside it that does not end with the lock."""

    def __init__(self, url: str) -> None:
        self._redis = _client(url)

    def take(self, name: str, owner: str, ttl_s: float) -> int | None:
        """Take a lock that nobody holds; one that ended before it had its number is not ours."""
        with _typed():
            held = self._lock(name, owner, ttl_s)
            if not held.acquire(blocking=False, token=owner):
                return None
            number = cast("bytes | None", self._redis.eval(_FENCE, 2, held.name, f"{held.name}:fence", owner))
            return int(number) if number else None

    def extend(self, name: str, owner: str, ttl_s: float) -> bool:
        """Move the end of the owner's lock."""
        with _typed():
            return _is_owned(partial(self._lock(name, owner, ttl_s).extend, ttl_s, replace_ttl=True))

    def is_owner(self, name: str, owner: str) -> bool:
        """Tell whether the lock is the owner's and has not ended."""
        with _typed():
            return bool(self._lock(name, owner, 1).owned())

    def release(self, name: str, owner: str) -> bool:
        """End the owner's lock."""
        with _typed():
            return _is_owned(self._lock(name, owner, 1).release)

    def _lock(self, name: str, owner: str, ttl_s: float) -> RedisLock:
        held = self._redis.lock(f"{_PREFIX}{name}", timeout=ttl_s, thread_local=False)
        held.local.token = owner.encode()
        return held


def _is_owned(work: Callable[[], Any]) -> bool:
    from redis.exceptions import LockError  # noqa: PLC0415 - not part of the embedded set

    try:
        work()
    except LockError:
        return False
    return True


@contextmanager
def _typed() -> Iterator[None]:
    """Turn Redis being away into what callers know."""
    from redis.exceptions import LockError, RedisError  # noqa: PLC0415 - not part of the embedded set

    try:
        yield
    except LockError:
        raise
    except RedisError as error:
        raise Unavailable("Redis does not answer", retry_after_s=1) from error


@cache
def _client(url: str) -> Redis:
    from redis import Redis  # noqa: PLC0415 - not part of the embedded set

    return Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)


def _now_us() -> int:
    """Give the time of the database, of which all machines have the same; SQLite has that of its only machine."""
    statement = _NOW.get(connection.vendor)
    if statement is None:
        return time.time_ns() // 1000
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])
