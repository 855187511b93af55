"""The preview process of this web process: begun when first asked for, asked by one at a time, ended when late."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from common import sandbox
from common.errors import Unavailable

DEADLINE_S = 10.0
START_S = 20.0  # what starting may take on top, on a busy machine
LARGEST_ANSWER = 4 << 20
_lock = threading.Lock()


class Broken(Exception):
    """The process ended or was ended; `is_late` tells which."""

    def __init__(self, *, is_late: bool) -> None:
        super().__init__()
        self.is_late = is_late


class Helper:
    """One process and the socket to it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            sandbox.command("datasets.previewing.process", "--time-zone", settings.TIME_ZONE),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            env=sandbox.environment(threads=1),
        )
        theirs.close()
        self.is_new = True

    def ask(self, question: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
        """Give what it says, until it has said all. Raises Broken."""
        until = time.monotonic() + DEADLINE_S + (START_S if self.is_new else 0)
        head = json.dumps({**question, "blobs": {name: len(blob) for name, blob in blobs.items()}}).encode()
        try:
            for piece in (struct.pack(">I", len(head)), head, *blobs.values()):
                self._socket.settimeout(max(0.01, until - time.monotonic()))
                self._socket.sendall(piece)
            yield from self._answers(until)
        except TimeoutError:
            raise Broken(is_late=True) from None
        except (OSError, ValueError):
            raise Broken(is_late=False) from None

    def _answers(self, until: float) -> Iterator[dict[str, Any]]:
        held, total = b"", 0
        while True:
            self._socket.settimeout(max(0.01, until - time.monotonic()))
            piece = self._socket.recv(1 << 16)
            total += len(piece)
            if not piece or total > LARGEST_ANSWER:
                raise Broken(is_late=False)
            *lines, held = (held + piece).split(b"\n")
            for line in lines:
                told = json.loads(line)
                if self.is_new:  # what follows is the work itself
                    self.is_new, until = False, time.monotonic() + DEADLINE_S
                if "end" in told:
                    return
                yield told

    @property
    def is_alive(self) -> bool:
        """Tell whether it can be asked."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it, whatever it does."""
        self._socket.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)


_helper: Helper | None = None


def ask(question: Mapping[str, Any], blobs: Mapping[str, bytes]) -> tuple[list[dict[str, Any]], Broken | None]:
    """Give all that the preview process said, and what became of it if it did not say all. Raises Unavailable."""
    if not _lock.acquire(timeout=DEADLINE_S):
        raise Unavailable(_("Too many previews are being made."), code="busy", retry_after_s=5)
    try:
        said, broken = _ask_once(question, blobs)
        if broken and not broken.is_late and not said:  # it had ended while it was idle
            said, broken = _ask_once(question, blobs)
        return said, broken
    finally:
        _lock.release()


def _ask_once(question: Mapping[str, Any], blobs: Mapping[str, bytes]) -> tuple[list[dict[str, Any]], Broken | None]:
    global _helper  # noqa: PLW0603 - one for this process
    if _helper is None or not _helper.is_alive:
        end()
        _helper = Helper()
    said: list[dict[str, Any]] = []
    try:
        said.extend(_helper.ask(question, blobs))
    except Broken as broken:
        end()
        return said, broken
    return said, None


def end() -> None:
    """End the process, if there is one; the next question begins another."""
    global _helper  # noqa: PLW0603 - as above
    if _helper is not None:
        _helper.end()
        _helper = None
