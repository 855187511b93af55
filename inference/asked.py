"""A call as a door took it, and what it got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from django.conf import settings

from accounts.credentials import Caller
from common.errors import FluemanError
from common.ids import uuid7_int
from guards.limits import Standing, told
from inference.bodies.payload import Inputs
from inference.snapshot import Target
from inference.transport import Output
from registry.signature import Signature, TensorSpec


def _always(_error: FluemanError) -> bool:
    return True


@dataclass(slots=True)
class Ask:
    """One call as a door took it, made once its body is there; `read` parses that by a signature.

    `received` and `begun` are readings of `perf_counter`: latency counts from the first byte, deadlines from the last.

    `json_length` is set where bytes of tensors follow the JSON of the body; `render` sets the same of the answer.
    `keeps` says whether a failure is the end of the call: one that is tried again is not kept as failed.
    """

    deployment: str
    caller: Caller
    door: str
    body: bytes
    received: float
    read: Callable[[Signature], Inputs]
    render: Callable[[Answer], bytes]
    version: str | None = None
    json_length: int | None = None
    route_key: str = ""
    idempotency_key: str = ""
    trace_id: str = ""
    client_id: str = ""
    address: str = ""
    keeps: Callable[[FluemanError], bool] = _always
    id: str = field(default_factory=lambda: f"{uuid7_int():032x}")
    begun: float = field(default_factory=perf_counter)

    @property
    def sticky(self) -> str:
        """What decides the version where several answer: the caller's own key, else the person, else chance.

        An API key is no person: an application that calls for many people would have all of them in one slot.
        """
        return self.route_key or (self.caller.identity if self.caller.session_id else self.id)

    @property
    def is_small(self) -> bool:
        """Whether its row holds the body: bytes take some four times the room once they are text."""
        return len(self.body) * (1 if self.json_length is None else 4) <= settings.INLINE_INPUT_BYTES


@dataclass(slots=True)
class Answer:
    """What a call got: the rendered body, and what it was made of. A replay has a body only.

    `waits`: how often it waited for a version that was away.
    """

    request_id: str
    target: Target
    body: bytes = b""
    json_length: int | None = None
    inputs: Inputs | None = None
    outputs: list[tuple[TensorSpec, Output]] = field(default_factory=list)
    parse_ms: float = 0.0
    queue_ms: float = 0.0
    run_ms: float = 0.0
    executions: float | None = None
    waits: int = 0
    commit_ms: float = 0.0
    total_ms: float = 0.0
    is_replay: bool = False
    standings: list[Standing] = field(default_factory=list)

    @property
    def limits(self) -> dict[str, str]:
        """What is left to the caller, as headers; empty where nothing is limited."""
        return told(self.standings)
