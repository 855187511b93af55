"""Roll-ups: request rows counted into windows, and what the windows say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import Conflict
from common.ids import uuid7_floor
from inference.figures import latency, metrics, sums
from inference.figures.rollup import FIRST, MOST_OPEN, roll_up
from inference.figures.totals import look
from inference.models import InferenceRequest, MetricWindow, VersionTotal

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
    seen = metrics.look(now=now)
    day, before = metrics.day_and_day_before(seen)
    assert [point.requests for point in day] == [0] * 20 + [20, 0, 0, 1]
    assert sum(point.errors for point in before) == 1
    assert len(before) == len(day) == 24
    assert metrics.hours_by_deployment(seen) == {"intent": [point.requests for point in day]}
    by_version = metrics.by_version(seen, deployment="intent")
    assert by_version[1].requests == 20
    assert by_version[1].p95_ms == pytest.approx(20, rel=0.05)
    assert by_version[2].rows == 3
    hour = metrics.last_hour(seen)
    assert metrics.by_deployment(hour)["intent"].p50_ms == pytest.approx(100, rel=0.05)
    assert metrics.total(hour).requests == 1
    last = metrics.minutes(hour, now=now)[-1]
    assert (last.at, last.requests) == (NOON, 1)


def test_metrics_when_asked_then_each_takes_one_query(django_assert_num_queries: Any) -> None:
    for number in range(3):
        make_request(NOON - number * timedelta(minutes=40), deployment=f"model-{number}")
    roll_up(now=NOON)
    for now in (NOON + timedelta(seconds=1), NOON + timedelta(hours=1)):
        with django_assert_num_queries(3):
            seen = metrics.look(now=now)
        for ask in (metrics.day_and_day_before, metrics.hours_by_deployment, metrics.last_hour):
            with django_assert_num_queries(1):
                ask(seen)


def told(now: datetime) -> tuple[int, int, int]:
    """Give how many requests a look, the plot by hours and the small plots tell of."""
    seen = metrics.look(now=now)
    versions = metrics.by_version(seen, deployment="intent").values()
    hours, _before = metrics.day_and_day_before(seen)
    small = metrics.hours_by_deployment(seen).get("intent", [])
    return sum(one.requests for one in versions), sum(one.requests for one in hours), sum(small)


def test_look_when_calls_were_just_made_counts_them_before_any_roll_up_and_once_after_it() -> None:
    make_request(NOON - timedelta(minutes=90))
    roll_up(now=NOON - timedelta(minutes=89))
    for number in range(3):
        make_request(NOON + timedelta(seconds=number), number=number, status=500 if number else 200)
    for age in (3, 59, 61, 119, 121, 179, 181, 600):
        now = NOON + timedelta(seconds=age)
        assert told(now) == (4, 4, 4), age
        seen = metrics.look(now=now)
        hour = metrics.last_hour(seen)
        assert (seen.day.until, metrics.total(hour).requests) == (now, 3)
        assert [(one.requests, one.errors) for one in metrics.minutes(hour, now=now) if one.requests] == [(3, 2)]
        if age in (3, 61):
            roll_up(now=now)


@pytest.mark.parametrize("deadline_s", [10, 60, 180])
def test_call_when_it_takes_as_long_as_it_may_is_counted_by_all(settings: Any, deadline_s: int) -> None:
    settings.INFER_DEADLINE_S = deadline_s
    make_request(NOON, number=1)
    for second in range(0, deadline_s + 400, 5):
        now = NOON + timedelta(seconds=second)
        if second % 60 == 5:  # as the schedule does, while others call
            make_request(now)
            roll_up(now=now)
        if second == deadline_s + 10:
            make_request(NOON, status=504)
            assert told(now)[0] == InferenceRequest.objects.count()
            assert sum(total.errors for total in look().values()) == 1
    roll_up(now=now + timedelta(minutes=1))
    assert sum(window.errors for window in MetricWindow.objects.all()) == 1
    assert sum(window.requests for window in MetricWindow.objects.all()) == InferenceRequest.objects.count()


def test_roll_up_when_many_minutes_are_open_gets_on_all_the_same(settings: Any) -> None:
    settings.INFER_DEADLINE_S = 600
    for minute in range(20):
        make_request(NOON + timedelta(minutes=minute))
    for _ in range(18):
        roll_up(now=NOON + timedelta(minutes=30), most_minutes=3)
    assert MetricWindow.objects.count() == 20


def test_look_when_roll_ups_stand_still_tells_of_all_of_the_last_window() -> None:
    for second in range(0, 60, 6):
        make_request(NOON + timedelta(seconds=second))
        if second == 0:
            roll_up(now=NOON + timedelta(seconds=5))
    for minutes in (1, 2, 3, 4, 10, 50):
        assert told(NOON + timedelta(minutes=minutes)) == (10, 10, 10), minutes


def test_look_when_nothing_was_ever_counted_counts_and_ends_now() -> None:
    assert told(NOON) == (0, 0, 0)
    make_request(NOON)
    assert told(NOON + timedelta(seconds=1)) == (1, 1, 1)


def test_look_when_roll_ups_stand_still_ends_minutes_after_what_they_left_out() -> None:
    make_request(NOON - timedelta(hours=3))
    roll_up(now=NOON - timedelta(hours=2))
    for minute in range(60):
        make_request(NOON + minute * timedelta(minutes=1))
    seen = metrics.look(now=NOON + timedelta(hours=1))
    assert (seen.until, len(seen.open)) == (NOON + MOST_OPEN, 6)  # and the last window, which may not be whole
    assert told(NOON + timedelta(hours=1)) == (6, 6, 6)
    assert look()["intent", 1].requests == 6


def make_windows(count: int) -> None:
    """Make windows every ten minutes from noon on, of two versions, each with three calls in two runs."""
    counted = {"requests": 3, "errors": 1, "success_rows": 4, "latency_sum_ms": 30.0, "executions": 2.0}
    MetricWindow.objects.bulk_create(
        MetricWindow(
            minute=NOON + number * timedelta(minutes=10),
            deployment="intent",
            version=1 + number % 2,
            last_at=NOON + number * timedelta(minutes=10),
            batches={"1": [1, 5.0], "3": [1, 7.0]},
            **counted,
        )
        for number in range(count)
    )


def test_totals_when_windows_were_closed_come_from_kept_rows_and_are_the_same() -> None:
    make_windows(200)
    make_request(NOON + timedelta(minutes=2000), rows=5)
    roll_up(now=NOON + timedelta(minutes=2001))
    before = look()
    first, second = before["intent", 1], before["intent", 2]
    assert (first.requests, first.errors, first.success_rows, first.executions) == (301, 100, 405, 201)
    assert (second.requests, second.batches) == (300, {"1": (100, 500.0), "3": (100, 700.0)})
    assert second.last_at == NOON + timedelta(minutes=1990)
    for _ in range(2):
        sums.keep_totals()
        assert look() == before
    MetricWindow.objects.filter(minute__lt=NOON + timedelta(minutes=2000)).delete()
    assert look() == before


def test_windows_when_closed_by_two_at_once_are_added_once() -> None:
    make_windows(10)
    end = NOON + timedelta(hours=2)
    sums._keep(FIRST, end)
    with pytest.raises(Conflict):
        sums._keep(FIRST, end)
    assert VersionTotal.objects.get(version=1).requests == 15


def test_total_when_windows_are_added_up_leaves_their_histograms_in_the_database() -> None:
    make_windows(1)
    (window,) = sums.windows_between(NOON, NOON + timedelta(hours=1))
    assert "histogram" in window.get_deferred_fields()
