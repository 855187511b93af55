"""All facts of a model's loop, as far as a reader may see them: a number of queries that does not grow with rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from feedback.improving import said, versions
from feedback.improving.facts import Facts
from feedback.improving.loop import STEPS
from feedback.models.feedback import SEE_ALL
from feedback.sight import Onlooker
from inference.models import Route
from registry.models import ModelVersion, RegisteredModel

# What a reader has to hold to see the rows of a step.
_VERSIONS = ("registry.view_modelversion", "inference.view_deployment", "inference.view_route")
SEES = {
    "answers": ("inference.view_deployment", "inference.view_inferencerequest", "feedback.view_feedback", SEE_ALL),
    "queue": ("feedback.view_feedback", "feedback.view_reviewqueue", SEE_ALL),
    "review": ("feedback.view_reviewqueue",),
    "data": ("datasets.view_datasetversion", "feedback.view_reviewqueue"),
    "train": _VERSIONS,
    "evaluate": (*_VERSIONS, "registry.view_evaluation"),
    "gate": (*_VERSIONS, "registry.view_gatepolicy", "registry.view_approvalrequest"),
    "serve": _VERSIONS,
}


def facts_of(model: RegisteredModel, reader: Onlooker) -> Facts:
    """Give what is known of a model's loop."""
    hidden = frozenset(step for step in STEPS if not all(map(reader.may, SEES[step])))
    everywhere = said.places_of(model) if reader.may("inference.view_deployment") else []
    allowed = getattr(reader, "allowed_models", None)  # a key for some deployments knows nothing of the others
    places = [(key, name) for key, name in everywhere if allowed is None or name in allowed]
    if everywhere and not places:
        hidden = frozenset(STEPS)
    queues = said.queues_of(places, reader) if "review" not in hidden else ()
    queues, data = said.with_data(queues) if "data" not in hidden else (queues, None)
    family = said.family_of(data) if data else set()
    is_used = data is not None and "train" not in hidden and versions.is_used(model, family, data.created_at)
    return Facts(
        model=model.name,
        heard=said.heard_of(places, with_calls="answers" not in hidden, with_words=not {"answers", "queue"} <= hidden),
        more_deployments=max(0, len(places) - said.MOST_DEPLOYMENTS),
        queues=queues,
        data=said.told_of(data, is_used=is_used) if data else None,
        hidden=hidden,
        **(_tried(model, places, family, hidden, reader) if "train" not in hidden else {}),
    )


def _tried(
    model: RegisteredModel,
    places: list[tuple[int, str]],
    family: set[UUID],
    hidden: frozenset[str],
    reader: Onlooker,
) -> dict[str, Any]:
    """Give what is known of the version under way, and of its way to its callers."""
    routes = versions.routes_of(model, places)
    live = next((route for route in routes if route.kind == Route.Kind.LIVE and route.weight), None)
    canary = next((route for route in routes if route.kind == Route.Kind.CANARY), None)
    tried = versions.tried_of(model, live.version if live else None, canary)
    found: dict[str, Any] = {
        "live": versions.told_of(live.version, family) if live else None,
        "live_since": live.created_at if live else None,
        "tried": versions.told_of(tried, family) if tried else None,
        "canary": versions.canary_of(canary) if canary else None,
    }
    if tried and places and not canary:
        found["stopped"] = versions.stopped_of(tried, places[0][0])
    if tried and places and "gate" not in hidden and tried.state == ModelVersion.State.READY:
        found["gate"] = versions.gate_of(tried, places[0][1], reader)
    judged = tried or (live.version if live else None)
    if judged and "evaluate" not in hidden:
        found |= {"evaluated": versions.evaluated(judged), "exam": versions.exam_of(model)}
    return found
