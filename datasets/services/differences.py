"""What differs between two versions: asked for, and kept for good once it is found."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from common.errors import Invalid, NotReady
from common.transactions import transactional
from datasets.models import DatasetVersion, VersionDifference
from jobs import services as jobs

COMPARE = "datasets.compare"


@transactional
def compare_versions(*, before: DatasetVersion, after: DatasetVersion, actor: Any, key: str = "") -> VersionDifference:
    """Give the difference of two versions; what nobody has asked for yet is found by a job.

    `key` is a column whose values tell rows apart; without one a column of unique values called id, key or the like is
    taken, else whole rows are compared. Raises NotReady, Invalid naming the field.
    """
    _check(before, after, key)
    wanted = {"before": before, "after": after, "key": key}
    found = VersionDifference.objects.filter(**wanted).select_related("job").first() or _made(wanted, actor)
    job = found.job
    if found.found_at is None and (job is None or (job.is_finished and not job.is_retryable)):
        payload = {"difference": str(found.pk)}
        found.job = jobs.enqueue(kind=COMPARE, payload=payload, actor=actor, target=found)
        found.save(update_fields=["job"])
    elif found.found_at is None and job and job.is_retryable:
        found.job = jobs.retry(job=job, actor=actor)
    return found


def _made(wanted: dict[str, Any], actor: Any) -> VersionDifference:
    """Give the row of a pair, made now unless somebody else has just done so."""
    try:
        with transaction.atomic():
            return VersionDifference.objects.create(**wanted, created_by=actor if getattr(actor, "pk", None) else None)
    except IntegrityError:
        return VersionDifference.objects.select_related("job").get(**wanted)


def _check(before: DatasetVersion, after: DatasetVersion, key: str) -> None:
    for version in (before, after):
        if not version.is_sealed:
            raise NotReady(_("%(version)s is not sealed.") % {"version": version}, code="not_sealed")
    if before.pk == after.pk:
        said = _("These are one and the same version.")
        raise Invalid(said, fields={"before": said})
    old, new = ({one["name"]: one["type"] for one in version.columns} for version in (before, after))
    if not old.keys() & new.keys():
        said = _("The two versions have no column in common.")
        raise Invalid(said, code="no_common_column", fields={"before": said})
    if key and (key not in old or key not in new or old[key] != new[key]):
        said = _("The column “%(name)s” is not in both versions with one type.") % {"name": key[:100]}
        raise Invalid(said, fields={"key": said})
