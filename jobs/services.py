"""Verbs on jobs: put one in the queue, cancel it, try it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django_q.tasks import async_task

from audit import services as audit
from common.errors import Conflict
from jobs.models import Job, JobLog

RING_AGAIN_S = 10
KEPT_RECURRING = 3


@transaction.atomic
def enqueue(
    *, kind: str, payload: Mapping[str, Any], actor: Any = None, target: Model | None = None, max_attempts: int = 3
) -> Job:
    """Put a job in the queue, in the caller's transaction if there is one. The payload holds ids only."""
    job = Job.objects.create(
        kind=kind,
        payload=dict(payload),
        created_by=actor if getattr(actor, "pk", None) else None,
        target_type=target._meta.label_lower if target else "",
        target_id=str(target.pk) if target else "",
        target_label=str(target)[:255] if target else "",
        max_attempts=max_attempts,
        lease_until=_next_ring(),
    )
    ring(job)
    return job


@transaction.atomic
def enqueue_recurring(*, kind: str) -> Job | None:
    """Put the next job of a recurring kind in the queue, `None` if the last one is unfinished; keep a few old ones."""
    if Job.objects.unfinished().filter(kind=kind).exists():
        return None
    done = Job.objects.filter(kind=kind, state=Job.State.SUCCEEDED).order_by("-id")
    old = list(done.values_list("pk", flat=True)[KEPT_RECURRING : KEPT_RECURRING + 100])
    Job.objects.filter(pk__in=old).delete()
    return enqueue(kind=kind, payload={})


@transaction.atomic
def cancel(*, job: Job, actor: Any, reason: str = "") -> Job:
    """End a waiting job, ask a running one to stop. Raises Conflict if it has ended."""
    now = timezone.now()
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED)
    running = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, cancel_requested_at=None)
    is_ended = waiting.update(state=Job.State.CANCELLED, cancel_requested_at=now, finished_at=now, lease_until=None)
    if not is_ended and not running.update(cancel_requested_at=now):
        raise Conflict("the job has ended or is being cancelled already", code="not_cancellable")
    return _tell(job, action="jobs.cancelled", actor=actor, reason=reason)


@transaction.atomic
def retry(*, job: Job, actor: Any, reason: str = "") -> Job:
    """Put a failed or cancelled job back in the queue with all its attempts. Raises Conflict in any other state."""
    ended = Job.objects.filter(pk=job.pk, state__in=[Job.State.FAILED, Job.State.CANCELLED])
    changed = ended.update(
        state=Job.State.QUEUED,
        attempts=0,
        progress=0,
        step="",
        error="",
        result={},
        claim=None,
        worker="",
        cancel_requested_at=None,
        started_at=None,
        finished_at=None,
        lease_until=_next_ring(),
    )
    if not changed:
        raise Conflict("only a failed or cancelled job can be tried again", code="not_retryable")
    JobLog.objects.create(job=job, message="put back in the queue by hand")
    ring(job)
    return _tell(job, action="jobs.retried", actor=actor, reason=reason)


def ring(job: Job) -> None:
    """Ring the bell that wakes a worker.

    The database broker is an outbox: its bell is committed or rolled back with the job. Any other broker is rung after
    the commit, and the reaper rings again for a bell that was lost.
    """
    if "orm" in settings.Q_CLUSTER:
        _ring(str(job.pk))
    else:
        transaction.on_commit(partial(_ring, str(job.pk)), robust=True)


def _ring(job_id: str) -> None:
    async_task("jobs.tasks.run", job_id, q_options={"save": False})


def _next_ring() -> datetime:
    return timezone.now() + timedelta(seconds=RING_AGAIN_S)


def _tell(job: Job, *, action: str, actor: Any, reason: str) -> Job:
    before = {"state": job.state}
    job.refresh_from_db()
    audit.record(action=action, actor=actor, target=job, before=before, after={"state": job.state}, reason=reason)
    return job
