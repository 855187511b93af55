"""What the bell of django-q2 calls, and the jobs of this app."""

from __future__ import annotations

import logging

from django.db import connections
from django.utils.translation import gettext_lazy as _

from jobs import services
from jobs.child import run_attempt
from jobs.handlers import handler
from jobs.runner import DATABASE_AWAY, JobRun, claim_next

logger = logging.getLogger(__name__)


def run(*_earlier: str) -> None:
    """Work at the job whose turn it is, if one waits."""
    try:
        attempt = claim_next()
    except DATABASE_AWAY as error:
        logger.warning("the database does not answer a worker: %s", error)  # the reaper rings again
        connections.close_all()
        return
    if attempt:
        run_attempt(attempt)


@handler("jobs.forget_old", label=_("Forget old jobs"), every_minutes=24 * 60, is_background=True)
def forget_old(run: JobRun) -> None:
    """Delete jobs that ended JOBS_KEEP_DAYS ago."""
    run.result({"deleted": services.forget_old()})
