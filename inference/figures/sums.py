"""Windows added up by version, and kept: so nobody goes through all windows of all time to tell what was served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import QuerySet
from django.utils.translation import gettext

from common.errors import Conflict
from common.transactions import transactional
from inference.figures.rollup import FIRST, last_window, open_since
from inference.models import MetricWindow, VersionTotal

KEEPING_S = 20
SPAN = timedelta(hours=6)  # of windows that are in memory at once
_SUMMED = [
    *("requests", "errors", "success_rows", "latency_sum_ms", "error_sum_ms", "queue_sum_ms", "run_sum_ms"),
    *("executions", "last_at", "batches"),
]
Key = tuple[str, int]


@dataclass(slots=True)
class Total:
    """Sums of one version. `batches`: by rows that ran together, how often and for how many milliseconds."""

    requests: int = 0
    errors: int = 0
    success_rows: int = 0
    latency_sum_ms: float = 0
    error_sum_ms: float = 0
    queue_sum_ms: float = 0
    run_sum_ms: float = 0
    executions: float = 0
    last_at: datetime | None = None
    batches: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def successes(self) -> int:
        """Requests that were answered."""
        return self.requests - self.errors

    @property
    def success_sum_ms(self) -> float:
        """How long these took."""
        return self.latency_sum_ms - self.error_sum_ms

    def add(self, other: MetricWindow | VersionTotal) -> None:
        """Add a minute, or what was added up before."""
        self.requests += other.requests
        self.errors += other.errors
        self.success_rows += other.success_rows
        self.latency_sum_ms += other.latency_sum_ms
        self.error_sum_ms += other.error_sum_ms
        self.queue_sum_ms += other.queue_sum_ms
        self.run_sum_ms += other.run_sum_ms
        self.executions += other.executions
        self.last_at = max(filter(None, (self.last_at, other.last_at)), default=None)
        for size, (count, ms) in (other.batches or {}).items():
            before = self.batches.get(size, (0.0, 0.0))
            self.batches[size] = (before[0] + count, before[1] + ms)


def add_up(sums: dict[Key, Total], rows: Iterable[MetricWindow | VersionTotal]) -> None:
    """Add rows to the sums of their versions."""
    for row in rows:
        sums.setdefault((row.deployment, row.version), Total()).add(row)


def windows_between(begin: datetime, end: datetime) -> QuerySet[MetricWindow]:
    """Give windows with no more of them than is added up."""
    return MetricWindow.objects.filter(minute__gte=begin, minute__lt=end).only("deployment", "version", *_SUMMED)


def spans(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Divide the windows of a time into spans that are read at once, stepping over times that hold none."""
    minutes = MetricWindow.objects.order_by("minute").values_list("minute", flat=True)
    while first := minutes.filter(minute__gte=begin, minute__lt=end).first():
        until = min(end, first + SPAN)
        yield begin, until
        begin = until


def closed_until(totals: Iterable[VersionTotal]) -> datetime:
    """Give the moment before which all windows are in the totals."""
    return max((total.until for total in totals), default=FIRST)


def keep_totals() -> None:
    """Add the windows that roll-ups change no more to the totals, for `KEEPING_S` at most; the next call goes on.

    Raises Conflict where another does so just now.
    """
    ends_at = monotonic() + KEEPING_S
    if last := last_window():
        for begin, end in spans(closed_until(VersionTotal.objects.all()), open_since(last)):
            _keep(begin, end)
            if monotonic() >= ends_at:
                break


@transactional
def _keep(begin: datetime, end: datetime) -> None:
    sums: dict[Key, Total] = {}
    add_up(sums, windows_between(begin, end))
    for (deployment, version), total in sorted(sums.items(), key=lambda one: one[0]):
        row, _new = VersionTotal.objects.get_or_create(
            deployment=deployment, version=version, defaults={"until": begin}
        )
        total.add(row)
        fields = {name: getattr(total, name) for name in _SUMMED}
        if not VersionTotal.objects.filter(pk=row.pk, until__lte=begin).update(until=end, **fields):
            raise Conflict(gettext("These windows are in the totals already."))
