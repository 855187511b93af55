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
    """The work of one kind, and its limits.

    `every_s` or `cron` gives the kind a built-in schedule; `is_schedulable` lets people schedule it, without payload.
    `is_background` says that people do not begin such jobs: the list leaves them out until asked for. `is_kept` says
    that a page still shows them: they are not forgotten some time after they ended, as others are.
    `deadline_s` and `memory_bytes` of `None` are the installation's own.
    """

    kind: str
    work: Work
    label: Any
    every_s: int | None = None
    cron: str = ""
    is_schedulable: bool = False
    is_background: bool = False
    is_kept: bool = False
    deadline_s: float | None = None
    memory_bytes: int | None = None
    priority: int = 0
    max_attempts: int = 3


_handlers: dict[str, Handler] = {}
# Called in the transaction that gives a job up, with the job and the reason: higher apps tell somebody.
failure_listeners: list[Callable[[Any, str], None]] = []


def handler(kind: str, *, label: Any = "", every_minutes: int | None = None, **limits: Any) -> Callable[[Work], Work]:
    """Register a function as the work of a kind. It must be safe to run twice. `limits` are fields of Handler."""

    def register(work: Work) -> Work:
        if every_minutes:
            limits["every_s"] = every_minutes * 60
        _handlers[kind] = Handler(kind, work, label or kind, **limits)
        return work

    return register


def find(kind: str) -> Handler:
    """Give the handler of a kind. Raises NotFound."""
    _discover()
    if kind not in _handlers:
        raise NotFound(f"there is no handler for jobs of kind '{kind}'", code="unknown_kind")
    return _handlers[kind]


def known(kind: str) -> Handler | None:
    """Give the handler of a kind, `None` if this code has none."""
    _discover()
    return _handlers.get(kind)


def every() -> list[Handler]:
    """Give all handlers by kind."""
    _discover()
    return [_handlers[kind] for kind in sorted(_handlers)]


def recurring() -> list[Handler]:
    """Give the handlers that have a built-in schedule."""
    return [one for one in every() if one.every_s or one.cron]


def schedulable() -> list[Handler]:
    """Give the handlers that people may schedule."""
    return [one for one in every() if one.is_schedulable or one.every_s or one.cron]


def label_of(kind: str) -> str:
    """Give the name of a kind for people."""
    found = known(kind)
    return str(found.label) if found else kind


@cache
def _discover() -> None:
    autodiscover_modules("tasks")
