"""Counts the requests of each minute into metric windows, so that dashboards touch the rows of the newest minutes only.

A request's key holds its arrival, and its row is there at the latest a deadline and `WRITING_S` later: the minutes that
may still get rows are counted anew each time, older ones stay as they are. Counting twice gives the same windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, FloatField, IntegerField, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce, Floor, Greatest, Ln, Round, TruncMinute
from django.utils import timezone

from common.ids import uuid7_floor, uuid7_time_ms
from inference.figures.latency import LEAST_MS, LOG_WIDTH
from inference.models import InferenceRequest, MetricWindow

MINUTE = timedelta(minutes=1)
# Who looks counts no more minutes of new requests than this, however long roll-ups stand still.
MOST_OPEN = 5 * MINUTE
WRITING_S = 15  # what a call may take past its deadline, until its row is written
MOST_MINUTES = 240
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED = [
    *("requests", "rows", "errors", "latency_sum_ms", "latency_max_ms", "histogram"),
    *("success_rows", "error_sum_ms", "queue_sum_ms", "run_sum_ms", "executions", "last_at", "batches"),
]
_GOOD, _BAD = Q(status__lt=400), Q(status__gte=400)


def open_minutes() -> int:
    """Give how many minutes, the newest one included, may still get rows; two with the usual deadline."""
    return 1 + ceil((settings.INFER_DEADLINE_S + WRITING_S) / 60)


def last_window() -> datetime | None:
    """Give the newest minute that was counted, be it whole or not; `None` before the first."""
    return MetricWindow.objects.order_by("-minute").values_list("minute", flat=True).first()


def open_since(last: datetime) -> datetime:
    """Give the first minute that the next roll-up counts anew, by the newest one that was counted."""
    return last - (open_minutes() - 1) * MINUTE


def open_span(now: datetime, *, least: datetime = FIRST) -> tuple[datetime, datetime]:
    """Give from where to where requests are to be counted themselves: windows before may be added to that.

    It begins with the first minute that is open, for the last window is seldom whole; it ends now, or `MOST_OPEN` after
    the first request that no window holds. What came before `least` is left out.
    """
    last = last_window()
    begin, after = (max(least, open_since(last)), max(least, last + MINUTE)) if last else (least, least)
    first = first_since(after)
    return begin, min(now, first + MOST_OPEN) if first else now


def roll_up(*, now: datetime | None = None, most_minutes: int = MOST_MINUTES) -> int:
    """Count the minutes that are open, and give how many held requests.

    It ends after `most_minutes` and at least one that is new; the next call goes on from there.
    """
    last, counted = last_window(), 0
    for minute in _minutes_with_requests(last and open_since(last), now or timezone.now()):
        write_minute(minute)
        counted += 1
        if counted >= most_minutes and (last is None or minute > last):
            break
    return counted


def write_minute(minute: datetime) -> None:
    """Count one minute and write its windows."""
    windows = windows_of(requests_between(minute, minute + MINUTE))
    for window in windows:
        window.minute = minute
    target: dict[str, Any] = {}
    if connection.features.supports_update_conflicts_with_target:
        target = {"unique_fields": ["minute", "deployment", "version"]}
    MetricWindow.objects.bulk_create(windows, update_conflicts=True, update_fields=_COUNTED, **target)


def windows_of(requests: QuerySet[InferenceRequest]) -> list[MetricWindow]:
    """Count requests by deployment and version, as windows of no minute that are not saved."""
    windows: dict[tuple[str, int], MetricWindow] = {}
    for row in _count(requests):
        key = row["deployment"], row["version"]
        _add(windows.setdefault(key, MetricWindow(deployment=key[0], version=key[1])), row)
    for row in _count_batches(requests):
        if window := windows.get((row["deployment"], row["version"])):  # one that came since is left for later
            window.batches = {**(window.batches or {}), str(row["size"]): [row["runs"], row["ms"] or 0]}
    return list(windows.values())


def windows_by_minute(requests: QuerySet[InferenceRequest]) -> list[MetricWindow]:
    """Count requests by minute, deployment and version in one query, as windows without batches that are not saved."""
    windows: dict[tuple[datetime, str, int], MetricWindow] = {}
    for row in _count(requests.annotate(minute=TruncMinute("created_at", tzinfo=UTC)), "minute"):
        key = row["minute"], row["deployment"], row["version"]
        _add(windows.setdefault(key, MetricWindow(minute=key[0], deployment=key[1], version=key[2])), row)
    return list(windows.values())


def requests_between(begin: datetime, end: datetime) -> QuerySet[InferenceRequest]:
    """Give the requests that arrived in a span of time, by the range of their keys."""
    return InferenceRequest.objects.filter(id__gte=uuid7_floor(_ms(begin)), id__lt=uuid7_floor(_ms(end)))


def requests_since(begin: datetime | None) -> QuerySet[InferenceRequest]:
    """Give the requests that arrived at a moment or later; all without one."""
    rows = InferenceRequest.objects.all()
    return rows.filter(id__gte=uuid7_floor(_ms(begin))) if begin else rows


def first_since(begin: datetime | None) -> datetime | None:
    """Give when the first request arrived at a moment or later, of all without one; `None` where there is none."""
    key = requests_since(begin).order_by("id").values_list("id", flat=True).first()
    return datetime.fromtimestamp(uuid7_time_ms(key) / 1000, tz=UTC) if key else None


def _add(window: MetricWindow, row: Mapping[str, Any]) -> None:
    """Add the counts of one latency bucket."""
    window.requests += row["count"]
    window.rows += row["row_count"]
    window.errors += row["error_count"]
    window.latency_sum_ms += row["sum_ms"]
    window.latency_max_ms = max(window.latency_max_ms, row["max_ms"])
    window.histogram[str(row["bucket"])] = row["count"]
    window.success_rows += row["good_rows"] or 0
    window.error_sum_ms += row["error_ms"] or 0
    window.queue_sum_ms += row["good_queue_ms"] or 0
    window.run_sum_ms += row["good_run_ms"] or 0
    window.executions += row["runs"] or 0
    window.last_at = max(filter(None, (window.last_at, row["last_good_at"])), default=None)


def _count(requests: QuerySet[InferenceRequest], *more: str) -> Iterable[Mapping[str, Any]]:
    """Count by deployment, version and latency bucket (`latency.bucket`), and by `more` fields."""
    bucket = Floor(Ln(Greatest("latency_ms", Value(LEAST_MS))) / Value(LOG_WIDTH))
    return (
        requests.order_by()
        .values("deployment", "version", *more, bucket=Cast(bucket, IntegerField()))
        .annotate(
            count=Count("id"),
            row_count=Sum("rows"),
            error_count=Count("id", filter=_BAD),
            sum_ms=Sum("latency_ms"),
            max_ms=Max("latency_ms"),
            good_rows=Sum("rows", filter=_GOOD),
            error_ms=Sum("latency_ms", filter=_BAD),
            good_queue_ms=Sum("queue_ms", filter=_GOOD),
            good_run_ms=Sum("run_ms", filter=_GOOD),
            runs=Sum(Coalesce("executions", Value(1.0)), filter=_GOOD),
            last_good_at=Max("created_at", filter=_GOOD),
        )
    )


def _count_batches(requests: QuerySet[InferenceRequest]) -> Iterable[Mapping[str, Any]]:
    """Count the runs of the model by the rows that ran together: each call holds its part of its run."""
    together = Round(F("rows") / F("executions"), output_field=FloatField())
    return (
        requests.filter(_GOOD, executions__gt=0)
        .order_by()
        .values("deployment", "version", size=Cast(together, IntegerField()))
        .annotate(runs=Sum("executions"), ms=Sum(F("executions") * F("run_ms")))
    )


def _minutes_with_requests(begin: datetime | None, end: datetime) -> Iterator[datetime]:
    """Give the minutes that hold requests, oldest first, stepping over those that hold none."""
    while (first := first_since(begin)) and first < end:
        minute = first.replace(second=0, microsecond=0)
        yield minute
        begin = minute + MINUTE


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
