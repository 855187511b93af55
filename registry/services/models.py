"""Writes of registered models."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import person, record
from common.errors import Conflict
from common.transactions import transactional
from notify.services import publish
from registry.models import RegisteredModel
from registry.naming import model_name
from registry.services._state import Actor, demand_present, lock_model
from registry.services.labels import set_tag
from registry.services.promotion import demand_free_name


def register_model(
    *, name: str, actor: Actor, description: str = "", task: str = "", owner: User | None = None
) -> RegisteredModel:
    """Give the model of a name, registered if there was none. Raises Invalid for a bad name."""
    return register_model_once(name=name, actor=actor, description=description, task=task, owner=owner)[0]


@transactional
def register_model_once(
    *,
    name: str,
    actor: Actor,
    description: str = "",
    task: str = "",
    owner: User | None = None,
    tags: Mapping[str, str] | None = None,
    **more: str,
) -> tuple[RegisteredModel, bool]:
    """Give the model of a name, and whether it was registered by this call. Raises Invalid for a bad name or tag."""
    if owner is None and isinstance(actor, User):
        owner = actor
    model, is_new = RegisteredModel.objects.get_or_create(
        name=model_name(name), defaults={"description": description, "task": task, "owner": owner, **more}
    )
    if is_new:
        record(action="registry.model_registered", actor=actor, target=model, after=_facts(model))
        for key, value in (tags or {}).items():
            set_tag(target=model, key=key, value=value, actor=actor)
        told = {"name": model.name, "tags": dict(tags or {}), "description": description}
        publish(event="registered_model.created", payload=told)
    return model, is_new


@transactional
def rename_model(*, model: RegisteredModel, name: str, actor: Actor, reason: str = "") -> RegisteredModel:
    """Give a model another name; what refers to it goes with it. Raises Invalid, Conflict for a name that is taken."""
    locked, wanted = lock_model(model), model_name(name)
    demand_present(locked)
    if wanted == locked.name:
        return locked
    demand_free_name(model=locked, actor=actor)
    if RegisteredModel.objects.filter(name=wanted).exists():
        told = _("There is another model %(name)s by now.") % {"name": wanted}
        raise Conflict(told, code="already_exists", fields={"name": told})
    before, now = locked.name, timezone.now()
    locked.name = wanted
    locked.save(update_fields=["name", "updated_at"])
    locked.versions.update(updated_at=now)
    record(
        action="registry.model_renamed",
        actor=actor,
        target=locked,
        before={"name": before},
        after={"name": wanted},
        reason=reason,
    )
    model.refresh_from_db()
    return model


@transactional
def update_model(
    *, model: RegisteredModel, actor: Actor, description: str | None = None, task: str | None = None,
    owner: User | None = None, intended_use: str | None = None, limits: str | None = None, licence: str | None = None,
    deployment_job_id: str | None = None,
) -> RegisteredModel:  # fmt: skip
    """Change what a model says of itself; `None` leaves a field as it is. The longer texts are Markdown."""
    texts = {"description": description, "intended_use": intended_use, "limits": limits, "licence": licence}
    given = {**texts, "task": task, "owner": owner, "deployment_job_id": deployment_job_id}
    locked = lock_model(model)
    demand_present(locked)
    before = _facts(locked)
    for field, value in given.items():
        if value is not None:
            setattr(locked, field, value)
    locked.full_clean()
    if _facts(locked) != before:
        locked.save(update_fields=[*given, "updated_at"])
        record(action="registry.model_changed", actor=actor, target=locked, before=before, after=_facts(locked))
    return locked


def _facts(model: RegisteredModel) -> dict[str, object]:
    owner = person(model.owner) if model.owner else ""
    texts = {"description": model.description, "task": model.task, "owner": owner}
    card = {name: getattr(model, name) for name in ("intended_use", "limits", "licence", "deployment_job_id")}
    return {"name": model.name, **texts, **{name: text for name, text in card.items() if text}}
