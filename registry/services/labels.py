"""Writes of aliases and tags."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, Invalid, NotFound
from registry.models import ModelAlias, ModelTag, ModelVersion, RegisteredModel, VersionTag
from registry.naming import alias_name, tag_key
from registry.services._state import Actor, demand_present, lock_model

MAX_VALUE_CHARACTERS = 5000


def set_alias(*, model: RegisteredModel, name: str, version: ModelVersion, actor: Actor) -> ModelAlias:
    """Point an alias of a model at one of its ready versions.

    Raises Invalid for a bad name or another model's version, Conflict if the version is not ready.
    """
    name = alias_name(name)
    if version.model_id != model.pk:
        raise Invalid(_("%(version)s is a version of another model.") % {"version": version})
    with transaction.atomic():
        _lock(model)
        if not ModelVersion.objects.ready().filter(pk=version.pk).exists():
            raise Conflict(
                _("%(version)s is not ready: an alias needs a version that passed its check.") % {"version": version}
            )
        old = model.aliases.filter(name=name).select_related("version").first()
        alias, _is_new = ModelAlias.objects.update_or_create(model=model, name=name, defaults={"version": version})
        if old is None or old.version_id != version.pk:
            before = {"version": old.version.number} if old else {}
            _record("registry.alias_set", actor, model, name, before, {"version": version.number})
    return alias


def delete_alias(*, model: RegisteredModel, name: str, actor: Actor) -> None:
    """Take an alias away. Raises NotFound if there is none of that name."""
    with transaction.atomic():
        _lock(model)
        alias = model.aliases.filter(name=name).select_related("version").first()
        if alias is None:
            raise NotFound(_("%(model)s has no alias %(name)s.") % {"model": model, "name": name})
        alias.delete()
        _record("registry.alias_deleted", actor, model, name, {"version": alias.version.number}, {})


def set_tag(*, target: RegisteredModel | ModelVersion, key: str, value: str, actor: Actor) -> None:
    """Give a model or a version a tag, or another value to a tag that it has. Raises Invalid for a bad key or value."""
    key = tag_key(key)
    if len(value) > MAX_VALUE_CHARACTERS or "\0" in value:
        raise Invalid(f"value: must have at most {MAX_VALUE_CHARACTERS} characters", fields={"value": "is too long"})
    with transaction.atomic():
        _lock(target)
        before = dict(target.tags.filter(key=key).values_list("key", "value"))
        if before.get(key) != value:
            tags, owner = _tags_of(target)
            tags.objects.update_or_create(key=key, **owner, defaults={"value": value})
            record(action="registry.tag_set", actor=actor, target=target, before=before, after={key: value})


def delete_tag(*, target: RegisteredModel | ModelVersion, key: str, actor: Actor) -> None:
    """Take a tag away. Raises NotFound if there is none of that key."""
    with transaction.atomic():
        _lock(target)
        before = dict(target.tags.filter(key=key).values_list("key", "value"))
        if not target.tags.filter(key=key).delete()[0]:
            raise NotFound(_("There is no tag %(key)s.") % {"key": key})
        record(action="registry.tag_deleted", actor=actor, target=target, before=before)


def _tags_of(target: RegisteredModel | ModelVersion) -> tuple[type[ModelTag] | type[VersionTag], dict[str, Any]]:
    if isinstance(target, RegisteredModel):
        return ModelTag, {"model": target}
    return VersionTag, {"version": target}


def _lock(target: RegisteredModel | ModelVersion) -> None:
    if isinstance(target, RegisteredModel):
        demand_present(lock_model(target))
    else:
        lock_model(target.model)
        demand_present(ModelVersion.objects.get(pk=target.pk))


def _record(
    action: str, actor: Actor, model: RegisteredModel, name: str, before: dict[str, int], after: dict[str, int]
) -> None:
    label = f"{model}@{name}"
    record(action=action, actor=actor, target=model, target_label=label, before=before, after=after)
