"""Writes of aliases: set, moved, taken away, rolled back; a protected one asks `promotion.demand` first."""

from __future__ import annotations

from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, Invalid, NotFound
from common.transactions import transactional
from notify.services import publish
from registry.models import AliasRule, ModelAlias, ModelVersion, RegisteredModel
from registry.naming import alias_name
from registry.services._state import Actor, demand_nameable, demand_present, lock_model
from registry.services.history import note_move, version_before
from registry.services.promotion import Permit, demand


@transactional
def set_alias(
    *,
    model: RegisteredModel,
    name: str,
    version: ModelVersion,
    actor: Actor,
    reason: str = "",
    old_alias: str = "",
) -> ModelAlias:
    """Point an alias of a model at one of its versions; the version that had it gets `old_alias`, if given.

    Raises Invalid for a bad name or another model's version, Conflict if the version is not fit, and for a protected
    alias NotAllowed, GateFailed, ApprovalNeeded.
    """
    name, old_alias = alias_name(name), old_alias and alias_name(old_alias)
    if version.model_id != model.pk:
        raise Invalid(_("%(version)s is a version of another model.") % {"version": version})
    if old_alias == name:
        raise Invalid(_("The version before cannot keep the same alias."), fields={"old_alias": "is the alias itself"})
    demand_present(lock_model(model))
    demand_nameable(version, is_protected=AliasRule.objects.protecting(model, name) is not None)
    old = _find(model, name)
    if old is not None and old.version_id == version.pk:
        return old
    permit = demand(version=version, actor=actor, alias=name)
    if old is not None and old_alias:
        set_alias(model=model, name=old_alias, version=old.version, actor=actor, reason=reason)
    return _point(model, name, version, old, actor=actor, reason=reason, permit=permit)


@transactional
def delete_alias(*, model: RegisteredModel, name: str, actor: Actor, reason: str = "") -> None:
    """Take an alias away; for a protected one the same is asked as for a move, but no gate.

    Raises NotFound if there is none of that name, NotAllowed, ApprovalNeeded.
    """
    lock_model(model)
    alias = _find(model, name)
    if alias is None:
        raise NotFound(_("%(model)s has no alias %(name)s.") % {"model": model, "name": name})
    permit = demand(version=alias.version, actor=actor, alias=name, is_removal=True)
    alias.delete()
    note_move(model=model, name=name, version=None, actor=actor)
    before = {"version": alias.version.number}
    _tell("registry.alias_deleted", model, name, actor, reason, before=before, after={})
    publish(event="model_version_alias.deleted", payload={"name": model.name, "alias": name})
    permit.use(actor)


@transactional
def rollback_alias(*, model: RegisteredModel, name: str, actor: Actor, reason: str = "") -> ModelAlias:
    """Point an alias at what it pointed at before; again goes further back.

    For a protected alias only the right is asked, for that version was let in before.
    Raises NotFound, NotAllowed, Conflict if there is nothing before, or it is not fit any more, as `set_alias`.
    """
    demand_present(lock_model(model))
    old, before = _find(model, name), version_before(model, name)
    if old is None:
        raise NotFound(_("%(model)s has no alias %(name)s.") % {"model": model, "name": name})
    if before is None:
        raise Conflict(_("%(name)s has pointed at nothing before.") % {"name": name}, code="nothing_before")
    demand_nameable(before, is_protected=AliasRule.objects.protecting(model, name) is not None)
    permit = demand(version=before, actor=actor, alias=name, is_return=True)
    return _point(
        model, name, before, old, actor=actor, reason=reason, permit=permit, action="registry.alias_rolled_back"
    )


def _find(model: RegisteredModel, name: str) -> ModelAlias | None:
    return model.aliases.filter(name=name).select_related("version__model").first()


def _point(
    model: RegisteredModel,
    name: str,
    version: ModelVersion,
    old: ModelAlias | None,
    *,
    actor: Actor,
    reason: str,
    permit: Permit,
    action: str = "registry.alias_set",
) -> ModelAlias:
    alias, _is_new = ModelAlias.objects.update_or_create(model=model, name=name, defaults={"version": version})
    note_move(model=model, name=name, version=version, actor=actor, reason=reason, approval=permit.approval)
    before = {"version": old.version.number} if old else {}
    _tell(action, model, name, actor, reason, before=before, after={"version": version.number})
    named = {"name": model.name, "alias": name, "version": str(version.number)}
    publish(event="model_version_alias.created", payload=named)
    permit.use(actor)
    return alias


def _tell(
    action: str,
    model: RegisteredModel,
    name: str,
    actor: Actor,
    reason: str,
    *,
    before: dict[str, int],
    after: dict[str, int],
) -> None:
    told = {"model": model.name, "alias": name, "before": before.get("version"), "after": after.get("version")}
    publish(event="alias.changed", payload={**told, "reason": reason}, target=model)
    label = f"{model}@{name}"
    record(action=action, actor=actor, target=model, target_label=label, before=before, after=after, reason=reason)
