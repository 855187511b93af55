"""What the metric windows say: traffic by hour, figures by deployment and version. One query each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from inference.figures.latency import merge, percentile
from inference.figures.rollup import MINUTE
from inference.models import MetricWindow

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
# The newest minute is counted anew by each roll-up, one a minute: from this age on it stays as it is.
SETTLED = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class Counted:
    """A span of time of which every minute was counted to its end: figures of it are those of its requests."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests of a span of time; latencies are `None` where there were none."""

    requests: int = 0
    rows: int = 0
    errors: int = 0
    per_minute: float = 0
    mean_ms: float | None = None
    max_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None

    @property
    def error_share(self) -> float | None:
        """Errors as a share of the requests, `None` where there were none."""
        return self.errors / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Point:
    """One hour or minute of a plot."""

    at: datetime
    requests: int = 0
    errors: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


def last_day(*, now: datetime | None = None) -> Counted:
    """Give the last 24 hours, this one included, as far as they were counted."""
    return Counted(_hour(now) + HOUR - DAY, _settled(now))


def day_and_day_before(
    *, deployment: str = "", now: datetime | None = None, until: datetime | None = None
) -> tuple[list[Point], list[Point]]:
    """Give the last 24 hours, this one included, and the 24 before them, hour by hour, without latencies."""
    end = _hour(now) + HOUR
    windows = _since(end - 2 * DAY, until)
    if deployment:
        windows = windows.filter(deployment=deployment)
    sums = windows.values(hour=TruncHour("minute", tzinfo=UTC)).annotate(count=Sum("requests"), wrong=Sum("errors"))
    found = {row["hour"]: Point(row["hour"], row["count"], row["wrong"]) for row in sums.order_by()}
    hours = [end - 2 * DAY + HOUR * number for number in range(48)]
    points = [found.get(hour) or Point(hour) for hour in hours]
    return points[24:], points[:24]


def hours_by_deployment(*, now: datetime | None = None, until: datetime | None = None) -> dict[str, list[int]]:
    """Give the requests of each of the last 24 hours, oldest first, by deployment: the small plots."""
    begin = _hour(now) - DAY + HOUR
    sums = (
        _since(begin, until).values("deployment", hour=TruncHour("minute", tzinfo=UTC)).annotate(count=Sum("requests"))
    )
    found: dict[str, list[int]] = defaultdict(lambda: [0] * 24)
    for row in sums.order_by():
        place = int((row["hour"] - begin) / HOUR)
        if place < 24:
            found[row["deployment"]][place] = row["count"]
    return dict(found)


def total(*, span: timedelta = HOUR, now: datetime | None = None) -> Figures:
    """Give the figures of everything over the last span of time."""
    return _figures(_since(_begin(span, now)), span)


def by_deployment(*, span: timedelta = HOUR, now: datetime | None = None) -> dict[str, Figures]:
    """Give the figures of each deployment over the last span of time."""
    groups: dict[str, list[MetricWindow]] = defaultdict(list)
    for window in _since(_begin(span, now)):
        groups[window.deployment].append(window)
    return {name: _figures(windows, span) for name, windows in groups.items()}


def by_version(
    *, deployment: str, span: timedelta = DAY, now: datetime | None = None, within: Counted | None = None
) -> dict[int, Figures]:
    """Give the figures of each version of a deployment over the last span of time, or `within` another."""
    groups: dict[int, list[MetricWindow]] = defaultdict(list)
    windows = _since(within.since, within.until) if within else _since(_begin(span, now))
    for window in windows.filter(deployment=deployment):
        groups[window.version].append(window)
    return {version: _figures(windows, span) for version, windows in sorted(groups.items())}


def of_version(
    *, deployments: Iterable[str], version: int, span: timedelta = DAY, now: datetime | None = None
) -> Figures:
    """Give the figures of one version over all deployments that it answered for."""
    windows = _since(_begin(span, now)).filter(deployment__in=list(deployments), version=version)
    return _figures(windows, span)


def minutes(*, deployment: str = "", span: timedelta = HOUR, now: datetime | None = None) -> list[Point]:
    """Give each minute of the last span of time, the open one included, with latencies, oldest first."""
    begin = _begin(span, now)
    windows = _since(begin)
    groups: dict[datetime, list[MetricWindow]] = defaultdict(list)
    for window in windows.filter(deployment=deployment) if deployment else windows:
        groups[window.minute].append(window)
    places = [begin + timedelta(minutes=number) for number in range(int(span / timedelta(minutes=1)))]
    return [_point(at, groups.get(at, [])) for at in places]


def _point(at: datetime, windows: Iterable[MetricWindow]) -> Point:
    sums = _figures(windows, timedelta(minutes=1))
    return Point(at, sums.requests, sums.errors, sums.p50_ms, sums.p95_ms)


def _figures(windows: Iterable[MetricWindow], span: timedelta) -> Figures:
    found = list(windows)
    requests = sum(window.requests for window in found)
    if not requests:
        return Figures()
    histogram = merge(window.histogram for window in found)
    return Figures(
        requests=requests,
        rows=sum(window.rows for window in found),
        errors=sum(window.errors for window in found),
        per_minute=requests / (span / timedelta(minutes=1)),
        mean_ms=sum(window.latency_sum_ms for window in found) / requests,
        max_ms=max(window.latency_max_ms for window in found),
        p50_ms=percentile(histogram, 0.5),
        p95_ms=percentile(histogram, 0.95),
        p99_ms=percentile(histogram, 0.99),
    )


def _since(begin: datetime, until: datetime | None = None) -> QuerySet[MetricWindow]:
    windows = MetricWindow.objects.filter(minute__gte=begin)
    return windows.filter(minute__lt=until) if until else windows


def _settled(now: datetime | None) -> datetime:
    """Give the end of the last minute that was counted to its end; now where none was."""
    now = now or timezone.now()
    last = MetricWindow.objects.order_by("-minute").values_list("minute", flat=True).first()
    return now if last is None else last if now - last < SETTLED else last + MINUTE


def _begin(span: timedelta, now: datetime | None) -> datetime:
    """Give the first minute of a span that ends with the open minute."""
    return (now or timezone.now()).replace(second=0, microsecond=0) - span + timedelta(minutes=1)


def _hour(now: datetime | None) -> datetime:
    return (now or timezone.now()).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
