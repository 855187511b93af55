"""Writes of tags."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Invalid, NotFound
from common.transactions import transactional
from notify.services import publish
from registry.models import ModelTag, ModelVersion, RegisteredModel, VersionTag
from registry.naming import MAX_VALUE_CHARACTERS, tag_key
from registry.services._state import Actor, demand_present, lock_model


@transactional
def set_tag(*, target: RegisteredModel | ModelVersion, key: str, value: str, actor: Actor) -> None:
    """Give a model or a version a tag, or another value to a tag that it has. Raises Invalid for a bad key or value."""
    key = tag_key(key)
    if len(value) > MAX_VALUE_CHARACTERS or "\0" in value:
        said = _("must have at most %(count)s characters") % {"count": MAX_VALUE_CHARACTERS}
        raise Invalid(f"value: {said}", fields={"value": said})
    _lock(target)
    before = dict(target.tags.filter(key=key).values_list("key", "value"))
    if before.get(key) != value:
        tags, owner = _tags_of(target)
        tags.objects.update_or_create(key=key, **owner, defaults={"value": value})
        record(action="registry.tag_set", actor=actor, target=target, before=before, after={key: value})
        _publish("model_version_tag.set", target, key=key, value=value)


@transactional
def delete_tag(*, target: RegisteredModel | ModelVersion, key: str, actor: Actor) -> None:
    """Take a tag away. Raises NotFound if there is none of that key, Invalid for what can be no key."""
    key = tag_key(key)
    _lock(target)
    before = dict(target.tags.filter(key=key).values_list("key", "value"))
    if not target.tags.filter(key=key).delete()[0]:
        raise NotFound(_("There is no tag %(key)s.") % {"key": key})
    record(action="registry.tag_deleted", actor=actor, target=target, before=before)
    _publish("model_version_tag.deleted", target, key=key)


def _publish(event: str, target: RegisteredModel | ModelVersion, **tag: str) -> None:
    """Tell of a tag of a version; of those of models MLflow tells nobody."""
    if isinstance(target, ModelVersion):
        publish(event=event, payload={"name": target.model.name, "version": str(target.number), **tag})


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
