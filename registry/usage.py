"""Where versions serve and what to do with them next: the apps above say it through these hooks.

The registry cannot ask them; they fill the hooks in `AppConfig.ready`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from files.usage import NextStep

if TYPE_CHECKING:
    from registry.models import ModelVersion, ModelVersionQuerySet, RegisteredModel


@dataclass(frozen=True, slots=True)
class Usage:
    """One thing that uses a version; while it is live the version may not go."""

    label: str
    url: str = ""
    is_live: bool = True


@dataclass(frozen=True, slots=True)
class Served:
    """What a deployment gave a version of its calls, from when until when; `until` is `None` while it goes on."""

    deployment: str
    version: int
    kind: str
    weight: int
    since: datetime
    until: datetime | None
    by: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a version answered in the last day, and its process; `None` where there was nothing to measure."""

    shares: tuple[Served, ...] = ()
    requests: int = 0
    error_share: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    load_ms: float | None = None
    memory_bytes: int | None = None


Finder = Callable[["ModelVersionQuerySet"], Mapping[UUID, list[Usage]]]
LiveFinder = Callable[["RegisteredModel"], "ModelVersion | None"]
Forgetter = Callable[["ModelVersion", Any], None]
_finders: list[Finder] = []
_forgetters: list[Forgetter] = []
_live_finders: list[LiveFinder] = []
HistoryFinder = Callable[["RegisteredModel", datetime, datetime], list[Served]]
Deployer = Callable[..., object]
ModelsFinder = Callable[[str], set[int]]
_models_finders: list[ModelsFinder] = []
_history_finders: list[HistoryFinder] = []
_deployers: list[Deployer] = []
TrafficFinder = Callable[["ModelVersion"], Traffic]
_traffic_finders: list[TrafficFinder] = []
_next_steps: list[NextStep] = []
_model_steps: list[NextStep] = []


def register_finder(finder: Finder) -> None:
    """Add one who knows of uses; it is asked for many versions at once and answers in one query."""
    if finder not in _finders:
        _finders.append(finder)


def register_live_finder(finder: LiveFinder) -> None:
    """Add one who knows which version of a model answers most callers, if any does."""
    if finder not in _live_finders:
        _live_finders.append(finder)


def register_models_finder(finder: ModelsFinder) -> None:
    """Add one who knows which models are live in a deployment, by the keys of both."""
    if finder not in _models_finders:
        _models_finders.append(finder)


def register_history_finder(finder: HistoryFinder) -> None:
    """Add one who knows what was served of a model at some time of a span."""
    if finder not in _history_finders:
        _history_finders.append(finder)


def register_deployer(deployer: Deployer) -> None:
    """Add the service that lets an approved version serve: with `name`, `version`, `actor` and `reason`."""
    if deployer not in _deployers:
        _deployers.append(deployer)


def register_traffic_finder(finder: TrafficFinder) -> None:
    """Add the one who knows what a version answered lately."""
    if finder not in _traffic_finders:
        _traffic_finders.append(finder)


def register_next_step(step: NextStep) -> None:
    """Add a page that goes on with a ready version."""
    if step not in _next_steps:
        _next_steps.append(step)


def register_model_step(step: NextStep) -> None:
    """Add a page that goes on with a model."""
    if step not in _model_steps:
        _model_steps.append(step)


def register_forgetter(forgetter: Forgetter) -> None:
    """Add one who takes away its own rows of a version that is removed for good, as (version, actor)."""
    if forgetter not in _forgetters:
        _forgetters.append(forgetter)


def forget_all(version: ModelVersion, actor: Any) -> None:
    """Have all who know of a version take their rows away, inside the caller's transaction."""
    for forget in _forgetters:
        forget(version, actor)


def find_usages(versions: ModelVersionQuerySet) -> dict[UUID, list[Usage]]:
    """Give the uses of those of some versions that have any."""
    found: dict[UUID, list[Usage]] = {}
    for finder in _finders:
        for version_id, usages in finder(versions).items():
            found.setdefault(version_id, []).extend(usages)
    return found


def live_usages(versions: ModelVersionQuerySet) -> dict[UUID, list[Usage]]:
    """Give the uses that go on, of those of some versions that have any: where they serve."""
    found = {key: [one for one in usages if one.is_live] for key, usages in find_usages(versions).items()}
    return {key: usages for key, usages in found.items() if usages}


def live_version(model: RegisteredModel) -> ModelVersion | None:
    """Give the version of a model that answers most callers, `None` where none does."""
    return next((version for finder in _live_finders if (version := finder(model))), None)


def models_behind(deployment: str) -> set[int]:
    """Give the keys of the models that are live in a deployment."""
    return {key for finder in _models_finders for key in finder(deployment)}


def traffic_of(version: ModelVersion) -> Traffic:
    """Give what a version answered in the last day, and what its shares are now."""
    return next((finder(version) for finder in _traffic_finders), Traffic())


def served_between(model: RegisteredModel, since: datetime, until: datetime) -> list[Served]:
    """Give what was served of a model at some time of a span, oldest first."""
    found = [served for finder in _history_finders for served in finder(model, since, until)]
    return sorted(found, key=lambda served: (served.since, served.deployment, served.version))


def deploy(*, name: str, version: ModelVersion, actor: object, reason: str) -> None:
    """Let an approved version serve a deployment, as its model's policy plans."""
    for deployer in _deployers:
        deployer(name=name, version=version, actor=actor, reason=reason)


def next_steps() -> list[NextStep]:
    """Give the pages that go on with a ready version."""
    return list(_next_steps)


def model_steps() -> list[NextStep]:
    """Give the pages that go on with a model."""
    return list(_model_steps)
