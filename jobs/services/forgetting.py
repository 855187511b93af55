"""Jobs that nobody asks for any more."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from common.deleting import delete_in_pieces
from common.ids import floor_of
from jobs import handlers
from jobs.models import Job


def forget_old() -> int:
    """Delete background jobs that ended JOBS_KEEP_DAYS ago, with their logs, and give how many; safe to break off.

    The runs of a schedule are counted when it fires; jobs that people begin stay, and those that a page still shows.
    """
    if not settings.JOBS_KEEP_DAYS:
        return 0
    until = timezone.now() - timedelta(days=settings.JOBS_KEEP_DAYS)
    old = Job.objects.filter(pk__lt=floor_of(until), finished_at__lt=until, schedule=None).order_by("pk")
    kinds = [one.kind for one in handlers.every() if one.is_background and not one.is_kept]
    return sum(delete_in_pieces(old.filter(kind=kind)) for kind in kinds)
