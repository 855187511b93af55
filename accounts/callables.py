"""What a key can be limited to and how a call looks; the app above that knows it registers here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_sources: list[tuple[Callable[[], Iterable[str]], Callable[[str, str], str]]] = []


def register_source(names: Callable[[], Iterable[str]], example: Callable[[str, str], str]) -> None:
    """Add one who knows names, and `example(name, url)`, a call for a shell; called from `AppConfig.ready`."""
    if (names, example) not in _sources:
        _sources.append((names, example))


def names() -> list[str]:
    """Give all names, in order."""
    return sorted({name for give, _ in _sources for name in give()})


def example(name: str, url: str) -> str:
    """Give a call of a name for a shell, its key in `$FLUEMAN_KEY`; empty where nobody knows one."""
    return next((call for _, give in _sources if (call := give(name, url))), "")
