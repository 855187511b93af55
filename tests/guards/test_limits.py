"""Token buckets: the arithmetic, both stores, and leases of one process."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import TooMany
from guards import buckets
from guards.buckets import DatabaseBuckets
from guards.limiter import Limiter, Taken
from guards.limits import MAX_PER_MINUTE, Limit, Spent, spend
from guards.models import RateBucket
from guards.services import take_token

NOW = 1_800_000_000_000_000


@given(
    per_minute=st.integers(1, MAX_PER_MINUTE),
    burst=st.integers(1, 100_000),
    steps=st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(1, 50), st.integers(1, 50)), max_size=60),
)
def test_bucket_when_taken_from_in_any_order_gives_no_more_than_burst_and_refill(
    per_minute: int, burst: int, steps: list[tuple[int, int, int]]
) -> None:
    limit, full_at, now, granted = Limit(per_minute, burst), 0, NOW, 0
    for pause_us, wanted, wish in steps:
        now += pause_us
        least = min(wanted, wish, limit.most)
        spent = spend(full_at=full_at, now=now, limit=limit, wanted=wanted, least=least)
        full_at, granted = spent.full_at, granted + spent.granted
        assert spent.granted == 0 or least <= spent.granted <= wanted
        assert bool(spent.granted) == (spent.wait_us == 0)
        assert spend(full_at=full_at, now=now, limit=limit, wanted=10**9).granted == spent.left
        if not spent.granted:
            later = spend(full_at=full_at, now=now + spent.wait_us, limit=limit, wanted=least, least=least)
            assert later.granted == least
    assert granted <= burst + (now - NOW) * per_minute / 60_000_000


def test_bucket_when_the_clock_is_set_back_fills_from_empty() -> None:
    limit = Limit(60, 10)
    spent = spend(full_at=NOW + 10**12, now=NOW, limit=limit, wanted=1)
    assert spent == Spent(0, NOW + limit.depth_us, 1_000_000)
    assert spend(full_at=spent.full_at, now=NOW + 1_000_000, limit=limit, wanted=1).granted == 1


class Given:
    """A store that counts how often it is asked."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self.asked, self.full_at, self.delay_s = 0, 0, delay_s

    def take(self, name: str, limit: Limit, wanted: int, least: int = 1) -> Spent:
        self.asked += 1
        time.sleep(self.delay_s)
        spent = spend(full_at=self.full_at, now=time.time_ns() // 1000, limit=limit, wanted=wanted, least=least)
        self.full_at = spent.full_at
        return spent


async def take_many(limiter: Limiter, limit: Limit, count: int) -> int:
    waits = await asyncio.gather(*(limiter.try_take("key:1", limit) for _ in range(count)))
    return sum(wait.wait_s is None for wait in waits)


def test_limiter_when_calls_come_fast_asks_the_store_seldom() -> None:
    store, limit = Given(), Limit(600_000, 60_000)

    async def run() -> int:
        with ThreadPoolExecutor(1) as threads:
            limiter, granted = Limiter(threads, lambda: store), 0
            for _ in range(5_000):
                granted += (await limiter.try_take("key:1", limit)).wait_s is None
            return granted

    assert asyncio.run(run()) == 5_000
    assert store.asked < 200


def test_limiter_when_empty_says_how_long_and_asks_nobody_until_then() -> None:
    store, limit = Given(), Limit(60, 3)

    async def run() -> tuple[int, float | None]:
        with ThreadPoolExecutor(1) as threads:
            limiter = Limiter(threads, lambda: store)
            granted = await take_many(limiter, limit, 50)
            asked = store.asked
            for _ in range(100):
                wait = (await limiter.try_take("key:1", limit)).wait_s
            assert store.asked == asked
            return granted, wait

    granted, wait = asyncio.run(run())
    assert granted == 3
    assert wait is not None
    assert 0 < wait <= 1


def test_limiter_when_the_store_is_slow_still_lets_in_whom_it_has_made_wait() -> None:
    store, limit = Given(delay_s=0.15), Limit(60_000, 6_000)

    async def run() -> int:
        with ThreadPoolExecutor(1) as threads:
            return await take_many(Limiter(threads, lambda: store), limit, 40)

    assert asyncio.run(run()) == 40
    assert store.asked <= 3


def test_limiter_when_a_limit_is_changed_follows_it_at_once() -> None:
    store = Given()

    async def run() -> list[int]:
        with ThreadPoolExecutor(1) as threads:
            limiter = Limiter(threads, lambda: store)
            return [await take_many(limiter, limit, 20) for limit in (Limit(6, 1), Limit(6, 12))]

    first, second = asyncio.run(run())
    assert first == 1
    assert 10 <= second <= 11


def test_limiter_when_calls_have_many_rows_takes_all_or_none_and_wastes_none() -> None:
    store, limit = Given(), Limit.of_rows(6_000)

    async def run() -> tuple[list[int], Taken, Taken]:
        with ThreadPoolExecutor(1) as threads:
            limiter, left = Limiter(threads, lambda: store), []
            for rows in (64, 1, 64, 7, 500, 1000, 1000, 1000, 1000):
                taken = await limiter.try_take("rows", limit, rows)
                assert taken.wait_s is None
                left.append(taken.left)
            large = await limiter.try_take("rows", limit, 5_000)
            return left, large, await limiter.try_take("rows", limit, 100)

    left, large, small = asyncio.run(run())
    taken = [limit.most - some for some in left]
    sums = [64, 65, 129, 136, 636, 1636, 2636, 3636, 4636]
    assert all(0 <= due - said <= 30 for said, due in zip(taken, sums, strict=True)), "a tenth of a second comes back"
    assert large.wait_s is not None
    assert 30 < large.wait_s < 45
    assert small.wait_s is None, "a large call does not shut out small ones"


@pytest.mark.django_db
def test_database_bucket_when_empty_refuses_and_says_when() -> None:
    limit = Limit(60, 2)
    for _ in range(2):
        take_token(bucket="a", limit=limit)
    with pytest.raises(TooMany) as caught:
        take_token(bucket="a", limit=limit)
    assert caught.value.retry_after_s == 1
    assert caught.value.headers == {"RateLimit-Policy": '"default";q=60;w=60', "RateLimit": '"default";r=0;t=1'}
    take_token(bucket="b", limit=limit)


@pytest.mark.django_db
def test_database_bucket_when_the_clock_was_set_back_is_stored_empty_and_fills_again() -> None:
    RateBucket.objects.create(name="a", full_at=time.time_ns() // 1000 + 10**12)
    limit = Limit(6_000, 10)
    assert DatabaseBuckets().take("a", limit, 1).granted == 0
    time.sleep(0.03)
    assert DatabaseBuckets().take("a", limit, 1).granted == 1


@pytest.mark.django_db
def test_database_bucket_when_new_ones_come_forgets_old_full_ones() -> None:
    RateBucket.objects.bulk_create(RateBucket(name=f"old{n}", full_at=n) for n in range(12))
    for name in ("a", "b"):
        DatabaseBuckets().take(name, Limit(60, 2), 1)
    assert set(RateBucket.objects.values_list("name", flat=True)) == {"a", "b"}


@pytest.mark.django_db
def test_database_bucket_when_another_process_forgets_it_meanwhile_then_a_new_one_grants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    RateBucket.objects.create(name="a", full_at=1)

    def forget_first(**given: Any) -> Spent:
        RateBucket.objects.filter(name="a", full_at=1).delete()
        return spend(**given)

    monkeypatch.setattr(buckets, "spend", forget_first)
    assert DatabaseBuckets().take("a", Limit(60, 2), 1).granted == 1
    assert RateBucket.objects.get().name == "a"
