"""Stages of MLflow: a name of which a version has one. Where a rule protects an alias of that name, it is asked."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from audit.services import record
from common.errors import Invalid
from common.transactions import transactional
from registry.models import AliasRule, ModelVersion, ModelVersionQuerySet, RegisteredModel
from registry.services._state import Actor, demand_nameable, demand_present, lock_model
from registry.services.promotion import Permit, demand

NONE, ARCHIVED = "None", "Archived"
ACTIVE = ("Staging", "Production")
STAGES = (NONE, *ACTIVE, ARCHIVED)


def stage_name(text: str) -> str:
    """Give a stage in its one form. Raises Invalid."""
    for stage in STAGES:
        if stage.casefold() == text.strip().casefold():
            return stage
    raise Invalid(f"Invalid Model Version stage: {text[:100]}. Value must be one of {', '.join(STAGES)}.")


@transactional
def set_stage(
    *, version: ModelVersion, stage: str, actor: Actor, archives_others: bool = False, reason: str = ""
) -> ModelVersion:
    """Put a version into a stage and, if asked, the others of that stage into Archived.

    Raises Invalid, Conflict for a deleted version, and as `set_alias` does where the stage is a protected name.
    """
    stage = stage_name(stage)
    if archives_others and stage not in ACTIVE:
        raise Invalid(
            f"Model version transition cannot archive existing model versions because '{stage}' is not an Active "
            f"stage. Valid stages are {', '.join(ACTIVE)}."
        )
    model = lock_model(version.model)
    version.refresh_from_db()
    demand_present(version)
    others = list(_others(version, stage)) if archives_others else []
    permits = _permits(version, stage, others, actor)
    before, now = version.stage, timezone.now()
    ModelVersion.objects.filter(pk__in=[other.pk for other in others]).update(stage=ARCHIVED, updated_at=now)
    ModelVersion.objects.filter(pk=version.pk).update(stage=stage, updated_at=now)
    RegisteredModel.objects.filter(pk=model.pk).update(updated_at=now)
    version.refresh_from_db()
    after = {"stage": stage, **({"archived": [other.number for other in others]} if others else {})}
    record(action="registry.stage_set", actor=actor, target=version, before={"stage": before}, after=after,
           reason=reason)  # fmt: skip
    for permit in permits:
        permit.use(actor)
    return version


def _others(version: ModelVersion, stage: str) -> ModelVersionQuerySet:
    found = ModelVersion.objects.present().filter(model_id=version.model_id, stage=stage).exclude(pk=version.pk)
    return found.select_related("model")


def _permits(version: ModelVersion, stage: str, others: Sequence[ModelVersion], actor: Actor) -> list[Permit]:
    """Ask the rules of the names that versions get and lose; one that takes another's place asks once for both."""
    gained, lost = _protected(version.model, stage), _protected(version.model, version.stage)
    if stage == version.stage:
        return [demand(version=other, actor=actor, alias=gained, is_removal=True) for other in others if gained]
    permits = []
    if gained:
        demand_nameable(version, is_protected=True)
        permits.append(demand(version=version, actor=actor, alias=gained))
    if lost:
        permits.append(demand(version=version, actor=actor, alias=lost, is_removal=True))
    return permits


def _protected(model: RegisteredModel, stage: str) -> str:
    """Give the name under which a stage is protected, empty where it is not."""
    rule = AliasRule.objects.protecting(model, stage) if stage != NONE else None
    return rule.name if rule else ""
