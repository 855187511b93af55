"""Limits on the hot path: a process takes tokens in small leases, so that the shared store is asked seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic

from django.db import close_old_connections

from guards.buckets import Buckets, make_buckets
from guards.limits import LEASE_S, Limit, Spent

MAX_HELD = 10_000


@dataclass(slots=True)
class Held:
    """What this process knows of one bucket: tokens in hand, or that it was empty a moment ago."""

    limit: Limit
    tokens: int = 0
    good_until: float = 0.0
    shut_until: float = 0.0
    size: int = 1
    waiting: int = 0
    asking: asyncio.Future[None] | None = None


class Limiter:
    """Takes tokens for the calls of one event loop. Only the store is asked in a thread; nothing blocks the loop."""

    def __init__(self, threads: Executor, buckets: Callable[[], Buckets] = make_buckets) -> None:
        self._threads = threads
        self._make_buckets = buckets
        self._buckets: Buckets | None = None
        self._held: dict[str, Held] = {}

    async def try_take(self, name: str, limit: Limit) -> float | None:
        """Take one token of a bucket; `None` if it was given, else the seconds until one is back. Raises Unavailable.

        A lease that ran out before it was used up is not used later, and the next one is small again: a process that
        gets few calls takes few tokens away from the others.
        """
        held = self._held.get(name)
        if held is None or held.limit != limit:
            if len(self._held) >= MAX_HELD:
                self._held.clear()
            held = self._held[name] = Held(limit)
        held.waiting += 1
        has_waited = False
        try:
            while True:
                now = monotonic()
                if held.tokens and (has_waited or now < held.good_until):
                    held.tokens -= 1
                    return None
                if now < held.shut_until:
                    return held.shut_until - now
                if held.asking is None:
                    held.asking = asyncio.ensure_future(self._ask(name, held))
                await asyncio.shield(held.asking)
                has_waited = True
        finally:
            held.waiting -= 1

    async def _ask(self, name: str, held: Held) -> None:
        held.size = 1 if held.tokens else min(held.size * 2, held.limit.lease)
        held.tokens = 0
        wanted = max(held.size, min(held.waiting, held.limit.burst))
        started = monotonic()
        try:
            spent = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._take, name, held.limit, wanted
            )
        finally:
            held.asking = None
        held.tokens = spent.granted
        # Counted from before the store was asked: what nobody waits for is used no later than the bucket allows for.
        held.good_until = started + LEASE_S
        if not spent.granted:
            held.shut_until = monotonic() + spent.wait_us / 1_000_000

    def _take(self, name: str, limit: Limit, wanted: int) -> Spent:
        close_old_connections()
        if self._buckets is None:
            self._buckets = self._make_buckets()
        return self._buckets.take(name, limit, wanted)
