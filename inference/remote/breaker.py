"""When a server that fails is left alone, and when it is tried again. Pure: no ORM, no request.

Source: Nygard, Release It!, "Circuit Breaker".
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0
MOST_FAILURES = 5  # in the window, and at least half of the calls there
KEPT = 200
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 8.0
PROBE_S = 5.0  # after this a probe that told nothing is given up


class Breaker:
    """Closed: calls go. Open: none goes. Half open, after a pause: one call goes and decides. Times are seconds."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, bool]] = deque(maxlen=KEPT)
        self._open_until = 0.0
        self._probe_until = 0.0
        self._pause_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back; half open counts as open."""
        return self._pause_s > 0

    @property
    def open_until(self) -> float:
        """When the next call is let through."""
        return self._open_until

    def wait_s(self, now: float) -> float:
        """Give 0 if a call may go, which is then the probe of a breaker that is half open; else how long to wait."""
        if not self._pause_s:
            return 0.0
        wait = max(self._open_until, self._probe_until) - now
        if wait > 0:
            return wait
        self._probe_until = now + PROBE_S
        return 0.0

    def succeeded(self, now: float) -> bool:
        """Note an answer; give whether this closed the breaker."""
        self._calls.append((now, True))
        if not self._pause_s:
            return False
        self._pause_s = self._open_until = self._probe_until = 0.0
        self._calls.clear()
        return True

    def failed(self, now: float) -> bool:
        """Note a failure; give whether this opened the breaker, or kept it open after a probe."""
        self._calls.append((now, False))
        if self._pause_s:
            if not self._probe_until:
                return False  # a call from before it opened
            return self._open(now, min(2 * self._pause_s, LONGEST_PAUSE_S))
        recent = [is_good for at, is_good in self._calls if at > now - WINDOW_S]
        failures = recent.count(False)
        if failures >= MOST_FAILURES and 2 * failures >= len(recent):
            return self._open(now, FIRST_PAUSE_S)
        return False

    def _open(self, now: float, pause_s: float) -> bool:
        self._pause_s, self._open_until, self._probe_until = pause_s, now + pause_s, 0.0
        return True
