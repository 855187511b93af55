"""Sixteen real processes on one bucket, in the database and in Redis: never more is granted than allowed."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from redis import Redis

from guards.buckets import Buckets, DatabaseBuckets, RedisBuckets, make_buckets
from guards.limiter import Limiter
from guards.limits import Limit
from guards.models import RateBucket

PROCESSES = 16
CLIENTS = 4
SECONDS = 1.5


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """Give the address of a private Redis on a socket."""
    with tempfile.TemporaryDirectory(prefix="flm-redis-") as folder:
        command = ["redis-server", "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not Path(folder, "s").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"unix://{folder}/s"
        server.kill()
        server.wait()


def hammer(limit: Limit, make: Callable[[], Buckets] = make_buckets) -> tuple[int, int, float]:
    """Give tokens granted, tokens asked for and the seconds that it took."""
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    barrier, counts = fork.Barrier(PROCESSES + 1), fork.Queue()
    processes = [fork.Process(target=take_all, args=(limit, make, barrier, counts)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    barrier.wait(60)
    granted, asked, started, ended = zip(*[counts.get(timeout=120) for _ in processes], strict=True)
    for process in processes:
        process.join(60)
    return sum(granted), sum(asked), max(ended) - min(started)


def take_all(limit: Limit, make: Callable[[], Buckets], barrier: Any, counts: Any) -> None:
    """Take tokens in a process of its own, as a web process does: several clients on one loop."""
    granted = asked = 0

    async def client(limiter: Limiter, until: float) -> None:
        nonlocal granted, asked
        while time.monotonic() < until:
            wait = (await limiter.try_take("hammered", limit)).wait_s
            granted, asked = granted + (wait is None), asked + 1
            await asyncio.sleep(0 if wait is None else min(wait, 0.005))

    async def run() -> None:
        with ThreadPoolExecutor(1) as threads:
            limiter = Limiter(threads, make)
            barrier.wait(60)
            started = time.monotonic()
            await asyncio.gather(*(client(limiter, started + SECONDS) for _ in range(CLIENTS)))
            counts.put((granted, asked, started, time.monotonic()))
            await asyncio.get_running_loop().run_in_executor(threads, connections.close_all)

    asyncio.run(run())


def check(name: str, limit: Limit, result: tuple[int, int, float]) -> None:
    granted, asked, seconds = result
    allowed = limit.burst + limit.per_minute / 60 * seconds
    told = f"{name}: {PROCESSES} processes, {limit}: asked {asked}, allowed {allowed:.0f}, granted {granted}\n"
    sys.stdout.write(told)
    assert granted <= allowed
    assert granted > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [Limit(600, 30), Limit(60_000, 2_000)], ids=["slow", "leased"])
def test_sixteen_processes_when_on_one_row_get_no_more_than_allowed(limit: Limit) -> None:
    check(connection.vendor, limit, hammer(limit))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [Limit(600, 30), Limit(60_000, 2_000)], ids=["slow", "leased"])
def test_sixteen_processes_when_on_one_redis_key_get_no_more_than_allowed(redis_url: str, limit: Limit) -> None:
    Redis.from_url(redis_url).flushall()
    check("redis", limit, hammer(limit, lambda: RedisBuckets(Redis.from_url(redis_url), DatabaseBuckets())))
    assert not RateBucket.objects.filter(name="hammered").exists()


@pytest.mark.django_db
def test_redis_bucket_when_redis_is_flushed_is_full_again_and_when_it_is_away_the_database_stands_in(
    redis_url: str,
) -> None:
    client, limit = Redis.from_url(redis_url), Limit(60, 5)
    buckets = RedisBuckets(client, DatabaseBuckets())
    assert [buckets.take("a", limit, 4).granted, buckets.take("a", limit, 4).granted] == [4, 1]
    assert buckets.take("a", limit, 1).wait_us > 0
    assert 0 < client.pttl("flueman:rate:a") <= 6_000
    client.flushall()
    assert buckets.take("a", limit, 2).left == 3
    spent = buckets.take("a", limit, 9, 4)
    assert (spent.granted, spent.left) == (0, 3)
    assert 0 < spent.wait_us <= 1_000_000
    assert buckets.take("a", limit, 9).granted == 3

    gone = RedisBuckets(Redis.from_url("unix:///nowhere/redis"), DatabaseBuckets())
    assert [gone.take("b", limit, 4).granted, gone.take("b", limit, 4).granted] == [4, 1]
    assert RateBucket.objects.filter(name="b").exists()
