"""What uses a file, and what may be done with it next: the apps above say it through these hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from files.models import StoredFile


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that was made of a file, or that a file came of, with its page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class NextStep:
    """A page of another app that goes on with a thing, for those with the permission; `url` takes the thing."""

    label: Any
    permission: str
    url: Callable[[Any], str]


_finders: list[Callable[[StoredFile], list[Use]]] = []
_next_steps: list[NextStep] = []


def register_finder(finder: Callable[[StoredFile], list[Use]]) -> None:
    """Add one who knows of uses of a file."""
    if finder not in _finders:
        _finders.append(finder)


def register_next_step(step: NextStep) -> None:
    """Add a page that goes on with a file."""
    if step not in _next_steps:
        _next_steps.append(step)


def find_uses(stored: StoredFile) -> list[Use]:
    """Give the uses of a file."""
    return [use for finder in _finders for use in finder(stored)]


def next_steps() -> list[NextStep]:
    """Give the pages that go on with a file."""
    return list(_next_steps)
