"""Jobs of this app."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from datasets import services
from jobs.handlers import handler
from jobs.runner import JobRun


@handler("datasets.give_up_versions", label=_("Versions whose making was ended"), every_minutes=1, is_background=True)
def give_up_versions(run: JobRun) -> None:
    """Say of versions whose job came to no good end that they are not made."""
    run.result({"versions": services.give_up_versions()})
