"""Models and versions put away to be purged later, and brought back as they were until then.

The state is moved first and uses are looked for afterwards: whoever begins to use a version locks its row while it is
ready (`servable`), so that one of the two always sees the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict
from common.transactions import transactional
from jobs.models import Job
from jobs.services import cancel
from registry.models import AliasRule, ModelVersion, ModelVersionQuerySet, RegisteredModel
from registry.naming import model_name
from registry.services._state import CHECK, PURGE, Actor, State, enqueue_check, facts, lock_model, tell
from registry.services.aliases import delete_alias
from registry.services.approvals import void_approvals
from registry.usage import live_usages

# A check that was under way is asked for again by a restore.
_UNCHECKED = (State.PENDING, State.CHECKING)
_SHOWN = 5


@transactional
def delete_version(*, version: ModelVersion, actor: Actor, reason: str = "") -> ModelVersion:
    """Put a version in the bin for DELETED_KEEP_DAYS; its number never comes back. Aliases of it go.

    Raises Conflict while it serves, is run over something, has a protected alias, or is deleted already.
    """
    lock_model(version.model)
    version.refresh_from_db()
    before = facts(version)
    if not _put_away(ModelVersion.objects.filter(pk=version.pk)):
        raise Conflict(_("%(version)s is deleted already.") % {"version": version}, code="deleted")
    _let_go(version.model, ModelVersion.objects.filter(pk=version.pk), actor, reason)
    RegisteredModel.objects.filter(pk=version.model_id).update(updated_at=timezone.now())
    version.refresh_from_db()
    tell(version, "version_deleted", actor, before, reason=reason)
    return version


@transactional
def restore_version(*, version: ModelVersion, actor: Actor, reason: str = "") -> ModelVersion:
    """Give a deleted version back the state that it had; aliases are set anew by hand.

    Raises Conflict if it is not deleted, or its model is.
    """
    model = lock_model(version.model)
    if model.deleted_at is not None:
        raise Conflict(_("The model %(model)s is deleted: restore it first.") % {"model": model}, code="deleted")
    version.refresh_from_db()
    before = facts(version)
    if not _bring_back(ModelVersion.objects.filter(pk=version.pk), actor):
        raise Conflict(_("%(version)s is not deleted.") % {"version": version}, code="not_deleted")
    version.refresh_from_db()
    tell(version, "version_restored", actor, before, reason=reason)
    return version


@transactional
def delete_model(*, model: RegisteredModel, actor: Actor, reason: str = "") -> RegisteredModel:
    """Put a model and its versions in the bin for DELETED_KEEP_DAYS; its name is free at once, its aliases go.

    Raises Conflict while a version serves or is run over something, or for a protected alias.
    """
    locked = lock_model(model)
    if locked.deleted_at is not None:
        raise Conflict(_("%(model)s is deleted already.") % {"model": locked}, code="deleted")
    now, versions = timezone.now(), ModelVersion.objects.filter(model=locked)
    count = _put_away(versions, now)
    _let_go(locked, versions, actor, reason)
    locked.deleted_at, locked.deleted_name, locked.name = now, locked.name, f"{locked.name}~{locked.pk}"
    locked.save(update_fields=["deleted_at", "deleted_name", "name", "updated_at"])
    before = {"name": locked.deleted_name, "versions": count}
    record(action="registry.model_deleted", actor=actor, target=locked, before=before, reason=reason)
    model.refresh_from_db()
    return model


@transactional
def restore_model(*, model: RegisteredModel, actor: Actor, reason: str = "", name: str = "") -> RegisteredModel:
    """Bring a deleted model back with the versions that went with it, under its name or another.

    Raises Conflict if it is not deleted, or another model has the name by now.
    """
    locked = lock_model(model)
    if locked.deleted_at is None:
        raise Conflict(_("%(model)s is not deleted.") % {"model": locked}, code="not_deleted")
    if Job.objects.filter(kind=PURGE, target_id=str(locked.pk)).unfinished().exists():
        raise Conflict(_("%(model)s is being removed for good.") % {"model": locked}, code="deleted")
    wanted = model_name(name) if name else locked.deleted_name
    if RegisteredModel.objects.filter(name=wanted).exists():
        said = _("There is another model %(name)s by now: restore this one under another name.") % {"name": wanted}
        raise Conflict(said, code="name_taken", fields={"name": said})
    count = _bring_back(ModelVersion.objects.filter(model=locked, deleted_at=locked.deleted_at), actor)
    locked.deleted_at, locked.deleted_name, locked.name = None, "", wanted
    locked.save(update_fields=["deleted_at", "deleted_name", "name", "updated_at"])
    after = {"name": wanted, "versions": count}
    record(action="registry.model_restored", actor=actor, target=locked, after=after, reason=reason)
    model.refresh_from_db()
    return model


def _put_away(versions: ModelVersionQuerySet, now: datetime | None = None) -> int:
    # `state_before` stands first: MariaDB assigns from left to right.
    return versions.present().update(
        state_before=F("state"), state=State.DELETED, deleted_at=now or timezone.now(), updated_at=timezone.now()
    )


def _bring_back(versions: ModelVersionQuerySet, actor: Actor) -> int:
    deleted = versions.filter(state=State.DELETED)
    unchecked = list(deleted.filter(state_before__in=_UNCHECKED).select_related("model"))
    # Neither aliases nor stages come back: what they promise may have been given to others, or protected.
    back = {"state_before": "", "deleted_at": None, "stage": "None", "updated_at": timezone.now()}
    count = deleted.exclude(state_before__in=_UNCHECKED).update(state=F("state_before"), **back)
    count += versions.filter(pk__in=[one.pk for one in unchecked]).update(state=State.PENDING, **back)
    for version in unchecked:
        version.refresh_from_db()
        if not version.is_waiting_for_trust:
            enqueue_check(version, actor)
    return count


def _let_go(model: RegisteredModel, versions: ModelVersionQuerySet, actor: Actor, reason: str) -> None:
    """Refuse what is in use; end checks of versions that have just been put away and take their aliases."""
    if usages := live_usages(versions):
        names = ", ".join(sorted({use.label for found in usages.values() for use in found})[:_SHOWN])
        raise Conflict(_("It is in use: %(names)s. End that first.") % {"names": names}, code="in_use")
    aliases = list(model.aliases.filter(version__in=versions).values_list("name", flat=True))
    stages = versions.exclude(stage="None").values_list("stage", flat=True).distinct()
    _demand_unprotected(model, [*aliases, *stages])
    unchecked = versions.filter(state_before__in=_UNCHECKED).values_list("pk", flat=True)
    checks = Job.objects.filter(kind=CHECK, target_id__in=[str(key) for key in unchecked], cancel_requested_at=None)
    for job in checks.unfinished():
        cancel(job=job, actor=actor, reason=reason)
    for alias in aliases:
        delete_alias(model=model, name=alias, actor=actor, reason=reason)
    void_approvals(versions=versions, actor=actor)


def _demand_unprotected(model: RegisteredModel, aliases: Iterable[str]) -> None:
    protected = {rule.name.casefold() for rule in AliasRule.objects.of(model)}
    if names := sorted(name for name in aliases if name.casefold() in protected):
        said = _("The protected alias %(names)s points at it: move or remove it first.")
        raise Conflict(said % {"names": ", ".join(names)}, code="alias_protected")
