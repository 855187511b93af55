"""A real job cluster on the database of the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobs.models import Job
from tests.databases import database_url

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """Starts, watches and ends `manage.py run_jobs`."""

    def __init__(self, home: Path, url: str = "") -> None:
        self.log, self.url = home / "cluster.log", url
        self.process: subprocess.Popen[bytes] | None = None
        self.given: dict[str, str] = {}

    def start(self, **environment: str) -> None:
        """Start it; it is ready when its workers are there."""
        self.given = environment
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_jobs"],
                cwd=ROOT,
                env={**os.environ, **self.environment(), **environment},
                stdout=log,
                stderr=log,
                process_group=0,
            )
        wait_until(lambda: len(self.workers()) >= 4 or self.process.poll() is not None)  # workers, monitor, pusher

    def revive(self) -> None:
        """Start it again if it has ended, as the supervisor does: it ends where a killed process held a lock."""
        if self.process and self.process.poll() is not None:
            self.start(**self.given)

    def environment(self) -> dict[str, str]:
        """Give what leads a process to the database of the test and the kinds of its jobs."""
        return {"DJANGO_SETTINGS_MODULE": "tests.jobs.settings", "DATABASE_URL": self.url or database_url()}

    def sentinel(self) -> int:
        """Give the process that keeps the workers."""
        assert self.process
        return children(self.process.pid)[0]

    def workers(self) -> list[int]:
        """Give the processes below the sentinel: workers first."""
        assert self.process
        return [pid for sentinel in children(self.process.pid) for pid in children(sentinel)]

    def stop(self, number: int = signal.SIGTERM, *, is_group: bool = False) -> int:
        """Send a signal, to the main process or to its whole group, and wait for the end; give the exit code."""
        assert self.process
        (os.killpg if is_group else os.kill)(self.process.pid, number)
        return self.process.wait(60)  # how long it takes is for the tests of the orderly end

    def kill(self) -> None:
        """End what runs of it, at once."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def children(pid: int) -> list[int]:
    """Give the children of a process, oldest first."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def wait_until(is_true: Callable[[], object], timeout_s: float = 180) -> None:
    """Return when it is true. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def wait_for(job: Job, *states: str, timeout_s: float = 300) -> Job:
    """Give the job when it has reached one of the states (any final one if none is named)."""

    def is_there() -> bool:
        job.refresh_from_db()
        return job.state in states if states else job.is_finished

    wait_until(is_there, timeout_s)
    return job
