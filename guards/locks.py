"""Locks by name across processes and machines: Redis when there is one, else a row of the database.

A lock ends by itself after its time to live, so its holder may be overtaken while it was stopped or its clock stood
still. What must not be written twice is therefore written with the fencing number (`held.fence`): it goes up with each
holder, and the store of what is guarded refuses a number lower than the last. Both stores draw it as the larger of
"last number plus one" and their clock in microseconds, so that it goes on upwards after Redis was flushed, as long as
no clock is set back by more than the flush came later.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from django.conf import settings
from django.db import close_old_connections, connection

from common.errors import Conflict
from common.ids import uuid7
from guards.lock_stores import DatabaseStore, RedisStore, Store

Result = TypeVar("Result")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.25
LONGEST_NAME = 150


class LockLost(Conflict):
    """The lock has ended or belongs to somebody else."""

    code = "lock_lost"


class Lock:
    """A lock that one holder takes, by `with` or `async with`, or by `acquire` and `release`.

    With `is_kept` a thread extends it until it is released; the holder still asks `check` before what cannot be undone.
    """

    def __init__(self, store: Store, name: str, ttl_s: float, wait_s: float, is_kept: bool) -> None:
        self.name, self.ttl_s = name, ttl_s
        self.fence = 0
        self._store, self._wait_s, self._is_kept = store, wait_s, is_kept
        self._owner = ""
        self._released = threading.Event()
        self._keeper: threading.Thread | None = None

    def acquire(self) -> Self:
        """Take the lock, waiting at most `wait_s`. Raises Conflict (code lock_busy) when somebody holds it on."""
        if self._owner:
            raise RuntimeError(f"lock {self.name} is held already by this very object")
        if connection.in_atomic_block and isinstance(self._store, DatabaseStore):
            raise RuntimeError("a lock cannot be taken inside a transaction: nobody would see it")
        owner, end, pause_s = uuid7().hex, time.monotonic() + self._wait_s, FIRST_PAUSE_S
        while (fence := self._store.take(self.name, owner, self.ttl_s)) is None:
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise Conflict(f"the lock {self.name} is held by somebody else", code="lock_busy", retry_after_s=1)
            time.sleep(min(pause_s * random.uniform(0.5, 1.0), left_s))  # noqa: S311 - no secret
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._owner, self.fence = owner, fence
        if self._is_kept:
            self._keep()
        return self

    def extend(self, ttl_s: float | None = None) -> None:
        """Let the lock live so long from now. Raises LockLost."""
        if not self._owner or not self._store.extend(self.name, self._owner, ttl_s or self.ttl_s):
            raise LockLost(f"the lock {self.name} is no longer ours")

    def check(self) -> None:
        """Raise LockLost unless the lock is still ours at this moment."""
        if not self._owner or not self._store.is_owner(self.name, self._owner):
            raise LockLost(f"the lock {self.name} is no longer ours")

    def release(self) -> bool:
        """Give the lock back; False if it was no longer ours. What somebody else holds is left alone."""
        owner, self._owner = self._owner, ""
        self._released.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        return bool(owner) and self._store.release(self.name, owner)

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(_alone, self.acquire)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(_alone, self.release)

    def _keep(self) -> None:
        self._released.clear()
        self._keeper = threading.Thread(target=self._extend_on, name=f"lock {self.name}", daemon=True)
        self._keeper.start()

    def _extend_on(self) -> None:
        """Extend at a third of the time to live; after a failure the next turn tries again, until the lock is lost."""
        try:
            while not self._released.wait(self.ttl_s / 3):
                owner = self._owner
                if not owner or not self._store.extend(self.name, owner, self.ttl_s):
                    return
        finally:
            connection.close()


def lock(name: str, ttl_s: float, *, wait_s: float = 0.0, is_kept: bool = False) -> Lock:
    """Give a lock that is not yet taken; the same name is the same lock in every process."""
    if not 0 < len(name) <= LONGEST_NAME or ttl_s <= 0:
        raise ValueError(f"a lock has a name of 1 to {LONGEST_NAME} characters and lives longer than no time")
    store: Store = RedisStore(settings.REDIS_URL) if settings.REDIS_URL else DatabaseStore()
    return Lock(store, name, ttl_s, wait_s, is_kept)


def _alone(work: Callable[[], Result]) -> Result:
    """Do what needs the database in a thread of the pool, and leave no connection open there."""
    close_old_connections()
    try:
        return work()
    finally:
        connection.close()
