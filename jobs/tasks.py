"""What the bells of django-q2 call."""

from __future__ import annotations

from jobs import services
from jobs.runner import run_job


def run(job_id: str) -> None:
    """Work at a job, if it still waits."""
    run_job(job_id)


def recur(kind: str) -> None:
    """Put the next job of a recurring kind in the queue."""
    services.enqueue_recurring(kind=kind)
