"""Following a job from a terminal."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError

from jobs.models import Job

LOOK_EVERY_S = 0.5
_WIDTH = 25


def follow(job: Job, out: Any) -> Job:
    """Tell how far a job is until its end: a bar on a terminal, else a line a step. Raises CommandError if it fails."""
    told = ""
    while not job.is_finished:
        line = f"{'#' * (job.progress * _WIDTH // 100):{_WIDTH}} {job.progress:3d} % {job.step}"
        if out.isatty():
            out.write(f"\r\x1b[K{line}", ending="")
        elif job.step != told:
            told = job.step
            out.write(f"  {told}")
        time.sleep(LOOK_EVERY_S)
        job.refresh_from_db()
    if out.isatty():
        out.write("")
    if job.state != Job.State.SUCCEEDED:
        raise CommandError(f"the job {job.get_state_display()}: {job.error}")
    return job
