"""Jobs of this app."""

from __future__ import annotations

from dataclasses import asdict

from django.utils.translation import gettext_lazy as _

from files import services
from files.housekeeping import remove_unused
from jobs.handlers import handler
from jobs.runner import JobRun


@handler("files.tidy", label=_("Tidying the file store"), every_minutes=10)
def tidy(run: JobRun) -> None:
    """Forget abandoned uploads, empty the bin of what is old, and delete the bytes that nobody needs."""
    expired, purged = services.expire_uploads(), services.purge_bin()
    run.result({"uploads": expired, "files": purged, **asdict(remove_unused())})


@handler("files.thumbnail", label=_("Small picture of a picture"), is_background=True, deadline_s=60)
def make_thumbnail(run: JobRun) -> None:
    """Draw what lists and the viewing page show of a picture."""
    run.result({"is_made": services.make_thumbnail(sha256=run.payload["blob"])})
