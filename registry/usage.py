"""Where versions serve: the apps above say it through this hook, as the registry cannot ask them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Usage:
    """One thing that uses a version; while it is live the version may not go."""

    label: str
    url: str = ""
    is_live: bool = True


Finder = Callable[[Collection[UUID]], Mapping[UUID, list[Usage]]]
_finders: list[Finder] = []


def register_finder(finder: Finder) -> None:
    """Add one who knows of uses; called from `AppConfig.ready`. It is asked for many versions at once."""
    if finder not in _finders:
        _finders.append(finder)


def find_usages(version_ids: Collection[UUID]) -> dict[UUID, list[Usage]]:
    """Give the uses of each of some versions."""
    found: dict[UUID, list[Usage]] = {version_id: [] for version_id in version_ids}
    for finder in _finders:
        for version_id, usages in finder(version_ids).items():
            found[version_id].extend(usages)
    return found
