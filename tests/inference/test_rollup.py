"""Roll-ups: request rows counted into windows, and what the windows say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from common.ids import uuid7_floor
from inference.figures import latency, metrics
from inference.figures.rollup import roll_up
from inference.models import InferenceRequest, MetricWindow

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def make_request(at: datetime, *, number: int = 0, latency_ms: float = 10, **fields: object) -> InferenceRequest:
    key = uuid7_floor(round(at.timestamp() * 1000)).int + number
    named = {"deployment": "intent", "model": "intent", "version": 1, "status": 200, "rows": 1, "caller": "test"}
    return InferenceRequest.objects.create(
        id=f"{key:032x}", created_at=at, door="v2", latency_ms=latency_ms, input="{}", **(named | fields)
    )


def test_percentile_when_taken_from_buckets_then_within_five_percent() -> None:
    values = sorted(random.Random(1).lognormvariate(2, 1.2) for _ in range(20_000))
    histogram = latency.merge({str(latency.bucket(value)): 1} for value in values)
    for share in (0.5, 0.95, 0.99):
        exact = values[int(share * len(values))]
        assert latency.percentile(histogram, share) == pytest.approx(exact, rel=0.055)


def test_percentile_when_there_are_no_requests_then_none() -> None:
    assert latency.percentile({}, 0.5) is None


def test_roll_up_when_minutes_hold_requests_then_windows_hold_their_counts() -> None:
    for number in range(10):
        make_request(NOON, number=number, latency_ms=number + 0.5, rows=2, status=500 if number == 9 else 200)
    make_request(NOON + timedelta(seconds=59.999), version=2)
    make_request(NOON + timedelta(seconds=60), deployment="numbers")
    assert roll_up(now=NOON + timedelta(minutes=5)) == 2
    windows = {(w.minute, w.deployment, w.version): w for w in MetricWindow.objects.all()}
    assert set(windows) == {(NOON, "intent", 1), (NOON, "intent", 2), (NOON + timedelta(minutes=1), "numbers", 1)}
    first = windows[NOON, "intent", 1]
    assert (first.requests, first.rows, first.errors) == (10, 20, 1)
    assert first.latency_sum_ms == pytest.approx(50)
    assert first.latency_max_ms == 9.5
    expected = latency.merge({str(latency.bucket(number + 0.5)): 1} for number in range(10))
    assert first.histogram == expected


def test_roll_up_when_called_again_then_counts_late_rows_and_nothing_twice() -> None:
    make_request(NOON)
    roll_up(now=NOON + timedelta(seconds=30))
    make_request(NOON + timedelta(seconds=20), number=1)
    make_request(NOON + timedelta(seconds=70))
    for _ in range(3):
        roll_up(now=NOON + timedelta(seconds=80))
    assert list(MetricWindow.objects.order_by("minute").values_list("requests", flat=True)) == [2, 1]


def test_roll_up_when_days_were_missed_then_catches_up_in_bounded_runs() -> None:
    for day in range(5):
        make_request(NOON + timedelta(days=day))
    now = NOON + timedelta(days=5)
    assert roll_up(now=now, most_minutes=2) == 2
    while roll_up(now=now, most_minutes=2) > 1:
        pass
    assert MetricWindow.objects.count() == 5


def test_metrics_when_windows_exist_then_hours_and_figures_follow() -> None:
    for number in range(20):
        make_request(NOON - timedelta(hours=3), number=number, latency_ms=20)
    make_request(NOON - timedelta(hours=25), deployment="numbers", latency_ms=5, status=503)
    make_request(NOON + timedelta(seconds=1), version=2, latency_ms=100, rows=3)
    now = NOON + timedelta(seconds=30)
    roll_up(now=now)
    day, before = metrics.day_and_day_before(now=now)
    assert [point.requests for point in day] == [0] * 20 + [20, 0, 0, 1]
    assert sum(point.errors for point in before) == 1
    assert len(before) == len(day) == 24
    assert metrics.hours_by_deployment(now=now) == {"intent": [point.requests for point in day]}
    by_version = metrics.by_version(deployment="intent", now=now)
    assert by_version[1].requests == 20
    assert by_version[1].p95_ms == pytest.approx(20, rel=0.05)
    assert by_version[2].rows == 3
    assert metrics.by_deployment(now=now)["intent"].p50_ms == pytest.approx(100, rel=0.05)
    assert metrics.total(now=now).requests == 1
    last = metrics.minutes(deployment="intent", now=now)[-1]
    assert (last.at, last.requests) == (NOON, 1)


def test_metrics_when_asked_then_each_takes_one_query(django_assert_num_queries: object) -> None:
    make_request(NOON)
    roll_up(now=NOON)
    for ask in (metrics.day_and_day_before, metrics.hours_by_deployment, metrics.total, metrics.by_deployment):
        with django_assert_num_queries(1):  # type: ignore[operator]
            ask(now=NOON)


def test_last_day_when_the_newest_minute_may_still_grow_then_ends_before_it() -> None:
    make_request(NOON - timedelta(minutes=5))
    make_request(NOON + timedelta(seconds=1))
    roll_up(now=NOON + timedelta(seconds=30))
    for age, until, count in ((30, NOON, 1), (119, NOON, 1), (120, NOON + timedelta(minutes=1), 2)):
        day = metrics.last_day(now=NOON + timedelta(seconds=age))
        assert (day.until, day.until - day.since <= metrics.DAY) == (until, True)
        assert metrics.by_version(deployment="intent", within=day)[1].requests == count
        assert sum(metrics.hours_by_deployment(now=NOON, until=day.until)["intent"]) == count
