"""Limits on the hot path: a process takes tokens in small leases, so that the shared store is asked seldom."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from django.db import close_old_connections

from common.errors import Invalid
from guards.buckets import Buckets, make_buckets
from guards.limits import LEASE_S, Limit, Spent, Standing
from guards.services import too_many

MAX_HELD = 10_000


class Taken(NamedTuple):
    """What a call got: `None`, or the seconds until its tokens are back; and how many are left for others.

    What is left is as of the last look at the store, less what was given since: other processes take, too.
    """

    wait_s: float | None
    left: int


@dataclass(slots=True)
class Held:
    """What this process knows of one bucket: tokens in hand, or that too few were left a moment ago."""

    limit: Limit
    tokens: int = 0
    left: int = 0  # in the store
    good_until: float = 0.0
    shut_until: float = 0.0
    shut_for: int = 1  # and more tokens
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

    async def count(self, name: str, limit: Limit, count: int = 1) -> Standing:
        """Take tokens for a call, give what is left. Raises TooMany, and Invalid for more than a full bucket holds."""
        if count > limit.most:
            said = f"a call may have {limit.most} rows at most, this one has {count}"
            raise Invalid(said, code="too_many_rows", fields={"inputs": said})
        wait_s, left = await self.try_take(name, limit, count)
        if wait_s is not None:
            raise too_many(limit, wait_s, left)
        return Standing(limit, left)

    async def try_take(self, name: str, limit: Limit, count: int = 1) -> Taken:
        """Take tokens of a bucket, all or none; `count` is at most `limit.most`. Raises Unavailable.

        A lease that ran out before it was used up is not used later, and the next one is small again: a process that
        gets few calls takes few tokens away from the others.
        """
        held = self._held.get(name)
        if held is None or held.limit != limit:
            if len(self._held) >= MAX_HELD:
                self._held.clear()
            held = self._held[name] = Held(limit)
        held.waiting += count
        has_waited = False
        try:
            while True:
                now = monotonic()
                if held.tokens >= count and (has_waited or now < held.good_until):
                    held.tokens -= count
                    return Taken(None, held.tokens + held.left)
                if now < held.shut_until and count >= held.shut_for:
                    return Taken(held.shut_until - now, held.left)
                if held.asking is None:
                    held.asking = asyncio.ensure_future(self._ask(name, held, count))
                await asyncio.shield(held.asking)
                has_waited = True
        finally:
            held.waiting -= count

    async def _ask(self, name: str, held: Held, count: int) -> None:
        started = monotonic()
        is_good = started < held.good_until  # what is in hand then is too little for a call of many rows
        held.size = 1 if held.tokens and not is_good else min(held.size * 2, held.limit.lease)
        if not is_good:
            held.tokens, held.good_until = 0, math.inf
        least = count - held.tokens
        wanted = max(held.size, min(held.waiting, held.limit.burst) - held.tokens, least)
        try:
            spent = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._take, name, held.limit, wanted, least
            )
        finally:
            held.asking = None
        held.tokens, held.left = held.tokens + spent.granted, spent.left
        # Counted from before the store was asked: what nobody waits for is used no later than the bucket allows for.
        held.good_until = min(held.good_until, started + LEASE_S)
        if not spent.granted:
            held.shut_until, held.shut_for = monotonic() + spent.wait_us / 1_000_000, count

    def _take(self, name: str, limit: Limit, wanted: int, least: int) -> Spent:
        close_old_connections()
        if self._buckets is None:
            self._buckets = self._make_buckets()
        return self._buckets.take(name, limit, wanted, least)
