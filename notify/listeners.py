"""What lower apps have to tell."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from jobs.models import Job
from notify.services import publish

QUIET = timedelta(hours=1)


def tell_failed_job(job: Job, error: str) -> None:
    """Publish that a job failed for good, once an hour for the same work: a schedule may fail every minute.

    Notices that cannot be brought are not told of by notices.
    """
    ended = [Job.State.FAILED, Job.State.DEAD]
    same = Job.objects.filter(kind=job.kind, target_id=job.target_id, state__in=ended).exclude(pk=job.pk)
    if job.kind.startswith("notify.") or same.filter(finished_at__gte=timezone.now() - QUIET).exists():
        return
    publish(event="job.failed", payload={"job": str(job), "attempts": job.attempts, "error": error[:500]}, target=job)
