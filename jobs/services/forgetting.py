"""Jobs that nobody asks for any more."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import CASCADE, Exists, ForeignObjectRel, OuterRef, Q
from django.utils import timezone

from common.deleting import delete_in_pieces
from common.ids import floor_of
from jobs import handlers
from jobs.models import Job


def forget_old() -> int:
    """Delete jobs that ended JOBS_KEEP_DAYS ago, with their logs, and give how many; safe to break off.

    The runs of a schedule are counted when it fires; those stay that a row points at or a page still shows.
    """
    if not settings.JOBS_KEEP_DAYS:
        return 0
    until = timezone.now() - timedelta(days=settings.JOBS_KEEP_DAYS)
    old = Job.objects.filter(pk__lt=floor_of(until), finished_at__lt=until, schedule=None)
    shown = [one.kind for one in handlers.every() if one.is_kept]
    return delete_in_pieces(old.exclude(_is_pointed_at()).exclude(kind__in=shown).order_by("pk"))


def _is_pointed_at() -> Q:
    """Give the condition that a row of any app, other than the job's own, names the job."""
    found = Q()
    for relation in Job._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and relation.on_delete is not CASCADE:
            rows = relation.field.model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
            found |= Q(Exists(rows))
    return found
