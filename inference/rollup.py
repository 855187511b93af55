"""Counts the requests of each minute into metric windows, so that dashboards never touch the request rows.

A request's key holds its arrival, and its row is there at the latest a deadline later: the last two minutes are counted
anew each time, older ones stay as they are. Counting twice gives the same windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, IntegerField, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Floor, Greatest, Ln
from django.utils import timezone

from common.ids import uuid7_floor, uuid7_time_ms
from inference.latency import LEAST_MS, LOG_WIDTH
from inference.models import InferenceRequest, MetricWindow

MINUTE = timedelta(minutes=1)
OPEN_MINUTES = 2
MOST_MINUTES = 240
_COUNTED = ["requests", "rows", "errors", "latency_sum_ms", "latency_max_ms", "histogram"]


def roll_up(*, now: datetime | None = None, most_minutes: int = MOST_MINUTES) -> int:
    """Count the minutes from the last window on, and give how many held requests; the next call goes on from there."""
    counted = 0
    for minute in _minutes_with_requests(_begin(), now or timezone.now()):
        write_minute(minute)
        counted += 1
        if counted >= most_minutes:
            break
    return counted


def write_minute(minute: datetime) -> None:
    """Count one minute and write its windows."""
    windows: dict[tuple[str, int], MetricWindow] = {}
    for row in _count(requests_between(minute, minute + MINUTE)):
        window = windows.setdefault(
            (row["deployment"], row["version"]),
            MetricWindow(minute=minute, deployment=row["deployment"], version=row["version"]),
        )
        window.requests += row["count"]
        window.rows += row["row_count"]
        window.errors += row["error_count"]
        window.latency_sum_ms += row["sum_ms"]
        window.latency_max_ms = max(window.latency_max_ms, row["max_ms"])
        window.histogram[str(row["bucket"])] = row["count"]
    target: dict[str, Any] = {}
    if connection.features.supports_update_conflicts_with_target:
        target = {"unique_fields": ["minute", "deployment", "version"]}
    MetricWindow.objects.bulk_create(windows.values(), update_conflicts=True, update_fields=_COUNTED, **target)


def requests_between(begin: datetime, end: datetime) -> QuerySet[InferenceRequest]:
    """Give the requests that arrived in a span of time, by the range of their keys."""
    return InferenceRequest.objects.filter(id__gte=uuid7_floor(_ms(begin)), id__lt=uuid7_floor(_ms(end)))


def _count(requests: QuerySet[InferenceRequest]) -> Iterable[Mapping[str, Any]]:
    """Count by deployment, version and latency bucket (`latency.bucket`)."""
    bucket = Floor(Ln(Greatest("latency_ms", Value(LEAST_MS))) / Value(LOG_WIDTH))
    return (
        requests.order_by()
        .values("deployment", "version", bucket=Cast(bucket, IntegerField()))
        .annotate(
            count=Count("id"),
            row_count=Sum("rows"),
            error_count=Count("id", filter=Q(status__gte=400)),
            sum_ms=Sum("latency_ms"),
            max_ms=Max("latency_ms"),
        )
    )


def _begin() -> datetime | None:
    last = MetricWindow.objects.order_by("-minute").values_list("minute", flat=True).first()
    return last - (OPEN_MINUTES - 1) * MINUTE if last else None


def _minutes_with_requests(begin: datetime | None, end: datetime) -> Iterator[datetime]:
    """Give the minutes that hold requests, oldest first, stepping over those that hold none."""
    rows = InferenceRequest.objects.order_by("id").values_list("id", flat=True)
    while True:
        key = (rows.filter(id__gte=uuid7_floor(_ms(begin))) if begin else rows).first()
        if key is None or uuid7_time_ms(key) >= _ms(end):
            return
        minute = datetime.fromtimestamp(uuid7_time_ms(key) // 60_000 * 60, tz=UTC)
        yield minute
        begin = minute + MINUTE


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
