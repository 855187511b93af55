"""A web worker that gunicorn replaces at a reload serves on until those that replace it are ready.

gunicorn ends the old workers as soon as it has forked the new ones, which then still have to import everything.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

from uvicorn.server import Server

READY_NAME = "web-ready"  # of the process, as /proc shows it
LONGEST_S = 60.0


class PatientServer(Server):
    """uvicorn's server, which at SIGTERM waits for siblings that are still starting, where /proc shows them."""

    _leaving_since: float | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Start, and say so to older workers."""
        await super().startup(sockets=sockets)
        with suppress(OSError):
            Path("/proc/self/comm").write_text(READY_NAME)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave, at the first SIGTERM only once the siblings are ready."""
        if sig == signal.SIGTERM and self._leaving_since is None and _is_anybody_starting():
            self._leaving_since = monotonic()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Give whether it is time to leave."""
        if self._leaving_since is not None:
            is_late = monotonic() - self._leaving_since > LONGEST_S
            if is_late or not _is_anybody_starting():
                return True
        return await super().on_tick(counter)


def _is_anybody_starting() -> bool:
    """Give whether the master has another child that does not serve yet."""
    master = os.getppid()
    try:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    except OSError:
        return False
    return any(_name(pid) not in (READY_NAME, "") for pid in children if int(pid) != os.getpid())


def _name(pid: str) -> str:
    """Give the name of a process; nothing of one that has gone, or is a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return "" if state == "Z" else Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
