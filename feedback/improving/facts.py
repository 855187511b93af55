"""What is known of a model's way round the closed loop, as far as a reader may see it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Heard:
    """What a deployment answered in the last 30 days, and what was said of it.

    `open` is how many are said to be wrong that no review queue holds. Not `is_whole`: of the newest judgements only.
    """

    deployment: str
    key: int
    calls: int = 0
    judged: int = 0
    wrong: int = 0
    corrected: int = 0
    open: int = 0
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Queue:
    """A review queue of the model's deployments.

    `mine`: what of the waiting still lacks a word of the reader, `None` for who does not review here. `fresh`: decided
    `since` a dataset version was last made of the queue.
    """

    key: int
    name: str
    deployment: str
    is_open: bool = True
    waiting: int = 0
    disputed: int = 0
    agreed: int = 0
    settled: int = 0
    reviewers: int = 0
    mine: int | None = None
    fresh: int = 0
    since: datetime | None = None

    @property
    def decided(self) -> int:
        """Items that have their answer."""
        return self.agreed + self.settled


@dataclass(frozen=True, slots=True)
class Data:
    """The newest dataset version made of the queues; `reference` names it to commands.

    `is_used`: a version was trained on it, or came after it.
    """

    key: UUID
    name: str
    reference: str
    work: UUID
    state: str = "sealed"
    rows: int = 0
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the model; `named` is the data of the loop that it says it was trained on."""

    key: UUID
    number: int
    state: str = "ready"
    waits_for_trust: bool = False
    refusal: str = ""
    named: str = ""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The newest evaluation of a version. `verdict`: better, worse, unsure than the live one, or nothing to compare."""

    key: UUID
    words: str
    is_over: bool = True
    verdict: str = ""
    before: str = ""
    after: str = ""
    compared_with: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """An approval that was asked for and can still be given or carried out. `is_own`: the reader may not give it."""

    key: UUID
    state: str
    given: int
    needed: int
    by: str
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands before serving. `missing`: evaluations that the gate wants; `reasons`: why it refuses."""

    demands: int = 0
    missing: int = 0
    reasons: tuple[str, ...] = ()
    approvals: int = 0
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Canary:
    """A canary of the tried version and what is said of it. `grows`: by itself, to the end."""

    route: int
    weight: int
    verdict: str
    requests: int
    needed: int
    grows: bool
    reason: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a canary, or the time as the live version, came to a bad end; `code` is stopped, not_loaded, rolled_back."""

    code: str
    at: datetime
    words: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of a model's loop, as far as the reader may see it; `hidden` are the steps they may not.

    `tried` is the version under way to replace `live`: its canary, else the newest one after it. `heard` and `queues`
    are of the first deployments; traffic is moved in the first. `exam` is the data to evaluate over.
    """

    model: str
    heard: tuple[Heard, ...] = ()
    more_deployments: int = 0
    queues: tuple[Queue, ...] = ()
    data: Data | None = None
    live: Version | None = None
    live_since: datetime | None = None
    tried: Version | None = None
    evaluated: Evaluated | None = None
    exam: UUID | None = None
    gate: Gate = Gate()
    canary: Canary | None = None
    stopped: Stopped | None = None
    hidden: frozenset[str] = frozenset()

    def total(self, name: str) -> int:
        """Give the sum of a number over deployments or queues."""
        rows: tuple[Any, ...] = self.queues if name in Queue.__slots__ or name == "decided" else self.heard
        return sum(getattr(row, name) or 0 for row in rows)

    @property
    def is_closed(self) -> bool:
        """Whether the newest data is in the version that is live."""
        return bool(self.live and self.data and self.data.is_used and self.tried is None)
