"""Small request bodies, gathered by the event loop before a thread is given to them: a slow client holds no thread.

Only what views parse by themselves is gathered, and of that the first bytes; what follows is read at a pace (`paced`).
Any other body, and JSON that says to be longer, is left to the view, which refuses it unread or has it written to a
sink (`common/bodies.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from common.asgi import Receive, Scope, Send, send_body
from common.errors import FluemanError, Unavailable

JSON = b"application/json"
GATHERED = (JSON, b"application/x-www-form-urlencoded", b"multipart/form-data")
PIECE_S = 15.0  # without a byte
WHOLE_S = 60.0  # for all that is gathered of one body
TOTAL_BYTES = 128 * 1024 * 1024  # of all bodies that are being gathered in this process
LEAST_PACE = 8 * 1024  # bytes a second, from a client that holds a thread

Message = MutableMapping[str, Any]


class TooSlow(FluemanError):
    """A body that does not come."""

    status = 408
    code = "timeout"


class Gathered:
    """An ASGI application that is called once the beginning of a request's body is there."""

    def __init__(self, application: Any, *, most: int, tell: Callable[[str, FluemanError, str], Any]) -> None:
        """Take the application, how much is gathered, and what answers an error at a path, by Accept-Language."""
        self._application, self._most, self._tell = application, most, tell
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gather, then answer; 408 for a body that does not come, 503 where too many are coming."""
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").lower()
        length = headers.get(b"content-length", b"")
        is_too_long = kind.startswith(JSON) and length.isdigit() and int(length) > self._most
        if is_too_long or not kind.startswith(GATHERED):
            await self._application(scope, receive, send)
            return
        parts: list[bytes] = []
        try:
            last = await self._gather(receive, parts)
        except TimeoutError:
            await self._refuse(scope, send, TooSlow("the body did not come in time"))
            return
        except MemoryError:
            await self._refuse(scope, send, Unavailable("too many bodies are on their way", retry_after_s=1))
            return
        finally:
            self._held -= sum(map(len, parts))
        if last["type"] == "http.disconnect":
            return
        body, has_more = b"".join(parts), last.get("more_body", False)
        if not has_more and b"transfer-encoding" in headers:
            length = (b"content-length", b"%d" % len(body))
            scope["headers"] = [*(pair for pair in scope["headers"] if pair[0] != b"transfer-encoding"), length]
        await self._application(scope, _replayed(body, has_more, receive), send)

    async def _refuse(self, scope: Scope, send: Send, error: FluemanError) -> None:
        accept = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        answer = self._tell(scope["path"], error, accept)
        kept = [(b"retry-after", answer["Retry-After"].encode())] if "Retry-After" in answer else []
        await send_body(send, answer.status_code, answer.content, [(b"connection", b"close"), *kept])

    async def _gather(self, receive: Receive, parts: list[bytes]) -> Message:
        """Put the body's beginning into `parts`, give the last message. Raises TimeoutError or MemoryError."""
        size = 0
        async with asyncio.timeout(WHOLE_S):
            while True:
                message = await asyncio.wait_for(receive(), PIECE_S)
                data = message.get("body", b"")
                parts.append(data)
                size += len(data)
                self._held += len(data)
                if self._held > TOTAL_BYTES:
                    raise MemoryError
                if size > self._most or not message.get("more_body"):
                    return message


def _replayed(body: bytes, has_more: bool, receive: Receive) -> Receive:
    """Give the gathered bytes first, then what the client sends."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": has_more}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def paced(receive: Receive) -> Receive:
    """Give what comes, and the end of the connection once it comes too slowly for a thread to wait for it."""
    begun, size = time.monotonic(), 0

    async def receive_in_time() -> Message:
        nonlocal size
        left = PIECE_S + size / LEAST_PACE - (time.monotonic() - begun)
        try:
            message = await asyncio.wait_for(receive(), max(left, 0.001))
        except TimeoutError:
            return {"type": "http.disconnect"}
        size += len(message.get("body", b""))
        return message

    return receive_in_time
