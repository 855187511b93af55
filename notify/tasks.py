"""Jobs that bring notices."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from jobs.handlers import handler
from jobs.runner import JobRun
from notify import services


@handler(services.DELIVER, label=_("Bring a notice"), is_background=True)
def deliver(run: JobRun) -> None:
    """Make one attempt at one notice; the notice's own row says when the next one is due."""
    done = services.deliver(delivery_id=run.payload["delivery"], attempt=run.payload["attempt"])
    if done is not None and done.error:
        run.log(done.error, "warning")


@handler("notify.deliver_due", label=_("Bring notices again that did not arrive"), every_minutes=1)
def deliver_due(run: JobRun) -> None:
    """Hand over what is due."""
    run.result({"handed_over": services.hand_over_due()})


@handler("notify.forget_old", label=_("Forget old notices"), every_minutes=24 * 60)
def forget_old(run: JobRun) -> None:
    """Delete what ended a month ago."""
    run.result({"deleted": services.forget_old()})
