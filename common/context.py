"""Where the work in hand comes from: set at the door, read by the audit trail, so that services need not pass it on."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The request behind what is being done; empty for commands and workers."""

    request_id: str = ""
    address: str = ""
    credential: str = ""
    """Prefix of the API key used; empty for a person who logged in."""


NOWHERE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)
