"""One attempt at one job: claimed before the work begins, ended in exactly one way.

Each write carries the claim of its attempt, so that an attempt which was given up cannot touch the row any more.
"""

from __future__ import annotations

import logging
import os
import random
import resource
import socket
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from common.display import size
from common.errors import FluemanError, NotReady, Unavailable
from common.ids import uuid7
from jobs import bell, handlers
from jobs.models import Job, JobLog

logger = logging.getLogger(__name__)

LEASE_S = 15
REPORT_EVERY_S = 1.0
LONGEST_PAUSE_S = 600
LONGEST_LINE = 20_000
MOST_LINES = 500  # of one attempt; what the runner itself has to say is always written
AT_A_LOOK = 10
DATABASE_AWAY = (OperationalError, InterfaceError)
TEMPORARY = (Unavailable, NotReady, *DATABASE_AWAY)
# How an attempt ends: a final state, AGAIN (something it needs is away), DIED (its process is gone), DONE (it has
# written its success itself) or LOST (the row belongs to somebody else by now).
AGAIN, DIED, DONE, LOST = "again", "died", "done", "lost"


class CancelledError(Exception):
    """Somebody asked for the job to stop."""


class ClaimLostError(Exception):
    """The attempt was given up: it took too long to give a sign of life."""


@dataclass(slots=True)
class Outcome:
    """How an attempt ended, why, and what it leaves behind."""

    ending: str
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)


class Attempt:
    """What may be written to the row of a job while the claim on it stands."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.own = Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING)
        self._left = MOST_LINES

    def beat(self, **fields: Any) -> None:
        """Give a sign of life, which moves the end of the lease, and say how far it is. Raises ClaimLostError."""
        now = timezone.now()
        if not self.own.update(heartbeat_at=now, lease_until=now + timedelta(seconds=LEASE_S), **fields):
            raise ClaimLostError

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError if the job is to stop, ClaimLostError if another attempt has taken over."""
        asked = list(self.own.values_list("cancel_requested_at", flat=True))
        if not asked:
            raise ClaimLostError
        if asked[0] is not None:
            raise CancelledError

    def write(self, lines: Iterable[tuple[str, str, datetime]], *, is_bounded: bool = True) -> None:
        """Add lines (level, text, time) to the log, up to the most that an attempt may write."""
        rows = [JobLog(job=self.job, attempt=self.job.attempts, level=a, message=b, at=c) for a, b, c in lines]
        if is_bounded:
            rows, self._left = rows[: self._left], self._left - len(rows)
            if rows and self._left <= 0:
                rows[-1].level, rows[-1].message = "warning", gettext("Further lines of this attempt are left out.")
        JobLog.objects.bulk_create(rows)

    def settle(self, outcome: Outcome) -> None:
        """Write how it ended, unless the attempt was given up or has written it itself."""
        if outcome.ending in (DONE, LOST):
            return
        is_repeated = outcome.ending in (AGAIN, DIED) and self.job.attempts < self.job.max_attempts
        with transaction.atomic():
            if is_repeated:
                written = self.own.update(**back_in_queue(pause_s(self.job, outcome.ending)), error=outcome.error)
            else:
                last = {AGAIN: Job.State.FAILED, DIED: Job.State.DEAD}.get(outcome.ending, outcome.ending)
                written = self.finish(last, outcome.error, outcome.result)
                if written and last in (Job.State.FAILED, Job.State.DEAD):
                    for listener in handlers.failure_listeners:
                        listener(self.job, outcome.error)
            if written:
                self.write(((*line, timezone.now()) for line in outcome.lines), is_bounded=False)
            if written and is_repeated:
                bell.ring()  # heard too early where it must wait: the reaper rings again when it is due

    def finish(self, state: str, error: str = "", result: Mapping[str, Any] | None = None) -> int:
        """Write the final state; give the number of rows written, 0 if the attempt was given up."""
        done = {"progress": 100} if state == Job.State.SUCCEEDED else {}
        return self.own.update(**ended(state, error), result=dict(result or {}), **done)


class JobRun:
    """What a handler sees of its job. Outside a child process (in tests) it writes to the row at once."""

    def __init__(self, attempt: Attempt, tell: Callable[[Mapping[str, Any]], None] | None = None) -> None:
        self.job, self.attempt = attempt.job, attempt
        self.payload: Mapping[str, Any] = attempt.job.payload
        self.values: dict[str, Any] = {}
        self.is_done = False
        self._tell = tell
        self._step, self._reported_at = "", 0.0

    def report(self, percent: float, step: str = "") -> None:
        """Tell how far the work is. Raises CancelledError if it is no longer wanted."""
        said = {"progress": max(0, min(100, int(percent))), "step": step[:200]}
        if self._tell:
            self._tell(said)  # the parent writes it, once a second at most, and ends this process if need be
            return
        is_new, self._step = step != self._step, step
        if is_new or time.monotonic() - self._reported_at >= REPORT_EVERY_S:
            self._reported_at = time.monotonic()
            self.attempt.beat(**said)
            self.attempt.raise_if_cancelled()

    def log(self, message: str, level: str = "info") -> None:
        """Add a line to the log of the job."""
        if self._tell:
            self._tell({"level": level, "message": message[:LONGEST_LINE]})
        else:
            self.attempt.write([(level, message[:LONGEST_LINE], timezone.now())])

    def result(self, values: Mapping[str, Any]) -> None:
        """Keep values that the job's result will hold."""
        self.values.update(values)

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError if the job is to stop, ClaimLostError if another attempt has taken over."""
        self.attempt.raise_if_cancelled()

    @contextmanager
    def succeed(self) -> Iterator[None]:
        """Commit what is written inside together with the job's success: both once, or neither.

        The last thing a handler does. Raises ClaimLostError, and rolls back, if another attempt has taken over.
        """
        with transaction.atomic():
            self.raise_if_cancelled()
            yield
            if not self.attempt.finish(Job.State.SUCCEEDED, result=self.values):
                raise ClaimLostError
        self.is_done = True


def run_job(job_id: str) -> None:
    """Claim one job and work at it in this process. A job that waits no longer, or never did, is left alone."""
    attempt = claim(uuid.UUID(job_id))
    if attempt is not None:
        attempt.settle(work(JobRun(attempt)))


def claim_next() -> Attempt | None:
    """Take the waiting job whose turn it is: the highest priority first, then the oldest; `None` if none is due."""
    while keys := list(Job.objects.due().order_by("-priority", "id").values_list("pk", flat=True)[:AT_A_LOOK]):
        for key in keys:
            if attempt := claim(key):
                return attempt
    return None


def claim(key: uuid.UUID) -> Attempt | None:
    """Take a waiting job, with the attempt counted before its work begins; `None` if somebody else did."""
    now, token = timezone.now(), uuid7()
    is_ours = Job.objects.due().filter(pk=key).update(
        state=Job.State.RUNNING,
        claim=token,
        worker=worker_name(os.getpid()),
        attempts=F("attempts") + 1,
        progress=0,
        step="",
        error="",
        due_at=None,
        started_at=now,
        heartbeat_at=now,
        lease_until=now + timedelta(seconds=LEASE_S),
    )  # fmt: skip
    job = Job.objects.filter(pk=key, claim=token).first() if is_ours else None
    return Attempt(job) if job else None


def work(run: JobRun) -> Outcome:
    """Do the work; whatever a handler raises becomes an outcome with a sentence."""
    try:
        handlers.find(run.job.kind).work(run)
    except CancelledError:
        return Outcome(Job.State.CANCELLED)
    except ClaimLostError:
        logger.warning("job %s was taken over by another attempt", run.job.pk)
        return Outcome(LOST)
    except Exception as error:
        return _failure(run, error)
    return Outcome(DONE if run.is_done else Job.State.SUCCEEDED, result=run.values)


def ended(state: str, error: str = "") -> dict[str, Any]:
    """Give the fields of a job that has reached its final state."""
    gone = {"lease_until": None, "claim": None, "due_at": None, "active_key": None}
    return {"state": state, "error": error, "finished_at": timezone.now(), **gone}


def back_in_queue(after_s: float) -> dict[str, Any]:
    """Give the fields of a job that waits for its next attempt; the reaper rings for it when that is due."""
    due = timezone.now() + timedelta(seconds=after_s)
    return {"state": Job.State.QUEUED, "claim": None, "due_at": due, "lease_until": due}


def pause_s(job: Job, ending: str) -> float:
    """Give how long to wait before the next attempt: longer each time, and never for many jobs at one moment.

    The first repetition of an attempt whose process died is begun at once.
    """
    steps = job.attempts - 1 if ending == DIED else job.attempts
    return min(2**steps if steps else 0, LONGEST_PAUSE_S) * random.uniform(0.75, 1.25)  # noqa: S311


def worker_name(pid: int | str, guard_pid: int | None = None) -> str:
    """Give how a process of a cluster is called: host, the cluster's guard, process."""
    return f"{socket.gethostname()[:60]}:{guard_pid or os.getppid()}:{pid}"


def _failure(run: JobRun, error: Exception) -> Outcome:
    said = error.message if isinstance(error, FluemanError) else f"{type(error).__name__}: {error}"[:1000]
    said = said.removesuffix(": ")  # of an error without words
    if isinstance(error, TEMPORARY):
        if isinstance(error, DATABASE_AWAY):
            connection.close()  # one that was lost does not come back by itself
        return Outcome(AGAIN, said, lines=[("warning", said)])
    if isinstance(error, FluemanError):
        lines = [("error", f"{name}: {text}") for name, text in error.fields.items()]
        return Outcome(Job.State.FAILED, said, run.values, lines)
    if isinstance(error, MemoryError):
        most = size(resource.getrlimit(resource.RLIMIT_DATA)[0])
        said = gettext("The job needed more memory than the %(size)s it may use.") % {"size": most}
    logger.error("job %s failed", run.job.pk, exc_info=error)
    lines = [("error", "".join(traceback.format_exception(error))[-LONGEST_LINE:])]
    return Outcome(Job.State.FAILED, said, run.values, lines)
