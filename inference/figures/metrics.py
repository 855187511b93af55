"""What the metric windows say: traffic by hour, figures by deployment and version. One query each, three for a look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from inference.figures.latency import merge, percentile
from inference.figures.rollup import open_span, requests_between, windows_by_minute
from inference.models import MetricWindow

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Counted:
    """A span of time of which every request was counted: figures of it are those of its requests."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What came until a moment: windows before `begin`, and the minutes from there on, counted from their requests."""

    now: datetime
    begin: datetime
    until: datetime
    open: Sequence[MetricWindow]

    @property
    def day(self) -> Counted:
        """The last 24 hours, this one included, as far as they were counted."""
        return Counted(_hour(self.now) + HOUR - DAY, self.until)


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


def look(*, now: datetime | None = None) -> Look:
    """Give all that has come until now; where roll-ups stand still it ends `MOST_OPEN` after what they left out."""
    now = now or timezone.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # keys hold milliseconds
    begin, until = open_span(now, least=_hour(now) + HOUR - DAY)
    return Look(now, begin, until, windows_by_minute(requests_between(begin, until)))


def day_and_day_before(seen: Look, *, deployment: str = "") -> tuple[list[Point], list[Point]]:
    """Give the last 24 hours, this one included, and the 24 before them, hour by hour, without latencies."""
    begin = _hour(seen.now) + HOUR - 2 * DAY
    named = {"deployment": deployment} if deployment else {}
    sums = _stored(seen, begin, **named).values(hour=TruncHour("minute", tzinfo=UTC)).order_by()
    counted = list(sums.annotate(count=Sum("requests"), wrong=Sum("errors")).values_list("hour", "count", "wrong"))
    counted += [(_hour(one.minute), one.requests, one.errors) for one in _open(seen, begin, **named)]
    found = dict.fromkeys((begin + HOUR * number for number in range(48)), (0, 0))
    for hour, count, wrong in counted:
        if hour in found:
            found[hour] = found[hour][0] + count, found[hour][1] + wrong
    points = [Point(hour, count, wrong) for hour, (count, wrong) in found.items()]
    return points[24:], points[:24]


def hours_by_deployment(seen: Look) -> dict[str, list[int]]:
    """Give the requests of each of the last 24 hours, oldest first, by deployment: the small plots."""
    begin = seen.day.since
    sums = _stored(seen, begin).values("deployment", hour=TruncHour("minute", tzinfo=UTC))
    counted = list(sums.annotate(count=Sum("requests")).order_by().values_list("deployment", "hour", "count"))
    counted += [(one.deployment, _hour(one.minute), one.requests) for one in _open(seen, begin)]
    found: dict[str, list[int]] = defaultdict(lambda: [0] * 24)
    for deployment, hour, count in counted:
        place = int((hour - begin) / HOUR)
        if place < 24:
            found[deployment][place] += count
    return dict(found)


def last_hour(seen: Look) -> list[MetricWindow]:
    """Give the windows of the last hour, the open minute included, for the three that follow."""
    return _windows(seen, _begin(HOUR, seen.now))


def total(windows: Iterable[MetricWindow]) -> Figures:
    """Give the figures of everything in the last hour."""
    return _figures(windows, HOUR)


def by_deployment(windows: Iterable[MetricWindow]) -> dict[str, Figures]:
    """Give the figures of each deployment in the last hour."""
    groups: dict[str, list[MetricWindow]] = defaultdict(list)
    for window in windows:
        groups[window.deployment].append(window)
    return {name: _figures(own, HOUR) for name, own in groups.items()}


def minutes(windows: Iterable[MetricWindow], *, now: datetime) -> list[Point]:
    """Give each minute of the last hour with latencies, oldest first."""
    groups: dict[datetime, list[MetricWindow]] = defaultdict(list)
    for window in windows:
        groups[window.minute].append(window)
    places = [_begin(HOUR, now) + timedelta(minutes=number) for number in range(60)]
    return [_point(at, groups.get(at, [])) for at in places]


def by_version(seen: Look, *, deployment: str) -> dict[int, Figures]:
    """Give the figures of each version of a deployment over the day of a look."""
    groups: dict[int, list[MetricWindow]] = defaultdict(list)
    for window in _windows(seen, seen.day.since, deployment=deployment):
        groups[window.version].append(window)
    return {version: _figures(windows, DAY) for version, windows in sorted(groups.items())}


def of_version(
    *, deployments: Iterable[str], version: int, span: timedelta = DAY, now: datetime | None = None
) -> Figures:
    """Give the figures of one version over all deployments that it answered for."""
    begin = _begin(span, now)
    windows = MetricWindow.objects.filter(minute__gte=begin, deployment__in=list(deployments), version=version)
    return _figures(windows, span)


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


def _windows(seen: Look, begin: datetime, **fields: str) -> list[MetricWindow]:
    return [*_stored(seen, begin, **fields), *_open(seen, begin, **fields)]


def _stored(seen: Look, begin: datetime, **fields: str) -> QuerySet[MetricWindow]:
    return MetricWindow.objects.filter(minute__gte=begin, minute__lt=seen.begin, **fields)


def _open(seen: Look, begin: datetime, deployment: str = "") -> list[MetricWindow]:
    return [one for one in seen.open if one.minute >= begin and deployment in ("", one.deployment)]


def _begin(span: timedelta, now: datetime | None) -> datetime:
    """Give the first minute of a span that ends with the open minute."""
    return (now or timezone.now()).replace(second=0, microsecond=0) - span + timedelta(minutes=1)


def _hour(now: datetime | None) -> datetime:
    return (now or timezone.now()).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
