"""Jobs of this app."""

from __future__ import annotations

from dataclasses import asdict

from django.utils.translation import gettext_lazy as _

from jobs.handlers import handler
from jobs.runner import JobRun
from registry.services import expire_due, purging


@handler(purging.PURGE, label=_("Removing a deleted model"), deadline_s=3600, max_attempts=10)
def purge_model(run: JobRun) -> None:
    """Remove a deleted model for good, from where an attempt before stopped."""
    gone = purging.purge_asked(model_id=run.payload["model_id"], actor=run.job.created_by)
    run.result(asdict(gone))


@handler(purging.PURGER, label=_("Removing what was deleted long ago"), every_minutes=60, deadline_s=3600)
def purge_deleted(run: JobRun) -> None:
    """Remove deleted models and versions whose days are over."""
    run.result(asdict(purging.purge_expired(told=run.log)))


@handler("registry.expire_approvals", label=_("Ending approval requests that nobody decided"), every_minutes=10)
def expire_approvals(run: JobRun) -> None:
    """End the requests whose time is over, and tell who asked."""
    run.result({"requests": expire_due()})
