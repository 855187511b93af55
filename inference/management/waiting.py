"""What commands do that need a version which passed its check: follow the check and tell its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from django.core.management.base import CommandError

from accounts.models import User
from jobs.models import Job, JobLog
from registry import services
from registry.models import ModelVersion

WORKER_HINT_S = 10
State = ModelVersion.State


def wait_for_check(version: ModelVersion, actor: User | str, timeout_s: float, say: Callable[[str], object]) -> None:
    """Tell the steps of the check as they happen. Raises CommandError if it is not ready at the end."""
    if version.state == State.READY:
        return
    if version.state in (State.REFUSED, State.ARCHIVED):
        services.recheck(version=version, actor=actor, reason="imported again")
    if version.is_waiting_for_trust:
        raise CommandError(
            f"{version} is a program ({version.get_format_display()}): it is checked once somebody with the "
            "permission to trust programs has trusted it, in the admin or by REST"
        )
    for line in _follow(version, timeout_s):
        say(line)
    if version.state != State.READY:
        raise CommandError(f"{version} was not accepted: {version.refusal or version.get_state_display()}")


def _follow(version: ModelVersion, timeout_s: float) -> Iterator[str]:
    """Give a line for each step until the check is over. Raises CommandError if it fails or takes too long."""
    started, told, is_hinted = time.monotonic(), 0, False
    while True:
        version.refresh_from_db()
        is_over = version.state not in (State.PENDING, State.CHECKING)
        job = services.check_jobs(version).first()
        lines = list(JobLog.objects.filter(job=job).order_by("id")[told:]) if job else []
        told += len(lines)
        yield from (f"  {line.message}" for line in lines)
        if is_over:
            return
        if job is None or job.state in (Job.State.FAILED, Job.State.CANCELLED):
            raise CommandError(f"the check of {version} did not end: {job.error if job else 'its job is gone'}")
        waited = time.monotonic() - started
        if job.state == Job.State.QUEUED and waited > WORKER_HINT_S and not is_hinted:
            is_hinted = True
            yield "  still waiting for a worker: `make run` (or `manage.py run_jobs`) starts one"
        if waited > timeout_s:
            raise CommandError(f"the check of {version} was not over after {timeout_s:g} s; it goes on without this")
        time.sleep(0.2)
