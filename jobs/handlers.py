"""Which function does the work of which kind of job. Handlers live in the `tasks.py` of their app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import autodiscover_modules

from common.errors import NotFound

if TYPE_CHECKING:
    from jobs.runner import JobRun

Work = Callable[["JobRun"], None]


@dataclass(frozen=True, slots=True)
class Handler:
    """The work of one kind; `every_minutes` makes the kind recurring."""

    kind: str
    work: Work
    label: Any
    every_minutes: int | None


_handlers: dict[str, Handler] = {}


def handler(kind: str, *, label: Any = "", every_minutes: int | None = None) -> Callable[[Work], Work]:
    """Register a function as the work of a kind. It must be safe to run twice."""

    def register(work: Work) -> Work:
        _handlers[kind] = Handler(kind, work, label or kind, every_minutes)
        return work

    return register


def find(kind: str) -> Handler:
    """Give the handler of a kind. Raises NotFound."""
    _discover()
    if kind not in _handlers:
        raise NotFound(f"there is no handler for jobs of kind '{kind}'", code="unknown_kind")
    return _handlers[kind]


def every() -> list[Handler]:
    """Give all handlers by kind."""
    _discover()
    return [_handlers[kind] for kind in sorted(_handlers)]


def recurring() -> list[Handler]:
    """Give the handlers whose jobs come back by themselves."""
    return [one for one in every() if one.every_minutes]


def label_of(kind: str) -> str:
    """Give the name of a kind for people."""
    _discover()
    return str(_handlers[kind].label) if kind in _handlers else kind


@cache
def _discover() -> None:
    autodiscover_modules("tasks")
