"""How far the making of a version is, told to the rows of its steps and to its job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connections

from datasets.models import PreprocessingJob, PreprocessingStep
from jobs.runner import DATABASE_AWAY, REPORT_EVERY_S, JobRun

State = PreprocessingStep.State
MOST_SAMPLES = 20
LONGEST_SAMPLE = 2000
_FRESH: dict[str, Any] = {
    "progress": 0,
    "rows_in": None,
    "rows_out": None,
    "worked_ms": None,
    "samples": [],
    "report": {},
}


class Progress:
    """What an attempt tells of its steps, at most once a second; a new attempt begins the account anew.

    Steps that run one after the other are told with `step`; those that run together with `note`.
    """

    def __init__(self, run: JobRun, preprocessing: PreprocessingJob) -> None:
        preprocessing.steps.update(state=State.WAITING, **_FRESH)
        self._run, self._preprocessing = run, preprocessing
        self._steps = {one.number: one for one in preprocessing.steps.order_by("number")}
        self._changed: dict[int, set[str]] = {}
        self._told_at = 0.0
        self._now = 0

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Do the work of one step: what is told inside is told of it."""
        begun, self._now = time.monotonic(), number
        self.note(number, state=State.RUNNING)
        try:
            yield
        except BaseException:
            self.note(number, state=State.FAILED, worked_ms=_ms_since(begun))
            raise
        self.note(number, state=State.DONE, progress=100, worked_ms=_ms_since(begun))

    def rows(self, rows_in: int | None = None, rows_out: int | None = None) -> None:
        """Tell how many rows the step has taken and given so far."""
        found = {"rows_in": rows_in, "rows_out": rows_out}
        self.note(self._now, **{name: value for name, value in found.items() if value is not None})

    def percent(self, done: float) -> None:
        """Tell how far the step is. Raises CancelledError if the work is no longer wanted."""
        self.note(self._now, progress=max(0, min(100, int(done))))

    def samples(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Keep some of what the step changed: `{"row", "column", "before", "after"}`, or `{"row", "dropped": {…}}`."""
        self.note(self._now, samples=[_cut(one) for one in found[:MOST_SAMPLES]])

    def report(self, facts: Mapping[str, Any]) -> None:
        """Add to what only this kind of step tells."""
        self.note(self._now, report={**self._steps[self._now].report, **facts})

    def note(self, number: int, **fields: Any) -> None:
        """Tell fields of one step; a new state at once, the rest within a second."""
        step = self._steps[number]
        is_new = "state" in fields and step.state != fields["state"]
        for name, value in fields.items():
            setattr(step, name, value)
        self._changed.setdefault(number, set()).update(fields)
        if is_new or time.monotonic() - self._told_at >= REPORT_EVERY_S:
            self.tell()

    def tell(self) -> None:
        """Write what has changed since the last time; without the database, later."""
        self._told_at = time.monotonic()
        try:
            for number, names in list(self._changed.items()):
                self._steps[number].save(update_fields=sorted(names))
                del self._changed[number]
        except DATABASE_AWAY:
            connections.close_all()
        running = [one for one in self._steps.values() if one.state == State.RUNNING]
        told = f"{running[0].number + 1}/{len(self._steps)} · {running[0].in_words}" if running else ""
        self._run.report(self._percent(), told)

    def _percent(self) -> float:
        counted = [one for one in self._steps.values() if one.state != State.SKIPPED]
        return sum(one.progress for one in counted) / max(1, len(counted))


def _ms_since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


def _cut(value: Any) -> Any:
    """Give a sample that a page can hold."""
    if isinstance(value, Mapping):
        return {str(name): _cut(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(one) for one in value[:50]]
    if isinstance(value, str):
        return value if len(value) <= LONGEST_SAMPLE else f"{value[:LONGEST_SAMPLE]}…"
    return value if value is None or isinstance(value, bool | int | float) else str(value)
