"""Deleted models and versions removed for good: rows go, blobs are given back, the audit keeps what went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid
from common.transactions import transactional
from files.models import Blob
from files.services import release
from jobs.models import Job
from jobs.services import enqueue
from registry.models import (
    Evaluation,
    ModelFile,
    ModelVersion,
    ModelVersionQuerySet,
    RegisteredModel,
    RegisteredModelQuerySet,
)
from registry.services._state import PURGE, Actor, facts, lock_model
from registry.usage import forget_all

PURGER = "registry.purge_deleted"
AT_ONCE = 100  # versions of one transaction
_FILES_TOLD = 50
_AS_GOOD_AS_EVER = 365 * 100  # days; of more there may be no date


@dataclass(frozen=True, slots=True)
class Weight:
    """How much goes with some versions; `freed_bytes` are those of blobs that nobody else needs."""

    versions: int = 0
    files: int = 0
    size_bytes: int = 0
    freed_bytes: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(
            self.versions + other.versions,
            self.files + other.files,
            self.size_bytes + other.size_bytes,
            self.freed_bytes + other.freed_bytes,
        )


def weigh(versions: ModelVersionQuerySet) -> Weight:
    """Give what a purge of some versions would take and free."""
    held = _held(versions)
    known = {blob.pk: blob for start in _steps(held) for blob in Blob.objects.filter(pk__in=start)}
    return Weight(
        versions=versions.count(),
        files=ModelFile.objects.filter(version__in=versions).count(),
        size_bytes=sum(known[sha256].size_bytes * count for sha256, count in held.items()),
        freed_bytes=sum(known[sha256].size_bytes for sha256, n in held.items() if known[sha256].references <= n),
    )


def expired(*, days: int | None = None) -> tuple[RegisteredModelQuerySet, ModelVersionQuerySet]:
    """Give the models that were deleted long enough ago, and the versions of models that were not."""
    limit = kept_since(days)
    models = RegisteredModel.objects.filter(deleted_at__lt=limit).order_by("deleted_at")
    versions = ModelVersion.objects.deleted().filter(deleted_at__lt=limit, model__deleted_at=None)
    return models, versions.order_by("deleted_at").select_related("model")


def kept_since(days: int | None = None) -> datetime:
    """Give the time before which what was deleted is purged; `days` for DELETED_KEEP_DAYS."""
    return timezone.now() - timedelta(days=min(settings.DELETED_KEEP_DAYS if days is None else days, _AS_GOOD_AS_EVER))


def purge_expired(*, told: Callable[[str], object], actor: Actor = PURGER, days: int | None = None) -> Weight:
    """Purge what was deleted long enough ago, the oldest first; `told` hears of what is left, and why."""
    models, versions = expired(days=days)
    gone = Weight()
    work = [(str(one), partial(_purge_model, one, actor, "")) for one in models]
    work += [(str(one), partial(_purge, model=one.model, keys=[one.pk], actor=actor)) for one in versions]
    for name, purge in work:
        try:
            gone += purge()
        except Conflict as refused:
            told(f"{name}: {refused.message}")
    return gone


def purge_version(*, version: ModelVersion, actor: Actor, typed: str, reason: str = "") -> Weight:
    """Remove a deleted version for good, its name typed to confirm.

    Raises Invalid for another name, Conflict if it is not deleted.
    """
    demand_typed(typed, str(version))
    gone = _purge(model=version.model, keys=[version.pk], actor=actor, reason=reason)
    if not gone.versions:
        raise Conflict(_("%(version)s is not deleted.") % {"version": version}, code="not_deleted")
    return gone


def purge_model(*, model: RegisteredModel, actor: Actor, typed: str, reason: str = "") -> Weight:
    """Remove a deleted model and its versions for good, its name typed to confirm. May take minutes for thousands.

    Raises Invalid for another name, Conflict if it is not deleted.
    """
    demand_typed(typed, str(model))
    return _purge_model(model, actor, reason)


@transactional
def ask_purge(*, model: RegisteredModel, actor: User, typed: str, reason: str = "") -> Job:
    """Have a job purge a deleted model, its name typed to confirm.

    Raises Invalid for another name, Conflict if it is not deleted.
    """
    demand_typed(typed, str(model))
    _demand_deleted(lock_model(model))
    job = enqueue(kind=PURGE, payload={"model_id": model.pk}, actor=actor, target=model, key=f"{PURGE}:{model.pk}")
    record(action="registry.purge_asked", actor=actor, target=model, reason=reason)
    return job


def purge_asked(*, model_id: int, actor: Actor) -> Weight:
    """Do what `ask_purge` asked for, as far as it is not done."""
    model = RegisteredModel.objects.filter(pk=model_id).first()
    return _purge_model(model, actor, "") if model else Weight()


def demand_typed(typed: str, name: str) -> None:
    """Raise Invalid if what was typed to confirm is not the name."""
    if typed.strip() != name:
        said = _("Type “%(name)s” to confirm") % {"name": name}
        raise Invalid(said, fields={"typed": said})


def _demand_deleted(model: RegisteredModel) -> None:
    if model.deleted_at is None:
        raise Conflict(_("%(model)s is not deleted.") % {"model": model}, code="not_deleted")


def _purge_model(model: RegisteredModel, actor: Actor, reason: str) -> Weight:
    gone = Weight()
    while keys := list(model.versions.order_by("number").values_list("pk", flat=True)[:AT_ONCE]):
        gone += _purge(model=model, keys=keys, actor=actor, reason=reason, with_model=True)
    _remove(model=model, gone=gone, actor=actor, reason=reason)
    return gone


@transactional
def _remove(*, model: RegisteredModel, gone: Weight, actor: Actor, reason: str) -> None:
    _demand_deleted(lock_model(model))
    RegisteredModel.objects.filter(pk=model.pk).delete()
    told = {"name": str(model), "versions": gone.versions, "files": gone.files, "freed_bytes": gone.freed_bytes}
    record(action="registry.model_purged", actor=actor, target=model, before=told, reason=reason)


@transactional
def _purge(
    *, model: RegisteredModel, keys: Sequence[UUID], actor: Actor, reason: str = "", with_model: bool = False
) -> Weight:
    """Remove those of some versions that are deleted still. Raises Conflict if something above cannot let go."""
    locked = lock_model(model)
    if with_model:
        _demand_deleted(locked)
    rows = ModelVersion.objects.select_for_update().deleted().filter(pk__in=keys).order_by("number")
    versions = list(rows.prefetch_related("files"))
    here = ModelVersion.objects.filter(pk__in=[one.pk for one in versions])
    gone, held, told = weigh(here), _held(here), [_told(one) for one in versions]
    for version in versions:
        version.model = locked
        forget_all(version, actor)
    try:
        here.delete()
    except ProtectedError as error:
        needed = ", ".join(sorted(str(row) for row in error.protected_objects)[:3])
        raise Conflict(_("It is still needed by %(names)s.") % {"names": needed}, code="in_use") from None
    for sha256 in sorted(held):  # in one order, as who adds them does: they never wait in a ring
        release(blob=Blob(pk=sha256), times=held[sha256])
    for version, before in zip(versions, told, strict=True):
        record(action="registry.version_purged", actor=actor, target=version, before=before, reason=reason)
    return gone


def _held(versions: ModelVersionQuerySet) -> Counter[str]:
    """Give how many rows of some versions need each blob."""
    held: Counter[str] = Counter()
    for rows, column in (
        (ModelFile.objects.filter(version__in=versions), "blob_id"),
        (Evaluation.objects.filter(version__in=versions).exclude(answers=None), "answers_id"),
    ):
        held.update(dict(rows.order_by().values_list(column).annotate(Count("pk"))))
    return held


def _told(version: ModelVersion) -> dict[str, Any]:
    files = [f"{file.path} {file.blob_id}" for file in version.files.all()]
    return {**facts(version), "state": version.state_before, "files": files[:_FILES_TOLD]}


def _steps(held: Counter[str]) -> list[list[str]]:
    keys = sorted(held)
    return [keys[start : start + 500] for start in range(0, len(keys), 500)]
