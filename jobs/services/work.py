"""Verbs on jobs: put one in the queue, cancel it, try it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Model
from django.utils import timezone
from django.utils.translation import gettext

from audit import services as audit
from common.errors import Conflict
from common.transactions import transactional
from jobs import bell, handlers
from jobs.models import Job, JobLog, Schedule

RING_AGAIN_S = 10
KEPT_LINES = 1000
MOST_TRIES = 3


@transactional
def enqueue(
    *,
    kind: str,
    payload: Mapping[str, Any],
    actor: Any = None,
    target: Model | None = None,
    max_attempts: int | None = None,
    priority: int | None = None,
    key: str = "",
    schedule: Schedule | None = None,
) -> Job:
    """Put a job in the queue, in the caller's transaction if there is one. The payload holds ids only.

    With a `key` there is one unfinished job at a time: if there is one already, that one is given. Raises Conflict if
    such jobs come and go all the time.
    """
    known = handlers.known(kind)
    job = Job(
        kind=kind,
        payload=dict(payload),
        created_by=actor if getattr(actor, "pk", None) else None,
        target_type=target._meta.label_lower if target else "",
        target_id=str(target.pk) if target else "",
        target_label=str(target)[:255] if target else "",
        max_attempts=max_attempts or (known.max_attempts if known else 3),
        priority=known.priority if priority is None and known else priority or 0,
        key=key,
        active_key=key or None,
        schedule=schedule,
        lease_until=next_ring(),
    )
    return _kept(job)


@transactional
def cancel(*, job: Job, actor: Any, reason: str = "") -> Job:
    """End a waiting job, ask a running one to stop. Raises Conflict if it has ended."""
    now = timezone.now()
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED)
    running = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, cancel_requested_at=None)
    ended = {"finished_at": now, "lease_until": None, "due_at": None, "active_key": None}
    is_ended = waiting.update(state=Job.State.CANCELLED, cancel_requested_at=now, **ended)
    if not is_ended and not running.update(cancel_requested_at=now):
        raise Conflict(gettext("The job has ended or is being cancelled already."), code="not_cancellable")
    return _tell(job, action="jobs.cancelled", actor=actor, reason=reason)


@transactional
def retry(*, job: Job, actor: Any, reason: str = "") -> Job:
    """Put a job that came to no good end back in the queue with all its attempts. Raises Conflict for any other."""
    ended = Job.objects.filter(pk=job.pk, state__in=[Job.State.FAILED, Job.State.DEAD, Job.State.CANCELLED])
    fresh = {"attempts": 0, "progress": 0, "step": "", "error": "", "result": {}, "worker": "", "claim": None}
    times = {"cancel_requested_at": None, "started_at": None, "finished_at": None, "due_at": None}
    try:
        with transaction.atomic():
            active = {"active_key": F("key")} if job.key else {}
            changed = ended.update(state=Job.State.QUEUED, lease_until=next_ring(), **fresh, **times, **active)
    except IntegrityError:
        raise Conflict(gettext("Another job of this kind is waiting or running."), code="not_retryable") from None
    if not changed:
        raise Conflict(gettext("Only a job that failed or was cancelled can be tried again."), code="not_retryable")
    _forget_old_lines(job)
    JobLog.objects.create(job=job, message=gettext("Put back in the queue by hand."))
    bell.ring()
    return _tell(job, action="jobs.retried", actor=actor, reason=reason)


def _kept(job: Job) -> Job:
    """Insert a new job, again where the one in its way ended before it could be read; else give that one."""
    for _try in range(MOST_TRIES):
        try:
            with transaction.atomic(savepoint=bool(job.key)):
                job.save(force_insert=True)
        except IntegrityError:
            if not job.key:
                raise
            if unfinished := Job.objects.filter(active_key=job.key).first():
                return unfinished
        else:
            bell.ring()
            return job
    raise Conflict(gettext("Another job of this kind is waiting or running."))


def next_ring() -> datetime:
    """Give when the reaper rings again for a job that nobody has taken."""
    return timezone.now() + timedelta(seconds=RING_AGAIN_S)


def _forget_old_lines(job: Job) -> None:
    """Keep the newest lines of a job that is tried again and again."""
    last = list(job.logs.order_by("-id").values_list("pk", flat=True)[KEPT_LINES : KEPT_LINES + 1])
    if last:
        job.logs.filter(pk__lte=last[0]).delete()


def _tell(job: Job, *, action: str, actor: Any, reason: str) -> Job:
    before = {"state": job.state}
    job.refresh_from_db()
    audit.record(action=action, actor=actor, target=job, before=before, after={"state": job.state}, reason=reason)
    return job
