"""Long bodies of Django's requests and answers, moved by the event loop: a slow client holds no thread.

A file leaves by the WSGI file wrapper (PEP 3333): the view returns a `FileResponse` and its thread is free.
A long request body comes in by `take_body`: the view returns at once, and a `Sink` gets the bytes piece by piece.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Protocol

from a2wsgi import WSGIMiddleware
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse

from common.api.errors import told_at
from common.asgi import Receive, Scope, Send
from common.gathering import paced

READ_BYTES = 64 * 1024
IDLE_S = 60.0  # without a byte from, or to, the client
_HANDED = "flueman.handed"
_SCOPE = "asgi.scope"
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where a request body goes. Each method may block; none is called while another runs."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def end(self, is_whole: bool) -> HttpResponse:
        """Give the answer, after the last byte or after the client went away."""

    def close(self) -> None:
        """Let go after an error; what is safe stays."""


@dataclass(frozen=True, slots=True)
class _Incoming:
    sink: Sink
    context: Context
    path: str


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """The WSGI file wrapper: nothing for the thread to iterate, a file for the loop to send."""

    file: BinaryIO

    def __iter__(self) -> Any:
        return iter(())


def take_body(request: HttpRequest, sink: Sink) -> HttpResponse:
    """Have a request's body written to a sink, whose answer is the answer; on a plain WSGI server here and now."""
    scope = request.META.get(_SCOPE)
    if scope is not None and _HANDED in scope:
        scope[_HANDED] = _Incoming(sink, copy_context(), request.path_info)
        return HttpResponse(status=204)
    return _drain(request, sink)


class LongBodies:
    """A WSGI application as ASGI on a bounded pool of threads, its long bodies on the loop with a pool of their own."""

    def __init__(self, application: Callable[..., Iterable[bytes]], *, threads: int) -> None:
        self._application = application
        self._pages = WSGIMiddleware(self._call, workers=threads)
        self._movers = ThreadPoolExecutor(threads, "bodies")

    def _call(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        scope = environ[_SCOPE]
        environ["wsgi.file_wrapper"] = partial(_hand_over, scope)
        return self._application(environ, start_response)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: first the pages' thread, then what it left to the loop."""
        scope[_HANDED] = None
        head: dict[str, Any] = {}

        async def send_or_hold(message: Any) -> None:
            """Hold the head of an answer that a sink will give, and the end of one whose file follows."""
            handed = scope[_HANDED]
            if isinstance(handed, _Incoming):
                head.update(message if message["type"] == "http.response.start" else {})
            elif handed is None or message["type"] == "http.response.start":
                await send(message)

        await self._pages(scope, paced(receive), send_or_hold)
        handed, scope[_HANDED] = scope[_HANDED], None
        if isinstance(handed, _Outgoing):
            await self._send_file(handed.file, receive, send)
        elif isinstance(handed, _Incoming):
            await self._take(handed, head, receive, send)

    async def _send_file(self, file: BinaryIO, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while not gone.done() and (chunk := await self._run(file.read, READ_BYTES)):
                await asyncio.wait_for(send(_body(chunk, more=True)), IDLE_S)
            await asyncio.wait_for(send(_body(b"")), IDLE_S)
        except TimeoutError:
            log.info("a client took nothing for %s s and was left", IDLE_S)
        except Exception:
            # The head has left: only breaking the connection tells the client that this is not the whole file.
            log.exception("a file could not be sent to its end")
            raise
        finally:
            gone.cancel()
            self._movers.submit(_closed, file.close)

    async def _take(self, incoming: _Incoming, head: dict[str, Any], receive: Receive, send: Send) -> None:
        sink, context = incoming.sink, incoming.context
        response: HttpResponse | None = None
        try:
            is_whole = await self._receive(incoming, receive)
            response = await self._run(context.run, _closed, partial(sink.end, is_whole))
        except Exception as error:  # told to the client in the shape of the API; what nobody foresaw is logged there
            response = context.run(told_at, incoming.path, error)
        finally:
            if response is None or response.status_code >= 400:
                self._movers.submit(context.copy().run, _closed, sink.close)
        own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
        names = {name for name, _ in own}
        kept = [(name, value) for name, value in head["headers"] if name not in names | {b"content-length"}]
        length = [(b"content-length", b"%d" % len(response.content))] if response.status_code != 204 else []
        kept = [(name, value) for name, value in kept if response.status_code != 204 or name != b"content-type"]
        await send({**head, "status": response.status_code, "headers": [*kept, *own, *length]})
        await send(_body(response.content))

    async def _receive(self, incoming: _Incoming, receive: Receive) -> bool:
        """Write the body to the sink as it comes and tell whether it came to its end."""
        while True:
            try:
                message = await asyncio.wait_for(receive(), IDLE_S)
            except TimeoutError:
                return False
            if message["type"] == "http.disconnect":
                return False
            if data := message.get("body"):
                await self._run(incoming.context.run, _closed, partial(incoming.sink.write, data))
            if not message.get("more_body"):
                return True

    async def _run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._movers, work, *arguments)


def _hand_over(scope: Scope, file: BinaryIO, _block_size: int = 0) -> _Outgoing:
    scope[_HANDED] = outgoing = _Outgoing(file)
    return outgoing


def _closed(work: Callable[[], Any]) -> Any:
    """Do work that may use the database in a thread that Django's signals do not reach."""
    close_old_connections()
    return work()


def _drain(request: HttpRequest, sink: Sink) -> HttpResponse:
    stream, left = request.META["wsgi.input"], int(request.META.get("CONTENT_LENGTH") or 0)
    try:
        while left and (data := stream.read(min(left, READ_BYTES))):
            left -= len(data)
            sink.write(data)
        return sink.end(is_whole=not left)
    except BaseException:
        sink.close()
        raise


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}
