"""What keeps every job on its way to a final state, whatever was killed: run once a second by the cluster's guard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext
from django_q.brokers import get_broker

from jobs.models import Job, JobLog
from jobs.services import RING_AGAIN_S, ring

AT_ONCE = 100
CANCEL_PATIENCE_S = 15


def reap() -> None:
    """End the attempts whose lease has run out, and ring again for jobs whose bell was lost."""
    lost = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=timezone.now())
    for job in lost.order_by("lease_until")[:AT_ONCE]:
        end_lost_attempt(job)
    due = Job.objects.filter(state=Job.State.QUEUED, lease_until__lt=timezone.now()).order_by("lease_until")[:AT_ONCE]
    if due and not get_broker().queue_size():  # bells that still hang in the broker are answered first
        for job in due:
            _ring_again(job)


@transaction.atomic
def end_lost_attempt(job: Job) -> None:
    """Put a job whose worker has died back in the queue, or end it if that was its last attempt."""
    message = gettext("The worker died during attempt %(number)s.") % {"number": job.attempts}
    if job.cancel_requested_at:
        change = {"state": Job.State.CANCELLED, "finished_at": timezone.now(), "lease_until": None}
    elif job.attempts >= job.max_attempts:
        change = {"state": Job.State.FAILED, "finished_at": timezone.now(), "lease_until": None, "error": message}
    else:
        change = {"state": Job.State.QUEUED, "lease_until": _next_ring()}
    own = Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING, lease_until__lt=timezone.now())
    if not own.update(claim=None, **change):
        return
    JobLog.objects.create(job=job, level="warning", message=message)
    if change["state"] == Job.State.QUEUED:
        ring(job)


def expire(workers: Iterable[str]) -> None:
    """End the leases of workers that are known to be dead, so that nobody waits for them."""
    Job.objects.filter(state=Job.State.RUNNING, worker__in=list(workers)).update(lease_until=timezone.now())


@transaction.atomic
def give_back(cluster: str) -> int:
    """Put the jobs of a cluster that was stopped in order back in the queue; the attempt does not count."""
    jobs = list(Job.objects.running_on(cluster))
    for job in jobs:
        own = Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING)
        if own.update(state=Job.State.QUEUED, claim=None, attempts=F("attempts") - 1, lease_until=_next_ring()):
            JobLog.objects.create(job=job, message=gettext("The worker was stopped; the job starts anew."))
            ring(job)
    return len(jobs)


def stubborn(cluster: str) -> list[str]:
    """Give the workers of a cluster that did not heed a request to cancel in good time."""
    late = timezone.now() - timedelta(seconds=CANCEL_PATIENCE_S)
    return list(Job.objects.running_on(cluster).filter(cancel_requested_at__lt=late).values_list("worker", flat=True))


def is_work_waiting() -> bool:
    """Tell whether a job waits whose bell has been rung."""
    return Job.objects.filter(state=Job.State.QUEUED, lease_until__lt=_next_ring()).exists()


def _ring_again(job: Job) -> None:
    with transaction.atomic():
        same = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED, lease_until=job.lease_until)
        if same.update(lease_until=_next_ring()):
            ring(job)


def _next_ring() -> datetime:
    return timezone.now() + timedelta(seconds=RING_AGAIN_S)
