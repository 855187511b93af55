"""Jobs of this app."""

from __future__ import annotations

from django.core.management import call_command
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.lockout import forget_old_failures
from jobs.handlers import handler
from jobs.runner import JobRun


@handler("accounts.rotate_signing_keys", label=_("Rotation of signing keys"), every_minutes=60)
def rotate_signing_keys(run: JobRun) -> None:
    """Have the next key sign when the active one has signed long enough."""
    key = services.rotate_if_due()
    run.result({"rotated": key is not None})


@handler("accounts.forget_old_sessions", label=_("Removal of old sessions"), every_minutes=24 * 60)
def forget_old_sessions(run: JobRun) -> None:
    """Remove sessions that ended long ago, cookies that ran out, and failed log-ins that lock nobody any more."""
    run.result({"sessions": services.forget_old_sessions(), "failures": forget_old_failures()})
    call_command("clearsessions")


@handler("accounts.send_password_link", label=_("Letter with a link to a new password"))
def send_password_link(run: JobRun) -> None:
    """Send the link, if anybody has the address."""
    run.result({"sent": services.send_password_links(**run.payload)})


@handler("accounts.tell_expiring_keys", label=_("Telling of API keys that expire soon"), every_minutes=60)
def tell_expiring_keys(run: JobRun) -> None:
    """Tell owners, once for each key."""
    run.result({"told": services.tell_expiring_keys()})
