"""What each version of a deployment has served since the first request: closed minutes, and what is not counted yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from inference.engine import Engine
from inference.figures.rollup import last_window, open_since, requests_since, windows_of
from inference.models import MetricWindow

FRESH_S = 1.0
Key = tuple[str, int]


@dataclass(slots=True)
class Total:
    """Sums of one version. `batches`: by rows that ran together, how often and for how many milliseconds."""

    successes: int = 0
    errors: int = 0
    rows: int = 0
    success_sum_ms: float = 0
    error_sum_ms: float = 0
    queue_sum_ms: float = 0
    run_sum_ms: float = 0
    executions: float = 0
    last_at: datetime | None = None
    batches: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(self, window: MetricWindow) -> None:
        """Add a minute."""
        self.successes += window.requests - window.errors
        self.errors += window.errors
        self.rows += window.success_rows
        self.success_sum_ms += window.latency_sum_ms - window.error_sum_ms
        self.error_sum_ms += window.error_sum_ms
        self.queue_sum_ms += window.queue_sum_ms
        self.run_sum_ms += window.run_sum_ms
        self.executions += window.executions
        if window.last_at and (self.last_at is None or window.last_at > self.last_at):
            self.last_at = window.last_at
        for size, (count, ms) in (window.batches or {}).items():
            before = self.batches.get(int(size), (0.0, 0.0))
            self.batches[int(size)] = (before[0] + count, before[1] + ms)


class Totals:
    """The totals of all versions, for one event loop: closed minutes are read once, and all who ask share one look."""

    def __init__(self) -> None:
        self._closed: dict[Key, Total] = {}
        self._until: datetime | None = None
        self._sums: dict[Key, Total] = {}
        self._read_at = -FRESH_S
        self._lock = asyncio.Lock()

    async def read(self, engine: Engine) -> dict[Key, Total]:
        """Give totals by deployment and version, at most a second old. Raises Unavailable."""
        async with self._lock:
            if monotonic() - self._read_at >= FRESH_S:
                self._sums = await engine.in_thread(self._look)
                self._read_at = monotonic()
            return self._sums

    def _look(self) -> dict[Key, Total]:
        """Add the minutes that have closed since the last look; count those that are open from their requests."""
        last = last_window()
        begin = open_since(last) if last else None
        if begin:
            closed = MetricWindow.objects.filter(minute__lt=begin)
            _add(self._closed, closed.filter(minute__gte=self._until) if self._until else closed)
            self._until = begin
        sums = deepcopy(self._closed)
        _add(sums, windows_of(requests_since(begin)))
        return sums


def _add(sums: dict[Key, Total], windows: Iterable[MetricWindow]) -> None:
    for window in windows:
        sums.setdefault((window.deployment, window.version), Total()).add(window)
