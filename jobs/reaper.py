"""What keeps every job on its way to a final state, whatever was killed: run once a second by the cluster's guard."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext

from jobs import bell
from jobs.models import Job, JobLog
from jobs.runner import DIED, Attempt, Outcome
from jobs.services.work import next_ring

AT_ONCE = 100


def reap() -> None:
    """End the attempts whose lease has run out, and ring again for jobs whose bell was lost. Raises Unavailable."""
    lost = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=timezone.now())
    for job in lost.order_by("lease_until")[:AT_ONCE]:
        end_lost_attempt(job)
    unheard = Job.objects.due().filter(lease_until__lt=timezone.now()).order_by("lease_until")
    waiting = list(unheard[:AT_ONCE])
    if waiting and bell.is_silent():  # bells that still hang in the broker are answered first
        for job in waiting:
            _ring_again(job)


def end_lost_attempt(job: Job) -> None:
    """Put a job whose worker has died back in the queue, or end it if that was its last attempt."""
    attempt = Attempt(job)
    attempt.own = attempt.own.filter(lease_until__lt=timezone.now())  # it may have given a sign of life just now
    message = gettext("The worker died during attempt %(number)s.") % {"number": job.attempts}
    ending = Job.State.CANCELLED if job.cancel_requested_at else DIED
    attempt.settle(Outcome(ending, message if ending == DIED else "", lines=[("warning", message)]))


def expire(workers: Iterable[str]) -> None:
    """End the leases of workers that are known to be dead, so that nobody waits for them."""
    Job.objects.filter(state=Job.State.RUNNING, worker__in=list(workers)).update(lease_until=timezone.now())


def give_back(cluster: str) -> int:
    """Put the jobs of a cluster that was stopped in order back in the queue; the attempt does not count."""
    jobs = list(Job.objects.running_on(cluster))
    for job in jobs:
        with transaction.atomic():
            queued = {"state": Job.State.QUEUED, "claim": None, "due_at": None, "lease_until": next_ring()}
            if Attempt(job).own.update(attempts=F("attempts") - 1, **queued):
                JobLog.objects.create(job=job, message=gettext("The worker was stopped; the job starts anew."))
                bell.ring()
    return len(jobs)


def is_work_waiting() -> bool:
    """Tell whether a job waits that a worker should have taken."""
    return Job.objects.due().exists()


def _ring_again(job: Job) -> None:
    with transaction.atomic():
        same = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED, lease_until=job.lease_until)
        if same.update(lease_until=next_ring()):
            bell.ring()
