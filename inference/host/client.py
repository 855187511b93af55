"""Asking a model host something, from a job or a command: the one on this machine, else one elsewhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings

from common.errors import FluemanError, NotFound, Unavailable
from inference.host.places import control_socket
from inference.models import ModelHost
from inference.reach import connect_now

_QUEUE_S = 600.0  # other checks come first

Step = dict[str, Any]


def check(version_id: UUID | str, on_step: Callable[[Step], None]) -> dict[str, Any]:
    """Have a version checked and give the report: `ok`, `steps`, `manifest`, `converted` (SHA-256 by path), figures.

    `on_step` is told of each step as it happens; what it raises ends the check. Raises NotFound for an unknown
    version, Unavailable (host_down) if the host does not answer or dies meanwhile.
    """
    return _worked("check", version_id, on_step)


def measure(version_id: UUID | str, on_line: Callable[[Step], None]) -> dict[str, Any]:
    """Have a version measured and give `points`, `refusals` and the `proposal`; `on_line` is told each as it is found.

    Raises NotFound for an unknown version, Unavailable (host_down) if the host does not answer or dies meanwhile.
    """
    return _worked("measure", version_id, on_line)


def status() -> dict[str, Any]:
    """Give what the host says of its processes. Raises Unavailable (host_down) if it does not answer."""
    with _asked({"op": "status"}) as lines:
        for line in lines:
            return dict(line["status"])
    raise _down("it gave no answer")


def _worked(what: str, version_id: UUID | str, on_line: Callable[[Step], None]) -> dict[str, Any]:
    """Have the host work on a version and give its report, telling each line before it."""
    with _asked({"op": what, "version_id": str(version_id)}) as lines:
        for line in lines:
            if "report" in line:
                return dict(line["report"])
            on_line(line)
    raise _down("it ended before its work did")


@contextmanager
def _asked(question: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
    """Give the lines that a host answers. Its errors are raised as they were there."""
    with _connected() as connection:
        try:
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("r", encoding="utf-8") as file:
                yield (_read(line) for line in file)
        except OSError as error:
            raise _down(str(error)) from error


def _connected() -> socket.socket:
    """Give a connection to the first host that takes it."""
    timeout_s = settings.RUNNER["CHECK_DEADLINE_S"] + _QUEUE_S
    why: OSError | None = None
    for address in _addresses():
        try:
            return connect_now(address, timeout_s)
        except OSError as error:
            why = error
    raise _down(str(why)) from why


def _addresses() -> Iterator[str]:
    yield str(control_socket())
    for host in ModelHost.objects.live().exclude(address="").order_by("-heartbeat_at"):
        yield f"{host.address}/control"


def _read(line: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    if "error" not in value:
        return value
    kind = NotFound if value["error"]["status"] == NotFound.status else Unavailable
    raise kind(value["error"]["message"], code=value["error"]["code"])


def _down(why: str) -> FluemanError:
    return Unavailable(f"the model host does not answer: {why}", code="host_down", retry_after_s=2)
