"""One attempt at one job: claimed before the work begins, kept alive by a heartbeat, ended in exactly one way.

Each write carries the claim of its attempt, so that an attempt which was given up cannot touch the row any more.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext
from django_q.exceptions import TimeoutException

from common.errors import FluemanError, NotReady, Unavailable
from common.ids import uuid7
from jobs import handlers
from jobs.models import Job, JobLog

logger = logging.getLogger(__name__)

LEASE_S = 15
BEAT_S = 3.0
REPORT_EVERY_S = 0.2
LONGEST_PAUSE_S = 60
LONGEST_LINE = 20_000
TEMPORARY = (Unavailable, NotReady, OperationalError, InterfaceError)


class CancelledError(Exception):
    """Somebody asked for the job to stop."""


class ClaimLostError(Exception):
    """The attempt was given up: it took too long to give a sign of life."""


class JobRun:
    """What a handler sees of its job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.payload: Mapping[str, Any] = job.payload
        self._own = Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING)
        self._step, self._reported_at = "", 0.0
        self._result: dict[str, Any] = {}

    def report(self, percent: float, step: str = "") -> None:
        """Tell how far the work is. Raises CancelledError if it is no longer wanted."""
        if step == self._step and time.monotonic() - self._reported_at < REPORT_EVERY_S:
            return
        self._step, self._reported_at = step, time.monotonic()
        if not self._own.update(progress=max(0, min(100, int(percent))), step=step[:200]):
            raise ClaimLostError
        self.raise_if_cancelled()

    def log(self, message: str, level: str = "info") -> None:
        """Add a line to the log of the job."""
        JobLog.objects.create(job=self.job, level=level, message=message[:LONGEST_LINE])

    def result(self, values: Mapping[str, Any]) -> None:
        """Keep values that the job's result will hold."""
        self._result.update(values)

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError if the job is to stop, ClaimLostError if another attempt has taken over."""
        asked = list(self._own.values_list("cancel_requested_at", flat=True))
        if not asked:
            raise ClaimLostError
        if asked[0] is not None:
            raise CancelledError

    def beat(self) -> None:
        """Give a sign of life, which moves the end of the lease."""
        now = timezone.now()
        self._own.update(heartbeat_at=now, lease_until=now + timedelta(seconds=LEASE_S))

    def finish(self, state: str, error: str = "") -> None:
        """Write the final state, unless the attempt was given up."""
        done = {"progress": 100} if state == Job.State.SUCCEEDED else {}
        ended = {"finished_at": timezone.now(), "lease_until": None, "claim": None}
        self._own.update(state=state, error=error, result=self._result, **ended, **done)

    def put_back(self, error: str) -> None:
        """Let the job wait a while for its next attempt, longer each time."""
        pause = timedelta(seconds=min(2**self.job.attempts, LONGEST_PAUSE_S))
        self._own.update(state=Job.State.QUEUED, error=error, claim=None, lease_until=timezone.now() + pause)


def run_job(job_id: str) -> None:
    """Claim the job and work at it. A job that waits no longer, or never did, is left alone."""
    run = claim(job_id)
    if run is None:
        return
    beats = _Heartbeat(run)
    beats.start()
    try:
        _attempt(run)
    finally:
        beats.end()


def claim(job_id: str) -> JobRun | None:
    """Take a waiting job, with the attempt counted before its work begins; `None` if somebody else did."""
    now, token = timezone.now(), uuid7()
    waiting = Job.objects.filter(pk=uuid.UUID(job_id), state=Job.State.QUEUED, attempts__lt=F("max_attempts"))
    is_ours = waiting.update(
        state=Job.State.RUNNING,
        claim=token,
        worker=worker_name(os.getpid()),
        attempts=F("attempts") + 1,
        progress=0,
        step="",
        error="",
        started_at=now,
        heartbeat_at=now,
        lease_until=now + timedelta(seconds=LEASE_S),
    )
    return JobRun(Job.objects.get(pk=job_id)) if is_ours else None


def worker_name(pid: int | str, guard_pid: int | None = None) -> str:
    """Give how a process of a cluster is called: host, the cluster's guard, process."""
    return f"{socket.gethostname()[:60]}:{guard_pid or os.getppid()}:{pid}"


def _attempt(run: JobRun) -> None:
    """Do the work and write how it ended; whatever a handler raises becomes a sentence in the row."""
    try:
        handlers.find(run.job.kind).work(run)
    except CancelledError:
        run.finish(Job.State.CANCELLED)
    except ClaimLostError:
        logger.warning("job %s was taken over by another attempt", run.job.pk)
    except TimeoutException:
        run.finish(Job.State.FAILED, gettext("The job took longer than it may."))
        raise  # django-q2 replaces the process
    except TEMPORARY as error:
        _put_back_or_fail(run, error)
    except FluemanError as error:
        _log_fields(run, error)
        run.finish(Job.State.FAILED, error.message)
    except Exception as error:
        logger.exception("job %s failed", run.job.pk)
        run.log(traceback.format_exc(), "error")
        run.finish(Job.State.FAILED, f"{type(error).__name__}: {error}"[:1000])
    else:
        run.finish(Job.State.SUCCEEDED)


def _put_back_or_fail(run: JobRun, error: Exception) -> None:
    message = error.message if isinstance(error, FluemanError) else f"{type(error).__name__}: {error}"[:1000]
    if isinstance(error, OperationalError | InterfaceError):
        connection.close()  # one that was lost does not come back by itself
    run.log(message, "warning")
    if run.job.attempts < run.job.max_attempts:
        run.put_back(message)
    else:
        run.finish(Job.State.FAILED, message)


def _log_fields(run: JobRun, error: FluemanError) -> None:
    for name, text in error.fields.items():
        run.log(f"{name}: {text}", "error")


class _Heartbeat(threading.Thread):
    """Gives a sign of life every few seconds, from a thread of its own."""

    def __init__(self, run: JobRun) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._run, self._ended = run, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                close_old_connections()
                self._run.beat()
            except (OperationalError, InterfaceError) as error:
                logger.warning("a sign of life of job %s was not written: %s", self._run.job.pk, error)
        connection.close()

    def end(self) -> None:
        """Stop and wait for the last beat."""
        self._ended.set()
        self.join()
