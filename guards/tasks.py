"""Jobs that keep the guards' tables small."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from guards import idempotency
from jobs.handlers import handler
from jobs.runner import JobRun


@handler("guards.forget_keys", label=_("Forget old idempotency keys"), every_minutes=60)
def forget_keys(run: JobRun) -> None:
    """Delete the records of keys whose day is over."""
    run.result({"deleted": idempotency.forget_old()})
