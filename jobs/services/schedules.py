"""Verbs on schedules: make, change, pause, run now; and firing, once, whatever clocks and clusters do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from audit import services as audit
from common.errors import Conflict, Invalid, Unavailable
from common.transactions import transactional
from jobs import handlers, timing
from jobs.models import Job, Schedule
from jobs.runner import DATABASE_AWAY
from jobs.services.work import enqueue

logger = logging.getLogger(__name__)
KEPT_GOOD, KEPT_ALL = 20, 200
TIMES = ("cron", "every_s", "time_zone")


@transactional
def add_schedule(
    *,
    name: str,
    kind: str,
    actor: Any,
    cron: str = "",
    every_s: int | None = None,
    time_zone: str = "",
    payload: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Schedule:
    """Make a schedule. Raises Invalid for a time or a kind that there is not."""
    if payload is None and kind not in {one.kind for one in handlers.schedulable()}:
        text = gettext("Jobs of this kind cannot be scheduled.")
        raise Invalid(text, fields={"kind": text})
    made = Schedule(
        name=name,
        kind=kind,
        payload=dict(payload or {}),
        cron=cron,
        every_s=every_s,
        time_zone=time_zone or settings.TIME_ZONE,
    )
    _plan(made)
    made.full_clean()
    made.save(force_insert=True)
    audit.record(action="jobs.schedule_added", actor=actor, target=made, after=_facts(made), reason=reason)
    return made


@transactional
def update_schedule(*, schedule: Schedule, actor: Any, reason: str = "", **changes: Any) -> Schedule:
    """Change the name of a schedule or its times; the next run follows. Raises Invalid."""
    own = Schedule.objects.select_for_update().get(pk=schedule.pk)
    before = _facts(own)
    if changes.get("cron"):
        changes = {"every_s": None} | changes
    elif changes.get("every_s"):
        changes = {"cron": ""} | changes
    for name in ("name", *TIMES):
        setattr(own, name, changes.get(name, getattr(own, name)))
    _plan(own)
    own.full_clean()
    own.save(update_fields=["name", *TIMES, "next_run_at"])
    audit.record(
        action="jobs.schedule_changed", actor=actor, target=own, before=before, after=_facts(own), reason=reason
    )
    return own


@transactional
def pause_schedule(*, schedule: Schedule, actor: Any, reason: str = "") -> Schedule:
    """Let it fire no more. Raises Conflict if it is paused."""
    return _switch(schedule, actor=actor, reason=reason, is_enabled=False)


@transactional
def resume_schedule(*, schedule: Schedule, actor: Any, reason: str = "") -> Schedule:
    """Let it fire again, from now on: what was missed stays missed. Raises Conflict if it is not paused, Invalid."""
    return _switch(schedule, actor=actor, reason=reason, is_enabled=True)


@transactional
def run_schedule(*, schedule: Schedule, actor: Any, reason: str = "") -> Job:
    """Begin a run now, beside the planned ones. Raises Conflict if the last run is not finished."""
    if Job.objects.filter(active_key=_key(schedule)).exists():
        raise Conflict(gettext("The last run is not finished."), code="still_running")
    job = _enqueue(schedule, actor=actor)
    audit.record(action="jobs.schedule_run", actor=actor, target=schedule, after={"job": str(job.pk)}, reason=reason)
    return job


@transactional
def remove_schedule(*, schedule: Schedule, actor: Any, reason: str = "") -> None:
    """Delete a schedule; its runs stay. Raises Conflict for one that the code brings along."""
    if is_kept(schedule):
        raise Conflict(gettext("A built-in schedule cannot be deleted; it can be paused."), code="built_in")
    audit.record(action="jobs.schedule_removed", actor=actor, target=schedule, before=_facts(schedule), reason=reason)
    Schedule.objects.filter(pk=schedule.pk).delete()


def is_kept(schedule: Schedule) -> bool:
    """Tell whether the code brings the schedule along."""
    return schedule.is_built_in and schedule.kind in {one.kind for one in handlers.recurring()}


def write_built_in_schedules() -> None:
    """Make a schedule for each recurring kind that has none yet; those that are there stay as people left them."""
    known = set(Schedule.objects.filter(is_built_in=True).values_list("kind", flat=True))
    for one in handlers.recurring():
        if one.kind not in known:
            made = Schedule(name=one.kind, kind=one.kind, cron=one.cron, every_s=one.every_s, is_built_in=True)
            made.time_zone = settings.TIME_ZONE
            _plan(made)
            Schedule.objects.bulk_create([made], ignore_conflicts=True)  # another cluster may be doing the same


def fire_due() -> int:
    """Begin a run of each schedule whose time has come; give how many. Called once a second by each cluster's guard.

    A time is claimed by moving it on, so only one cluster begins a run. However many times were missed, one run is
    begun, and the next is planned from now. One that cannot be fired holds up no other.
    """
    return sum(_is_fired(one) for one in Schedule.objects.enabled())


def _is_fired(schedule: Schedule) -> bool:
    """Begin a run if its time has come, and tell whether it did; what goes wrong with this one alone is logged.

    One whose times never come is paused, so that the log holds it once.
    """
    try:
        return _is_due(schedule) and _fire(schedule)
    except (Unavailable, *DATABASE_AWAY):
        raise
    except Exception:
        logger.exception("the schedule %s could not be fired", schedule.name)
        _pause_if_it_never_fires(schedule)
        return False


def _pause_if_it_never_fires(schedule: Schedule) -> None:
    try:
        _check(schedule)
    except Invalid as error:
        with suppress(Conflict):  # another cluster was quicker
            pause_schedule(schedule=schedule, actor=None, reason=error.message)


def _is_due(schedule: Schedule) -> bool:
    """Tell whether its time has come; one that a clock set back has left too far ahead is planned anew."""
    now = timezone.now()
    if schedule.next_run_at is None or schedule.next_run_at > _next(schedule, now):
        Schedule.objects.filter(pk=schedule.pk, next_run_at=schedule.next_run_at).update(
            next_run_at=_next(schedule, now)
        )
        return False
    return schedule.next_run_at <= now and handlers.known(schedule.kind) is not None


@transactional
def _fire(schedule: Schedule) -> bool:
    now = timezone.now()
    planned = schedule.next_run_at
    schedule.last_run_at = planned
    following = _next(schedule, now)
    own = Schedule.objects.filter(pk=schedule.pk, next_run_at=planned, is_enabled=True)
    if not own.update(next_run_at=following, last_run_at=planned):
        return False
    _enqueue(schedule)
    _forget_old_runs(schedule)
    return True


def _enqueue(schedule: Schedule, actor: Any = None) -> Job:
    return enqueue(kind=schedule.kind, payload=schedule.payload, actor=actor, key=_key(schedule), schedule=schedule)


def _key(schedule: Schedule) -> str:
    return f"schedule:{schedule.pk}"


def _next(schedule: Schedule, now: datetime) -> datetime:
    """Give the next time after now, and after the last one where the clock was set back a little."""
    last = schedule.last_run_at
    after = last if last and now < last < now + timing.BELIEVED_AHEAD else now
    times = {name: getattr(schedule, name) for name in TIMES}
    return timing.following(**times, after=after)


def _check(schedule: Schedule) -> None:
    timing.check(cron=schedule.cron, every_s=schedule.every_s, time_zone=schedule.time_zone)


def _plan(schedule: Schedule) -> None:
    _check(schedule)
    schedule.next_run_at = _next(schedule, timezone.now())


def _switch(schedule: Schedule, *, actor: Any, reason: str, is_enabled: bool) -> Schedule:
    other = Schedule.objects.filter(pk=schedule.pk, is_enabled=not is_enabled)
    if is_enabled:
        _plan(schedule)
    if not other.update(is_enabled=is_enabled, next_run_at=schedule.next_run_at):
        raise Conflict(gettext("The schedule is in this state already."), code="unchanged")
    schedule.refresh_from_db()
    action = "jobs.schedule_resumed" if is_enabled else "jobs.schedule_paused"
    audit.record(action=action, actor=actor, target=schedule, reason=reason)
    return schedule


def _forget_old_runs(schedule: Schedule) -> None:
    """Keep the newest runs, and fewer of those that went well."""
    ended = schedule.jobs.exclude(state__in=[Job.State.QUEUED, Job.State.RUNNING])
    for runs, kept in ((ended.filter(state=Job.State.SUCCEEDED), KEPT_GOOD), (ended, KEPT_ALL)):
        old = list(runs.order_by("-id").values_list("pk", flat=True)[kept : kept + 100])
        Job.objects.filter(pk__in=old).delete()


def _facts(schedule: Schedule) -> dict[str, Any]:
    facts = {name: getattr(schedule, name) for name in ("name", *TIMES)}
    return {name: value for name, value in facts.items() if value not in ("", None)}
