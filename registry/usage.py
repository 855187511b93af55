"""Where versions serve and what to do with them next: the apps above say it through these hooks.

The registry cannot ask them; they fill the hooks in `AppConfig.ready`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
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


Finder = Callable[["ModelVersionQuerySet"], Mapping[UUID, list[Usage]]]
LiveFinder = Callable[["RegisteredModel"], "ModelVersion | None"]
_finders: list[Finder] = []
_live_finders: list[LiveFinder] = []
_next_steps: list[NextStep] = []


def register_finder(finder: Finder) -> None:
    """Add one who knows of uses; it is asked for many versions at once and answers in one query."""
    if finder not in _finders:
        _finders.append(finder)


def register_live_finder(finder: LiveFinder) -> None:
    """Add one who knows which version of a model answers most callers, if any does."""
    if finder not in _live_finders:
        _live_finders.append(finder)


def register_next_step(step: NextStep) -> None:
    """Add a page that goes on with a ready version."""
    if step not in _next_steps:
        _next_steps.append(step)


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


def next_steps() -> list[NextStep]:
    """Give the pages that go on with a ready version."""
    return list(_next_steps)
