"""The newest version of each stage: the one read of the protocol that asks for a whole model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from uuid import UUID

from django.db import connection

from registry.models import ModelVersion, ModelVersionQuerySet, RegisteredModel

STAGES = ("None", "Staging", "Production", "Archived")
State = ModelVersion.State
# What the protocol calls READY: whatever is kept and was not refused.
KEPT = (State.REGISTERED, State.PENDING, State.CHECKING, State.READY, State.ARCHIVED)


def newest_by_stage(
    models: Collection[RegisteredModel], stages: Sequence[str] = STAGES
) -> dict[int, list[ModelVersion]]:
    """Give the newest kept version of each stage, by the key of the model, in the order of the stages.

    The database seeks each of them in the index `registry_version_newest`, however many versions there are.
    """
    if not models:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_seeks(len(models)), [model.pk for model in models])
        keys = [UUID(str(key)) for row in cursor.fetchall() for key in row if key]
    best: dict[tuple[int, str], ModelVersion] = {}
    for version in shown(ModelVersion.objects.filter(pk__in=keys)):
        place = (version.model_id, version.stage)
        if place not in best or best[place].number < version.number:
            best[place] = version
    found = {model.pk: [best.get((model.pk, stage)) for stage in stages] for model in models}
    return {key: [version for version in versions if version] for key, versions in found.items()}


def shown(versions: ModelVersionQuerySet) -> ModelVersionQuerySet:
    """Give versions with all that the protocol shows of them."""
    return versions.select_related("model", "created_by").prefetch_related("aliases", "tags")


@cache
def _seeks(models: int) -> str:
    """Give the statement of one seek for each stage and state of some models: Django would build it anew each time."""
    quote, table, owner = connection.ops.quote_name, ModelVersion._meta.db_table, RegisteredModel._meta.db_table
    same = f"SELECT v.id FROM {quote(table)} v WHERE v.model_id = m.id"  # noqa: S608  names and words of our own
    columns = ", ".join(
        f"({same} AND v.stage = '{stage}' AND v.state = '{state}' ORDER BY v.number DESC LIMIT 1)"
        for stage in STAGES
        for state in KEPT
    )
    return f"SELECT {columns} FROM {quote(owner)} m WHERE m.id IN ({', '.join(['%s'] * models)})"  # noqa: S608
