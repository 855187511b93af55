"""A job's work in a process of its own, watched by the worker: told what it says, ended when it must.

The worker gives the signs of life and asks whether the job is still wanted, so that work which never looks up, or holds
the interpreter's lock for minutes, is neither given up nor deaf.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connections
from django.utils import timezone
from django.utils.translation import gettext

from jobs import handlers
from jobs.models import Job
from jobs.runner import (
    DATABASE_AWAY,
    DIED,
    LOST,
    MOST_LINES,
    REPORT_EVERY_S,
    Attempt,
    CancelledError,
    ClaimLostError,
    JobRun,
    Outcome,
    work,
)

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.4
BEAT_EVERY_S = 3.0
GRACE_S = 0.8  # to tidy up, after being asked to stop
AGAIN_EVERY_S = 1.0


def run_attempt(attempt: Attempt) -> None:
    """Do the work of a claimed job in a child process and write how it ended, as soon as the database is there."""
    outcome = Watch(attempt).run()
    while True:
        try:
            return attempt.settle(outcome)
        except DATABASE_AWAY as error:
            logger.warning("the end of job %s is not written yet: %s", attempt.job.pk, error)
            connections.close_all()
            time.sleep(AGAIN_EVERY_S)


class Watch:
    """The worker's view of the child."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._handler = handlers.known(attempt.job.kind)
        self._progress: dict[str, Any] = {}
        self._step = ""
        self._lines: list[tuple[str, str, datetime]] = []
        self._outcome: Outcome | None = None
        self._verdict: Outcome | None = None  # why the child was asked to stop
        self._begun_at = self._beaten_at = time.monotonic()
        self._asked_at = 0.0
        self._rest = b""

    def run(self) -> Outcome:
        """Fork, watch until the end, and give the outcome."""
        connections.close_all()  # a connection does not survive being held by two
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be_child(self._attempt, self._memory_bytes(), writer)
        os.close(writer)
        try:
            status = self._watch(pid, reader)
        finally:
            os.close(reader)
        self._tend(is_over=True)
        return self._judge(status)

    def _watch(self, pid: int, reader: int) -> int:
        """Listen until the child has ended; give its wait status."""
        looked_at = time.monotonic()
        while True:
            if select.select([reader], [], [], LOOK_EVERY_S)[0] and not self._listen(reader):
                _kill(pid)  # it has ended, or closed its mouth: in both cases it is over
                return os.waitpid(pid, 0)[1]
            if time.monotonic() - looked_at >= LOOK_EVERY_S:
                self._look(pid)
                looked_at = time.monotonic()
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:  # and yet the pipe is open: what it started still holds it
                    _kill(pid)
                    self._listen(reader)
                    return status

    def _listen(self, reader: int) -> bool:
        """Take in what the child has said; give whether there may be more."""
        os.set_blocking(reader, False)
        try:
            said = os.read(reader, 1 << 20)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            try:
                self._hear(orjson.loads(line))
            except orjson.JSONDecodeError:  # cut off by the request to stop
                continue
        return bool(said)

    def _hear(self, said: Mapping[str, Any]) -> None:
        if "ending" in said:
            self._outcome = Outcome(**said)
        elif "progress" in said:
            self._progress = dict(said)
            if said["step"] and said["step"] != self._step:
                self._step = said["step"]
                self._keep("step", self._step)
        else:
            self._keep(said["level"], said["message"])

    def _keep(self, level: str, text: str) -> None:
        if len(self._lines) < MOST_LINES:  # more would not be written anyway
            self._lines.append((level, text, timezone.now()))

    def _look(self, pid: int) -> None:
        """Write what was heard, and ask the child to stop where there is a reason; then kill it."""
        self._tend()
        if self._verdict is None and time.monotonic() - self._begun_at > self._deadline_s():
            text = gettext("The job took longer than the %(seconds)d seconds it may.") % {"seconds": self._deadline_s()}
            self._verdict = Outcome(Job.State.FAILED, text)
        if self._verdict is None:
            return
        if not self._asked_at:
            self._asked_at = time.monotonic()
            os.kill(pid, signal.SIGTERM)
        elif time.monotonic() - self._asked_at >= GRACE_S:
            _kill(pid)

    def _tend(self, *, is_over: bool = False) -> None:
        """Say how far it is and that it lives, and learn whether it is still wanted; without the database, later."""
        pause_s = REPORT_EVERY_S if self._progress or self._lines else BEAT_EVERY_S
        try:
            if is_over:  # the row may have its final state already, and is written to only if not
                if self._progress:
                    self._attempt.own.update(**self._progress)
                return self._attempt.write(self._lines)
            if self._verdict is None:
                self._attempt.raise_if_cancelled()
            if time.monotonic() - self._beaten_at >= pause_s:
                self._attempt.beat(**self._progress)
                self._attempt.write(self._lines)
                self._progress, self._lines, self._beaten_at = {}, [], time.monotonic()
        except CancelledError:
            self._verdict = Outcome(Job.State.CANCELLED)
        except ClaimLostError:
            self._verdict = self._verdict or Outcome(LOST)
        except DATABASE_AWAY as error:
            logger.warning("a sign of life of job %s was not written: %s", self._attempt.job.pk, error)
            connections.close_all()

    def _judge(self, status: int) -> Outcome:
        if self._verdict:
            return self._verdict
        if self._outcome:
            return self._outcome
        number = os.waitstatus_to_exitcode(status)
        how = signal.Signals(-number).name if number < 0 else gettext("exit code %(code)d") % {"code": number}
        text = gettext("The process of attempt %(number)d died (%(how)s).")
        text = text % {"number": self._attempt.job.attempts, "how": how}
        return Outcome(DIED, text, lines=[("warning", text)])

    def _deadline_s(self) -> float:
        own = self._handler.deadline_s if self._handler else None
        return own or settings.JOB_TIMEOUT_S

    def _memory_bytes(self) -> int:
        own = self._handler.memory_bytes if self._handler else None
        return own or settings.JOB_MEMORY_BYTES


def _be_child(attempt: Attempt, memory_bytes: int, writer: int) -> None:
    """Work, tell how it ended, leave; never return into the worker's code."""
    code = 1
    gc.freeze()  # the collector leaves what was inherited alone, and so its pages shared
    try:
        os.setpgid(0, 0)  # so that what the work starts is killed with it
        signal.signal(signal.SIGTERM, _on_stop)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        outcome = work(JobRun(attempt, lambda said: _say(writer, said)))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _say(writer, outcome)
        code = 0
        connections.close_all()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _on_stop(_number: int, _frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise CancelledError


def _say(writer: int, said: Mapping[str, Any] | Outcome) -> None:
    line = orjson.dumps(said, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n"
    while line:
        line = line[os.write(writer, line) :]


def _kill(pid: int) -> None:
    """Kill the child and all it has started."""
    for kill, number in ((os.killpg, pid), (os.kill, pid)):  # it may not have had the time to become a group
        try:
            kill(number, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
