"""The door of a model host to other machines: TLS, a line with the shared token, then bytes to and from a unix socket.

The line is `flueman 1 NAME TOKEN`; NAME is that of a socket in the run folder, `control` or a process of a version.
Nothing is read past it before the token was compared and the socket stands. What one side does not take is not read
from the other. The door turns on a thread and an event loop of its own.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

import uvloop
from django.conf import settings

from common.errors import Invalid, Unavailable
from inference.host import places
from inference.host.certificate import server_context
from inference.reach import LEAST_TOKEN_CHARACTERS, SCHEME, YES, be_impatient

logger = logging.getLogger(__name__)

GREETING_S = 5.0
MAX_STRANGERS, MAX_CONNECTIONS = 64, 1024
_ANY = ("0.0.0.0", "::")  # noqa: S104 - as the operator said
_MAX_LINE_BYTES = 512
_LOG_EVERY_S = 1.0
_NAME = re.compile(r"m-[0-9a-f]{32}[0-9a-z.-]{0,8}")


@contextmanager
def opened(listen: str, say: Callable[[str], object]) -> Iterator[str]:
    """Keep the door open while the block runs, and give its address. Raises Invalid or Unavailable if it cannot be."""
    host, port = _read(listen)
    advertised = settings.MODEL_HOST["ADDRESS"] or (socket.gethostname() if host in _ANY else host)
    name = urlsplit(f"//{advertised}").hostname or advertised
    if len(settings.MODEL_HOST["TOKEN"]) < LEAST_TOKEN_CHARACTERS:
        raise Invalid(f"MODEL_HOST_TOKEN must have {LEAST_TOKEN_CHARACTERS} characters or more", code="no_token")
    context, fingerprint = server_context(name)
    with _listening((host, port), context) as port:
        has_port = settings.MODEL_HOST["ADDRESS"] and urlsplit(f"//{advertised}").port
        address = advertised if has_port else f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        say(f"Listening on {listen} as {address}. On web and worker: MODEL_HOST_TRUST={fingerprint}")
        yield f"{SCHEME}{address}"


@contextmanager
def _listening(listen: tuple[str, int], context: ssl.SSLContext) -> Iterator[int]:
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="door", daemon=True)
    thread.start()
    try:
        try:
            port = asyncio.run_coroutine_threadsafe(_listen(listen, context), loop).result()
        except OSError as error:
            raise Unavailable(f"cannot listen on {listen[0]}:{listen[1]}: {error}", code="cannot_listen") from None
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _read(listen: str) -> tuple[str, int]:
    try:
        url = urlsplit(f"//{listen}")
        if url.hostname and url.port is not None:
            return url.hostname, url.port
    except ValueError:
        pass
    raise Invalid(f"{listen} is no address to listen on, such as 0.0.0.0:8700", code="cannot_listen")


async def _listen(listen: tuple[str, int], context: ssl.SSLContext) -> int:
    door = _Door()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Outside(door), *listen, ssl=context, ssl_handshake_timeout=GREETING_S, backlog=512
    )
    return int(server.sockets[0].getsockname()[1])


class _Door:
    """Who is at the door: strangers who have not shown the token, in the order they came, and how many are let in."""

    def __init__(self) -> None:
        self.strangers: dict[_Outside, None] = {}
        self.let_in = 0
        self._untold, self._told_at = 0, -_LOG_EVERY_S

    def refuse(self, peer: object, why: str) -> None:
        """Tell the log, at most so often."""
        if time.monotonic() - self._told_at < _LOG_EVERY_S:
            self._untold += 1
            return
        logger.warning("refused at the door: %s from %s, and %d more before", why, peer, self._untold)
        self._untold, self._told_at = 0, time.monotonic()


class _Side(asyncio.Protocol):
    """One end of a relay; `other` is where its bytes go."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self.other is not None:
            self.other.write(data)

    def pause_writing(self) -> None:
        """Stop reading at the other end while this one is not taken from."""
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        """Read there again."""
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End both."""
        if self.other is not None:
            self.other.close()


class _Inside(_Side):
    """The end at the unix socket."""

    def __init__(self, outside: _Outside) -> None:
        super().__init__()
        self.other = outside.transport


class _Outside(_Side):
    """The end at the other machine."""

    def __init__(self, door: _Door) -> None:
        super().__init__()
        self._door = door
        self._line = b""
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the stranger a moment; one too many pushes out who has stood here longest."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        be_impatient(transport.get_extra_info("socket"))
        strangers = self._door.strangers
        if len(strangers) >= MAX_STRANGERS:
            next(iter(strangers)).turn_away("too many strangers")
        strangers[self] = None
        self._timer = asyncio.get_running_loop().call_later(GREETING_S, self.turn_away, "no word")

    def data_received(self, data: bytes) -> None:
        """Take the line first."""
        if self.other is not None:
            self.other.write(data)
        elif self._opening is None:
            self._line += data
            if b"\n" in self._line or len(self._line) > _MAX_LINE_BYTES:
                self._judge()
        else:
            self.turn_away("words before the answer")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side."""
        self._forget()
        if self._opening is not None:
            self._door.let_in -= 1
        super().connection_lost(exc)

    def turn_away(self, why: str) -> None:
        """Close without an answer, or with none that tells a stranger anything."""
        self._forget()
        assert self.transport is not None
        if not self.transport.is_closing():
            self._door.refuse(self.transport.get_extra_info("peername"), why)
            self.transport.abort()

    def _forget(self) -> None:
        self._door.strangers.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def _judge(self) -> None:
        words = self._line.removesuffix(b"\n").split(b" ")
        token = words[3] if len(words) == 4 else b""
        is_known = hmac.compare_digest(token, settings.MODEL_HOST["TOKEN"].encode())
        if words[:2] != [b"flueman", b"1"] or not is_known:
            self.turn_away("no token of ours")
        elif self._door.let_in >= MAX_CONNECTIONS:
            self.turn_away("too many connections")
        else:
            self._forget()
            self._door.let_in += 1
            self._opening = asyncio.get_running_loop().create_task(self._open(words[2].decode("ascii", "replace")))

    async def _open(self, name: str) -> None:
        assert self.transport is not None
        if name != "control" and not _NAME.fullmatch(name):
            self.transport.abort()
            return
        path = places.control_socket() if name == "control" else places.run_folder() / f"{name}.sock"
        try:
            self.other, _ = await asyncio.get_running_loop().create_unix_connection(lambda: _Inside(self), str(path))
        except OSError:
            self.transport.abort()  # it is not loaded: as if nobody listened at its socket
            return
        if self.transport.is_closing():
            self.other.close()
        else:
            self.transport.write(YES)
