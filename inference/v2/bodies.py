"""Bodies of `/v2` on their way in and out: whole, bounded in size, time and memory, compressed where asked."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Mapping

from common.asgi import Receive, has_come
from common.errors import FluemanError, Invalid, TooLarge, Unavailable
from common.gathering import LEAST_PACE, PIECE_S

Headers = Mapping[bytes, bytes]

HELD_BYTES = 256 * 1024 * 1024  # of all bodies that are on their way into this process
_AT_ONCE = 256 * 1024  # inflated on the event loop; what is longer goes on in a thread
_LENGTH_DIGITS = 10
# 16 more than the window: with the head and tail of gzip. Source: zlib, inflateInit2.
_WINDOWS = {b"gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}


class Gone(Exception):
    """The client has closed the connection."""


class Late(FluemanError):
    """The body came too slowly."""

    status = 408
    code = "timeout"


class Intake:
    """Takes the bodies of one process. What comes in one piece costs nothing more."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, receive: Receive, headers: Headers, most: int) -> bytes:
        """Give the whole body, inflated. Raises TooLarge, Late, Unavailable, Invalid, and Gone if the client left."""
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            raise TooLarge(f"the body has {int(length)} bytes, more than {most}")
        message = await receive() if has_come(receive) else None
        if message and message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > most:
                raise TooLarge(f"the body has more than {most} bytes")
        else:
            body = await self._gather(receive, message, most)
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        return body if encoding == b"identity" else await inflate(body, encoding, most)

    async def _gather(self, receive: Receive, first: Mapping[str, object] | None, most: int) -> bytes:
        """Wait for a body, of which the first message may be there."""
        parts: list[bytes] = []
        size, now = 0, asyncio.get_running_loop().time
        begun = now()
        try:
            async with asyncio.timeout(PIECE_S) as patience:
                message = first or await receive()
                while True:
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    assert isinstance(part, bytes)
                    parts.append(part)
                    size += len(part)
                    self._held += len(part)
                    if size > most:
                        raise TooLarge(f"the body has more than {most} bytes")
                    is_piece = message.get("more_body") or len(parts) > 1  # one that is whole is refused to nobody
                    if is_piece and self._held > HELD_BYTES:
                        raise Unavailable("too many bodies are on their way", retry_after_s=1)
                    if not message.get("more_body"):
                        return b"".join(parts)
                    patience.reschedule(begun + PIECE_S + size / LEAST_PACE)
                    message = await receive()
        except TimeoutError:
            raise Late("the body did not come in time") from None
        finally:
            self._held -= size


def json_length(headers: Headers, body: bytes) -> int | None:
    """Give how long the JSON before binary tensors is, `None` where the whole body is JSON. Raises Invalid."""
    given = headers.get(b"inference-header-content-length")
    if given is None:
        return None
    if not given.isdigit() or len(given) > _LENGTH_DIGITS:
        raise Invalid("Inference-Header-Content-Length must be a number of bytes", code="bad_header_length")
    length = int(given)
    if length > len(body):
        said = f"Inference-Header-Content-Length is {length}, the body has {len(body)} bytes"
        raise Invalid(said, code="bad_header_length")
    return length


async def inflate(body: bytes, encoding: bytes, most: int) -> bytes:
    """Give what a compressed body holds. Raises TooLarge once it is more than `most`, Invalid if it is damaged."""
    window = _WINDOWS.get(encoding)
    if window is None:
        raise Invalid("a body may be compressed by gzip or by deflate", code="unsupported_encoding")
    inflater = zlib.decompressobj(window)
    start = _inflate(inflater, body, min(_AT_ONCE, most + 1))
    if inflater.unconsumed_tail and len(start) <= most:
        rest = inflater.unconsumed_tail
        start += await asyncio.to_thread(_inflate, inflater, rest, most + 1 - len(start))
    if len(start) > most:
        raise TooLarge(f"the body has more than {most} bytes once it is inflated")
    if not inflater.eof or inflater.unused_data:
        raise Invalid("the compressed body is cut off, or more follows it", code="bad_encoding")
    return start


def _inflate(inflater: zlib._Decompress, data: bytes, most: int) -> bytes:
    try:
        return inflater.decompress(data, most)
    except zlib.error as error:
        raise Invalid(f"the body is not compressed as it says: {error}", code="bad_encoding") from None


async def deflate(body: bytes, accepted: bytes) -> tuple[bytes, bytes]:
    """Give the body as the caller takes it, and header lines that say how.

    Compressed only where `Accept-Encoding` names gzip or deflate and nothing else: clients that send a list, such as
    Triton's asynchronous one, do not inflate what they get.
    """
    wanted = accepted.strip().lower()
    if wanted not in _WINDOWS:
        return body, b""
    work = (lambda: gzip.compress(body, 1, mtime=0)) if wanted == b"gzip" else (lambda: zlib.compress(body, 1))
    packed = work() if len(body) < _AT_ONCE // 4 else await asyncio.to_thread(work)
    return packed, b"content-encoding: %s\r\n" % wanted
