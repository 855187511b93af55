"""Names of what a key can be limited to; the app above that knows them registers here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_sources: list[Callable[[], Iterable[str]]] = []


def register_source(source: Callable[[], Iterable[str]]) -> None:
    """Add one who knows names; called from `AppConfig.ready`."""
    if source not in _sources:
        _sources.append(source)


def names() -> list[str]:
    """Give all names, in order."""
    return sorted({name for source in _sources for name in source()})
