"""The search of the request log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, User
from common.errors import Invalid
from common.ids import uuid7
from inference.log import search as log
from inference.log.criteria import Criteria, read_criteria
from inference.models import InferenceRequest, Limits, limits_of
from tests.inference.log_rows import make_many, make_request, make_superuser, make_user

pytestmark = pytest.mark.django_db


def find(viewer: User, **params: str) -> list[InferenceRequest]:
    return log.search(read_criteria(params), limits=limits_of(viewer)).rows


def make_key(user: User, prefix: str = "flm_local_ab12cd") -> ApiKey:
    return ApiKey.objects.create(prefix=prefix, name="app", user=user, digest="0" * 64)


def test_search_without_words_gives_the_last_day_newest_first() -> None:
    older, newer = make_request(age=timedelta(hours=3)), make_request()
    make_request(age=timedelta(days=2))
    assert find(make_superuser()) == [newer, older]


def test_search_shows_the_first_words_of_input_and_output() -> None:
    make_request(text="환불해 주세요")
    (row,) = find(make_superuser())
    assert "환불해" in row.input_start
    assert (row.first_label, row.first_score) == ("배송", 0.93)


@pytest.mark.parametrize("form", ["{}", "{0.hex}", " {} "])
def test_search_by_request_id_finds_it_at_any_age(form: str) -> None:
    wanted = make_request(age=timedelta(days=400))
    make_request()
    assert find(make_superuser(), q=form.format(wanted.id)) == [wanted]


def test_search_by_the_beginning_of_a_key_finds_its_calls_at_any_age() -> None:
    boss = make_superuser()
    key = make_key(boss)
    wanted = make_request(age=timedelta(days=400), key_id=key.id)
    make_request()
    assert find(boss, q="flm_local_ab12") == [wanted]
    assert find(boss, q="flm_local_ab12cd_thesecretpastedbymistake") == [wanted]
    assert find(boss, key="flm_local_ab12cd", range="24h") == []


def test_search_by_user_name_finds_their_calls_at_any_age() -> None:
    boss = make_superuser()
    wanted = make_request(age=timedelta(days=400), user_id=boss.pk)
    make_request(user_id=boss.pk + 1)
    assert find(boss, q="boss") == find(boss, user="boss") == [wanted]


def test_search_by_words_finds_them_in_the_time_range() -> None:
    wanted = make_request(text='그는 "환불" 이라고 Said')
    make_request(text="환불", age=timedelta(days=3))
    boss = make_superuser()
    assert find(boss, q='"환불" SAID') == [wanted]
    assert find(boss, words="없는말") == []
    assert len(find(boss, words="환불", range="7d")) == 2


def test_search_by_words_finds_the_id_that_a_client_sent() -> None:
    wanted = make_request(client_request_id="order-77")
    make_request()
    assert find(make_superuser(), q="order-77") == [wanted]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"status": "2xx"}, ["ok", "slow", "other"]),
        ({"status": "200"}, ["ok", "slow", "other"]),
        ({"status": "4xx"}, ["bad"]),
        ({"status": "errors"}, ["bad", "down"]),
        ({"status": "503"}, ["down"]),
        ({"error": "queue_full"}, ["down"]),
        ({"slower_than_ms": "1000"}, ["slow"]),
        ({"deployment": "numbers"}, ["other"]),
        ({"deployment": "intent", "version": "2"}, ["slow"]),
        ({"model": "numbers", "version": "1"}, ["other"]),
        ({"version": "2"}, ["slow"]),
        ({"deployment": "intent", "status": "errors", "words": "배송"}, ["bad", "down"]),
    ],
)
def test_search_with_filters_gives_the_rows_that_fit(params: dict[str, str], expected: list[str]) -> None:
    rows = {
        "ok": make_request(),
        "bad": make_request(status=400, error_code="invalid"),
        "down": make_request(status=503, error_code="queue_full"),
        "slow": make_request(latency_ms=1500, version=2),
        "other": make_request(deployment="numbers", model="numbers"),
    }
    assert {row.pk for row in find(make_superuser(), **params)} == {rows[name].pk for name in expected}


def test_search_for_a_person_without_the_permission_gives_their_own_rows() -> None:
    client = make_user()
    own, other = make_request(user_id=client.pk), make_request(user_id=client.pk + 1)
    assert find(client) == [own]
    assert find(client, q=str(other.id)) == []
    make_user("kim")
    assert find(client, user="kim") == []


def test_pages_when_followed_give_each_row_once() -> None:
    rows = make_many(130)
    seen, cursor = [], None
    while True:
        page = log.search(Criteria(), limits={}, cursor=cursor)
        seen += page.rows
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == rows[::-1]


def test_look_through_when_nothing_fits_stops_and_says_how_far_it_got() -> None:
    rows = make_many(100)
    page = log.search(Criteria(slower_than_ms=1000), limits={}, scan=40)
    assert page.rows == []
    assert page.searched_to is not None
    assert abs(page.searched_to - rows[59].created_at) < timedelta(milliseconds=2)


def test_look_through_when_followed_gives_each_fitting_row_once() -> None:
    rows = make_many(100)
    seen, cursor, pages = [], None, 0
    while True:
        page = log.search(Criteria(slower_than_ms=49), limits={}, cursor=cursor, scan=7, size=5)
        seen, pages = seen + page.rows, pages + 1
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == rows[:49:-1]
    assert pages < 40


def test_look_through_own_rows_when_a_second_condition_is_asked_stops_and_is_followed_once_each() -> None:
    client = make_user()
    for number, name in enumerate(["other"] * 20 + ["intent"] + ["other"] * 20):
        make_request(user_id=client.pk, deployment=name, status=400, age=timedelta(minutes=90 - number))
    make_many(20)
    for criteria in (Criteria(deployment="intent"), Criteria(status="errors", deployment="intent")):
        seen: list[InferenceRequest] = []
        cursor, pages = None, 0
        while pages == 0 or cursor:
            page = log.search(criteria, limits=limits_of(client), cursor=cursor, scan=70)
            seen, cursor, pages = seen + page.rows, page.cursor, pages + 1
        assert [row.deployment for row in seen] == ["intent"]
        assert pages == 6


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        ({"user_id": (1,)}, Criteria(user_id=2)),
        ({"user_id": (1,)}, Criteria(status="errors")),
        ({"deployment": ("mine",)}, Criteria(deployment="other")),
        ({"deployment": ("mine",)}, Criteria(status="errors")),
        ({"deployment": ("mine", *(f"d{n}" for n in range(30)))}, Criteria(user_id=2, words="배송")),
    ],
)
def test_page_when_limited_tells_no_row_that_may_not_be_seen(limits: Limits, asked: Criteria) -> None:
    own = [make_request(user_id=1, deployment="mine", status=400, age=timedelta(minutes=60 + n)) for n in range(40)]
    for number in range(40):
        make_request(user_id=2, deployment="other", status=503, age=timedelta(minutes=number))
    page = log.search(asked, limits=limits, scan=70)
    assert page.rows == (own if asked == Criteria(status="errors") else [])[: len(page.rows)]
    assert (page.rows != []) is (asked == Criteria(status="errors"))
    assert page.cursor is None or UUID(int=page.cursor.int - 1) in {row.pk for row in own}


def test_search_when_a_credential_is_limited_gives_what_is_within() -> None:
    client = make_user()
    own = [
        make_request(user_id=client.pk, deployment=name, status=503, age=timedelta(minutes=9 - number))
        for number, name in enumerate("abc")
    ]
    make_request(deployment="a", status=503)
    limits = {"user_id": (client.pk,), "deployment": ("a", "b")}
    for criteria in (Criteria(), Criteria(status="errors"), Criteria(words="배송")):
        assert log.search(criteria, limits=limits).rows == own[1::-1], criteria
    assert log.search(Criteria(), limits={"deployment": ("b", "c", "d")}).rows == own[:0:-1]
    assert log.search(Criteria(user_id=client.pk + 1), limits=limits).rows == []
    many = ("c", *(f"d{number}" for number in range(log.MOST_WALKS)))
    assert log.search(Criteria(), limits={"deployment": many}).rows == own[2:]
    assert log.search(Criteria(), limits={"deployment": ()}).rows == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="counts the steps of SQLite")
@pytest.mark.parametrize("limits", [{}, {"user_id": (7,)}, {"deployment": ("intent", "other")}])
@pytest.mark.parametrize("criteria", [Criteria(status="errors"), Criteria(deployment="intent", status="4xx")])
def test_search_when_many_rows_fit_takes_no_more_steps_than_for_few(criteria: Criteria, limits: Any) -> None:
    steps = []
    for more in (1500, 6000):
        for number in range(3):
            make_many(more // 3, status=(400, 429, 503)[number], user_id=7, first=more + number * more)
        with counted_steps() as count:
            log.search(criteria, limits=limits, size=10, scan=200)
        steps.append(count())
    assert steps[1] < steps[0] * 1.5, steps


@contextmanager
def counted_steps() -> Iterator[Callable[[], int]]:
    """Count, by hundreds, the steps that SQLite takes."""
    calls: list[None] = []
    connection.ensure_connection()
    connection.connection.set_progress_handler(lambda: calls.append(None), 100)
    yield lambda: len(calls)
    connection.connection.set_progress_handler(None, 0)


def test_search_when_rows_grow_asks_the_same_number_of_queries() -> None:
    boss = make_superuser()
    counts = set()
    for more in (2, 60, 200):
        make_many(more)
        boss = User.objects.get(pk=boss.pk)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            find(boss, status="2xx")
        counts.add(len(queries))
        InferenceRequest.objects.all().delete()
    assert counts == {4}


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"status": "9xx"}, "status"),
        ({"range": "2 weeks"}, "range"),
        ({"request_id": "seven"}, "request_id"),
        ({"version": "-1"}, "version"),
        ({"version": "٣"}, "version"),
        ({"slower_than_ms": "nan"}, "slower_than_ms"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-13-45T00:00"}, "since"),
        ({"since": "9999-12-31T23:59:59-12:00"}, "since"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "until"),
        ({"key": "flm_nope_zzz"}, "key"),
        ({"user": "nobody"}, "user"),
        ({"words": "x" * 300}, "words"),
        ({"q": "a\0b"}, "q"),
    ],
)
def test_read_criteria_when_a_parameter_is_wrong_names_it(params: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_criteria(params)
    assert list(caught.value.fields) == [field]


def test_read_criteria_when_a_time_has_no_offset_takes_the_readers_zone() -> None:
    criteria = read_criteria({"since": "2026-01-31T09:00"})
    assert criteria.since == datetime(2026, 1, 31, tzinfo=UTC)


def test_time_of_a_key_gives_its_moment() -> None:
    assert abs(log.time_of(uuid7()) - datetime.now(UTC)) < timedelta(seconds=5)
