"""The one retry policy, against real deadlocks."""

from __future__ import annotations

import sqlite3
import threading
from functools import partial

import pytest
from django.db import IntegrityError, OperationalError

from common.errors import Conflict
from common.transactions import Trouble, after_the_end, transactional, trouble_of
from guards.models import Stamp
from tests.databases import WANTED
from tests.databases.working import in_threads, raise_by_one, values

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_services_when_they_deadlock_then_both_are_done_once(rows: None) -> None:
    meet = threading.Barrier(2)
    runs: list[str] = []

    @transactional
    def cross(first: str, second: str) -> None:
        runs.append(first)
        raise_by_one(first)
        if len(runs) <= 2 and WANTED != "sqlite":  # the first time, each holds what the other wants
            meet.wait(20)
        raise_by_one(second)

    assert in_threads(lambda: cross("a", "b"), lambda: cross("b", "a")) == [None, None]
    assert values() == {"a": 2, "b": 2}
    assert len(runs) == (2 if WANTED == "sqlite" else 3)


def test_many_services_when_all_want_two_rows_in_any_order_then_each_counts_once(rows: None) -> None:
    @transactional
    def both(first: str, second: str) -> None:
        raise_by_one(first)
        raise_by_one(second)

    works = [(lambda: both("a", "b")) if number % 2 else (lambda: both("b", "a")) for number in range(6)]
    assert in_threads(*works) == [None] * 6
    assert values() == {"a": 6, "b": 6}


def test_inner_transaction_when_it_deadlocks_then_the_whole_is_done_again(rows: None) -> None:
    meet = threading.Barrier(2)
    outer_runs: list[str] = []
    inner_runs: list[str] = []

    @transactional
    def inner(name: str) -> None:
        inner_runs.append(name)
        raise_by_one(name)

    @transactional
    def outer(first: str, second: str) -> None:
        outer_runs.append(first)
        raise_by_one(first)
        if len(outer_runs) <= 2 and WANTED != "sqlite":
            meet.wait(20)
        inner(second)

    assert in_threads(lambda: outer("a", "b"), lambda: outer("b", "a")) == [None, None]
    assert values() == {"a": 2, "b": 2}
    assert len(outer_runs) == len(inner_runs) == (2 if WANTED == "sqlite" else 3)


def test_service_when_done_again_then_it_is_given_the_row_as_it_was(rows: None) -> None:
    row, seen = Stamp.objects.get(name="a"), []

    @transactional
    def raise_value(given: Stamp, *, by: int) -> None:
        seen.append(given.value)
        given.value += by
        given.save(update_fields=["value"])
        if len(seen) < 3:
            raise OperationalError from sqlite_busy()

    raise_value(row, by=5)
    assert (seen, row.value, values()["a"]) == ([0, 0, 0], 5, 5)


def sqlite_busy() -> sqlite3.OperationalError:
    """Give the error of a database that somebody else holds."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_service_when_the_database_refuses_the_row_then_told_at_once(rows: None) -> None:
    runs: list[int] = []

    @transactional
    def double() -> None:
        runs.append(1)
        Stamp.objects.create(name="a")

    with pytest.raises(IntegrityError) as refused:
        double()
    assert (len(runs), trouble_of(refused.value)) == (1, Trouble.OTHER)


@pytest.mark.parametrize("kept", [True, False])
def test_what_waits_for_the_end_when_one_before_it_fails_then_it_is_done_and_the_first_failure_told(
    rows: None, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(why: str) -> None:
        raise ValueError(why)

    kept_apart = transactional(raise_by_one)

    @transactional
    def work() -> None:
        for waiting in (partial(fail, "first"), partial(kept_apart, "a"), partial(fail, "second")):
            after_the_end(waiting)
        after_the_end(partial(kept_apart, "b"))
        if not kept:
            raise Conflict("refused")

    with pytest.raises(ValueError, match="first") as told:
        work()
    assert values() == {"a": 1, "b": 1}
    assert [str(one.exc_info[1]) for one in caplog.records if one.exc_info] == ["second"]
    assert isinstance(told.value.__context__, Conflict) != kept, "the refusal stands behind it"
