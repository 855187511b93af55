"""The gunicorn worker: uvicorn with uvloop and httptools, and an end to the patience with request heads."""

from __future__ import annotations

import sys
from asyncio import TimerHandle, Transport
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from flueman.handover import PatientServer

HEAD_BYTES = 64 * 1024  # of all header lines together; uvicorn itself knows no limit
HEADER_COSTS = 32  # what each line counts beyond its bytes
HEAD_S = 20.0  # from the connection, or the first byte of a request, to the end of its headers
LINGER_S = 2.0  # an idle connection of a worker that ends waits so long for a last request
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """HTTP whose heads are bounded in bytes and time, so that a thousand slow clients hold nothing but sockets."""

    _is_in_head = False
    _head_bytes = 0
    _fed_bytes = 0
    _patience: TimerHandle | None = None
    _is_leaving = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._be_patient()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head that is not whole are counted, and timed."""
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._fed_bytes += len(data)
            if self._fed_bytes > HEAD_BYTES:
                self.transport.write(TOO_LARGE)
                self.transport.close()
            elif self._patience is None:
                self._patience = self.loop.call_later(HEAD_S, self.transport.close)
        elif self._is_idle():
            self.timeout_keep_alive_task = self.loop.call_later(HEAD_S, self.timeout_keep_alive_handler)

    def _is_idle(self) -> bool:
        """Whether the rest of a body came that was answered before: uvicorn's clock of idle connections stands then."""
        is_answered = self.cycle is not None and self.cycle.response_complete
        return is_answered and self.timeout_keep_alive_task is None and not self.transport.is_closing()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes, self._fed_bytes = True, 0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header line. A ValueError ends the request as one that cannot be read: 400."""
        self._head_bytes += len(name) + len(value) + HEADER_COSTS
        if self._head_bytes > HEAD_BYTES:
            raise ValueError("too many header lines")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._is_in_head = False
        if self._patience:
            self._be_patient()
        super().on_headers_complete()
        if self._is_leaving:
            self._say_last()

    def shutdown(self) -> None:
        """End the connection with its next answer, which says so: closing it now would lose a request on its way."""
        self._is_leaving = True
        if self.cycle is not None and not self.cycle.response_started:
            self._say_last()
        self.loop.call_later(LINGER_S, self._hang_up)

    def _say_last(self) -> None:
        self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"close")]
        self.cycle.keep_alive = False

    def _hang_up(self) -> None:
        """Close an idle connection; one that is busy ends with its answer, or where that has begun, after it."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _be_patient(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None


class Worker(UvicornWorker):
    """Serves flueman.asgi; lifespan is required, because the gateways start and stop with it."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": Protocol,
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 25,
    }

    async def _serve(self) -> None:
        """Serve as the parent does, by a server that hands over."""
        self.config.app = self.wsgi
        server = PatientServer(config=self.config)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
