"""Work that takes longer than a request. The app of jobs stands above this one, so the top fills in how it is begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from common.errors import NotReady

CHECKPOINT, VERIFY, EXPORT = "audit.checkpoint", "audit.verify", "audit.export"


@dataclass(frozen=True, slots=True)
class Running:
    """A piece of work that is under way."""

    key: str
    state: str
    progress: int
    step: str


class Desk(Protocol):
    """Where work is handed in."""

    def begin(self, kind: str, payload: dict[str, Any], actor: Any) -> str:
        """Put work in the queue, in the caller's transaction, and give its id."""

    def begin_once(self, kind: str) -> None:
        """The same, unless it waits or runs already."""

    def running(self, kind: str) -> Running | None:
        """Give the work of a kind that waits or runs."""


class _Closed:
    def begin(self, kind: str, payload: dict[str, Any], actor: Any) -> str:
        raise NotReady(f"nobody does work of the kind {kind} here")

    def begin_once(self, kind: str) -> None:
        return

    def running(self, kind: str) -> Running | None:
        return None


desk: Desk = _Closed()


def open_desk(real: Desk) -> None:
    """Say where work is handed in from now on."""
    global desk  # noqa: PLW0603 - filled once, when the apps are ready
    desk = real
