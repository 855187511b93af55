"""What each version of a deployment has served since the first request: kept totals, and what is not in them yet."""

from __future__ import annotations

import asyncio
from time import monotonic

from django.utils import timezone

from inference.engine import Engine
from inference.figures.rollup import open_span, requests_between, windows_of
from inference.figures.sums import Key, Total, add_up, closed_until, spans, windows_between
from inference.models import VersionTotal

FRESH_S = 1.0


class Totals:
    """The totals of all versions, for one event loop: all who ask share one look."""

    def __init__(self) -> None:
        self._sums: dict[Key, Total] = {}
        self._read_at = -FRESH_S
        self._lock = asyncio.Lock()

    async def read(self, engine: Engine) -> dict[Key, Total]:
        """Give totals by deployment and version, at most a second old. Raises Unavailable."""
        async with self._lock:
            if monotonic() - self._read_at >= FRESH_S:
                self._sums = await engine.in_thread(look)
                self._read_at = monotonic()
            return self._sums


def look() -> dict[Key, Total]:
    """Add to the kept totals the windows that are not in them, and the minutes that are open, from their requests."""
    kept = list(VersionTotal.objects.all())
    sums: dict[Key, Total] = {}
    add_up(sums, kept)
    begin, until = open_span(timezone.now())
    closed = closed_until(kept)
    for span in spans(closed, begin):
        add_up(sums, windows_between(*span))
    add_up(sums, windows_of(requests_between(max(begin, closed), until)))
    return sums
