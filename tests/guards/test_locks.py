"""Locks on the database of this run and on Redis: one holder at a time, whatever its process does."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from common.errors import Conflict, Unavailable
from guards import lock_stores
from guards.locks import LockLost, lock
from guards.models import Lock as Row

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES = 8


@pytest.fixture(params=["database", "redis"])
def store(request: pytest.FixtureRequest, settings: Any) -> str:
    """Let `lock` use one store or the other."""
    settings.REDIS_URL = request.getfixturevalue("redis_server") if request.param == "redis" else ""
    lock_stores._client.cache_clear()
    if settings.REDIS_URL:
        lock_stores._client(settings.REDIS_URL).flushall()
    return str(request.param)


def count(name: str, rounds: int, file: Path, ttl_s: float, stops: bool) -> None:
    """Count in a file that holds the rounds so far and the last fence.

    It is read, and written a moment later, which loses counts unless one process at a time does it.
    """
    lock_stores._client.cache_clear()
    for _ in range(rounds):
        with lock(name, ttl_s, wait_s=120) as held:
            rounds_so_far, fence = map(int, file.read_text().split())
            time.sleep(0.002)
            if stops:
                os.kill(os.getpid(), signal.SIGSTOP)
            assert stops or held.fence > fence
            write(file, f"{rounds_so_far + 1} {held.fence}")


def write(file: Path, text: str) -> None:
    """Change a file in one step: a reader sees all of the old or all of the new."""
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(text)
    draft.replace(file)


def start_counting(name: str, rounds: int, file: Path, ttl_s: float, *, stops: bool = False) -> Any:
    connections.close_all()
    arguments = (name, rounds, file, ttl_s, stops)
    process = multiprocessing.get_context("fork").Process(target=count, args=arguments, daemon=True)
    process.start()
    return process


def test_lock_when_eight_processes_want_it_then_one_at_a_time(store: str, tmp_path: Path) -> None:
    file, rounds = tmp_path / "count", 20
    file.write_text("0 0")
    processes = [start_counting("race", rounds, file, 30) for _ in range(PROCESSES)]
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert file.read_text().split()[0] == str(PROCESSES * rounds)


def test_lock_when_held_then_another_is_refused_and_the_next_gets_a_higher_number(store: str) -> None:
    with lock("one", 30) as first:
        with pytest.raises(Conflict) as refused:
            lock("one", 30).acquire()
        assert refused.value.code == "lock_busy"
        lock("other", 30).acquire()
        numbers = [first.fence]
    for _ in range(5):
        with lock("one", 30) as held:
            numbers.append(held.fence)
    assert numbers == sorted(set(numbers))


def test_lock_when_waited_for_then_taken_as_soon_as_it_is_free(store: str) -> None:
    first = lock("one", 30).acquire()
    timer = threading.Timer(0.4, first.release)
    timer.start()
    begun = time.monotonic()
    with lock("one", 30, wait_s=20):
        assert time.monotonic() - begun >= 0.3
    timer.join()


def test_lock_when_waited_for_too_long_then_refused(store: str) -> None:
    with lock("one", 30):
        begun = time.monotonic()
        with pytest.raises(Conflict):
            lock("one", 30, wait_s=0.3).acquire()
        assert time.monotonic() - begun >= 0.3


def test_lock_when_its_time_is_over_then_the_next_takes_it_and_the_first_knows(store: str) -> None:
    first = lock("one", 0.2).acquire()
    time.sleep(0.3)
    second = lock("one", 30).acquire()
    assert second.fence > first.fence
    with pytest.raises(LockLost):
        first.extend()
    with pytest.raises(LockLost):
        first.check()
    assert first.release() is False
    second.check()
    assert second.release() is True


def test_lock_when_extended_then_lives_on(store: str) -> None:
    held = lock("one", 0.6).acquire()
    for _ in range(4):
        time.sleep(0.2)
        held.extend(0.6)
    held.check()
    held.release()


def test_lock_when_kept_then_lives_longer_than_its_time(store: str) -> None:
    with lock("one", 0.6, is_kept=True) as held:
        time.sleep(1.2)
        held.check()
        with pytest.raises(Conflict):
            lock("one", 1).acquire()
    with lock("one", 1):
        pass


def test_lock_when_its_holder_raises_then_free(store: str) -> None:
    with pytest.raises(ZeroDivisionError), lock("one", 30):
        raise ZeroDivisionError
    with lock("one", 30):
        pass


def test_lock_when_taken_twice_by_one_object_then_error(store: str) -> None:
    held = lock("one", 30).acquire()
    with pytest.raises(RuntimeError):
        held.acquire()


def test_lock_when_async_then_the_same_lock(store: str) -> None:
    async def work() -> tuple[int, str]:
        async with lock("one", 30) as held:
            try:
                async with lock("one", 30):
                    return held.fence, "both"
            except Conflict as error:
                return held.fence, error.code

    fence, told = asyncio.run(work())
    assert told == "lock_busy"
    with lock("one", 30) as held:
        assert held.fence > fence


def test_lock_when_its_holder_is_stopped_past_its_time_then_fenced_out(store: str, tmp_path: Path) -> None:
    """The holder writes without asking, as bad clients do; the number tells its late writes from good ones."""
    file = tmp_path / "count"
    file.write_text("0 0")
    process = start_counting("stopped", 100, file, 0.3, stops=True)
    try:
        for _ in range(3):
            wait_for(lambda: is_stopped(process.pid))
            with lock("stopped", 30, wait_s=20) as mine:
                assert mine.fence > int(file.read_text().split()[1])
                os.kill(process.pid, signal.SIGCONT)
                wait_for(lambda: int(file.read_text().split()[1]) > 0)
                mine.check()
                assert int(file.read_text().split()[1]) < mine.fence
            write(file, "0 0")
    finally:
        process.kill()
        process.join()


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_number_when_redis_was_flushed_then_goes_on_upwards(redis_server: str, settings: Any) -> None:
    settings.REDIS_URL = redis_server
    lock_stores._client.cache_clear()
    first = lock("one", 30).acquire()
    lock_stores._client(redis_server).flushall()
    second = lock("one", 30).acquire()
    assert second.fence > first.fence
    with pytest.raises(LockLost):
        first.check()


def test_lock_when_redis_is_down_then_typed(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    lock_stores._client.cache_clear()
    with pytest.raises(Unavailable):
        lock("one", 30).acquire()


def test_lock_when_the_clock_was_set_back_then_held_no_longer_than_its_time() -> None:
    held = lock("one", 0.5).acquire()
    Row.objects.filter(name="one").update(until_us=lock_stores._now_us() + 3_600_000_000)
    with lock("one", 30, wait_s=10) as next_one:
        assert next_one.fence > held.fence


def test_number_when_the_clock_was_set_back_then_goes_up_all_the_same() -> None:
    ahead = lock_stores._now_us() + 3_600_000_000
    Row.objects.create(name="one", fence=ahead)
    with lock("one", 30) as held:
        assert held.fence == ahead + 1


def test_lock_when_inside_a_transaction_then_refused() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        lock("one", 30).acquire()


@pytest.mark.parametrize(("name", "ttl_s"), [("", 1), ("n" * 151, 1), ("one", 0), ("one", -1)])
def test_lock_when_it_makes_no_sense_then_refused(name: str, ttl_s: float) -> None:
    with pytest.raises(ValueError, match="lock"):
        lock(name, ttl_s)


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
