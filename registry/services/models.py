"""Writes of registered models."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from audit.services import person, record
from registry.models import RegisteredModel
from registry.naming import model_name
from registry.services._state import Actor, demand_present, lock_model


def register_model(
    *, name: str, actor: Actor, description: str = "", task: str = "", owner: User | None = None
) -> RegisteredModel:
    """Give the model of a name, registered if there was none. Raises Invalid for a bad name."""
    return register_model_once(name=name, actor=actor, description=description, task=task, owner=owner)[0]


def register_model_once(
    *, name: str, actor: Actor, description: str = "", task: str = "", owner: User | None = None
) -> tuple[RegisteredModel, bool]:
    """Give the model of a name, and whether it was registered by this call. Raises Invalid for a bad name."""
    if owner is None and isinstance(actor, User):
        owner = actor
    with transaction.atomic():
        model, is_new = RegisteredModel.objects.get_or_create(
            name=model_name(name), defaults={"description": description, "task": task, "owner": owner}
        )
        if is_new:
            record(action="registry.model_registered", actor=actor, target=model, after=_facts(model))
    return model, is_new


def update_model(
    *, model: RegisteredModel, actor: Actor, description: str | None = None, task: str | None = None,
    owner: User | None = None, intended_use: str | None = None, limits: str | None = None, licence: str | None = None,
) -> RegisteredModel:  # fmt: skip
    """Change what a model says of itself; `None` leaves a field as it is. The longer texts are Markdown."""
    texts = {"description": description, "intended_use": intended_use, "limits": limits, "licence": licence}
    given = {**texts, "task": task, "owner": owner}
    with transaction.atomic():
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
    card = {"intended_use": model.intended_use, "limits": model.limits, "licence": model.licence}
    return {"name": model.name, **texts, **{name: text for name, text in card.items() if text}}
