"""HTTP to a server of the Open Inference Protocol elsewhere: checked addresses, bounded answers, no redirects."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiohttp.payload import BytesPayload
from django.conf import settings
from yarl import URL

from common import outgoing
from common.errors import DeadlineExceeded, FluemanError, Invalid, TooLarge, TooMany, Unavailable
from common.outgoing_async import make_connector
from common.sealing import unseal
from inference.remote.places import BEARER, Place
from inference.transport.calls import plain

PART_BYTES = 64 * 1024
MOST_ERROR_BYTES = 64 * 1024
KEEP_ALIVE_S = 3.0  # under what servers keep, so that few connections are found closed
CONNECTIONS = 64
LONGEST_WAIT_S = 3600

# What an answer means to our caller, by its status: redirects are 300 here, all others are failures of the model.
_REFUSALS: dict[int, tuple[type[FluemanError], str, str]] = {
    300: (Unavailable, "bad_answer", "redirects, which is not followed"),
    400: (Invalid, "invalid", "refused the call"),
    401: (Unavailable, "remote_refused", "does not take our credential"),
    403: (Unavailable, "remote_refused", "does not let our credential call this model"),
    404: (Unavailable, "remote_unknown", "does not know this model"),
    408: (DeadlineExceeded, "deadline_exceeded", "did not answer in time"),
    413: (TooLarge, "too_large", "takes no call of this size"),
    422: (Invalid, "invalid", "refused the call"),
    429: (TooMany, "remote_too_many", "takes no more calls now"),
    502: (Unavailable, "remote_lost", "cannot be reached behind its gateway"),
    503: (Unavailable, "remote_not_ready", "is not ready"),
    504: (DeadlineExceeded, "deadline_exceeded", "did not answer in time"),
}


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Body(BytesPayload):
    """A body that knows whether any of its request was given to the network: aiohttp writes headers along with it."""

    is_begun = False

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        """Write it, unless the connection has ended meanwhile."""
        transport = writer.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection has ended")
        self.is_begun = True
        await super().write_with_length(writer, content_length)


class Client:
    """Requests to one server on the running loop. It holds the credential in the clear, and shows it to nobody.

    Raises Unavailable if the address may not be opened, or the credential cannot be unsealed.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        try:
            self._base = outgoing.check_url(place.base_url).rstrip("/")
        except Invalid as error:
            raise Unavailable(error.message, code="address_refused") from None
        self._secret = unseal(place.credential) if place.credential else ""
        tls: Any = {"ssl": _context(place.ca_pem)} if self._base.startswith("https") else {}
        self._session = aiohttp.ClientSession(
            connector=make_connector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S, **tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": f"Flueman/{settings.VERSION}", "Accept-Encoding": "identity", **self._credential()},
        )

    def _credential(self) -> dict[str, str]:
        if not self._secret:
            return {}
        bearer = "Bearer " if self._place.header.lower() == BEARER.lower() else ""
        return {self._place.header: bearer + self._secret}

    async def close(self) -> None:
        """End its connections."""
        await self._session.close()

    async def get(self, path: str, *, timeout_s: float, most_bytes: int = 1 << 20) -> Reply:
        """Give the answer to a GET below the server's address. Raises Unavailable, DeadlineExceeded."""
        return await self._ask("GET", path, None, {}, timeout_s, most_bytes)

    async def ask_index(self, *, timeout_s: float) -> Reply:
        """Give the index of models, which a POST asks for. Raises Unavailable, DeadlineExceeded."""
        return await self._ask(
            "POST", "v2/repository/index", Body(b"{}"), {"Content-Type": "application/json"}, timeout_s, 4 << 20
        )

    async def post(
        self, path: str, body: Body, *, headers: Mapping[str, str], timeout_s: float, most_bytes: int
    ) -> Reply:
        """Give the answer to a POST. Raises Unavailable, DeadlineExceeded."""
        return await self._ask("POST", path, body, headers, timeout_s, most_bytes)

    async def _ask(
        self, method: str, path: str, body: Body | None, headers: Mapping[str, str], timeout_s: float, most: int
    ) -> Reply:
        url = URL(f"{self._base}/{path}", encoded=True)
        limit = aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, outgoing.CONNECT_S))
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=limit
            ) as response:
                content = await _read(response, most)
                return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, content)
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise self._bad(f"TLS failed: {_reason(error)}", "bad_certificate") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._bad(f"cannot be reached: {_reason(error)}", "unreachable") from None
        except TimeoutError:
            raise DeadlineExceeded(f"{self._place.server} did not answer in time") from None
        except (aiohttp.ClientConnectionError, OSError):
            raise self._bad("closed the connection", "runner_lost") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise self._bad(f"gave no good answer: {_reason(error)}", "bad_answer") from None

    def _bad(self, what: str, code: str) -> Unavailable:
        return Unavailable(self.without_secret(f"{self._place.server} {what}"), code=code, retry_after_s=1)

    def without_secret(self, text: str) -> str:
        """Give a text without the credential: a server may say back what it was sent."""
        return text.replace(self._secret, "***") if self._secret else text

    def refusal(self, reply: Reply) -> FluemanError:
        """Give the error that an answer other than 200 stands for."""
        status = 300 if 300 <= reply.status < 400 else reply.status
        kind, code, words = _REFUSALS.get(status, (Unavailable, "model_failed", "failed"))
        said = self.without_secret(_message(reply.body)) if kind is not TooMany else ""
        wait_s = _retry_after(reply.headers.get("retry-after", "")) if kind in (Unavailable, TooMany) else None
        text = f"{self._place.server} {words} ({reply.status})"
        return kind(f"{text}: {said}" if said else text, code=code, retry_after_s=wait_s)


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Give the whole body. Raises ValueError for one that is compressed or has more than `most` bytes."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ValueError("it is compressed, which was not asked for")
    if (response.content_length or 0) > most:
        raise ValueError(f"it has more than {most} bytes")
    parts, size = [], 0
    async for part in response.content.iter_chunked(PART_BYTES):
        size += len(part)
        if size > most:
            raise ValueError(f"it has more than {most} bytes")
        parts.append(part)
    return b"".join(parts)


def _context(ca_pem: str) -> ssl.SSLContext:
    """Give how TLS is made: with an authority of its own only that one is believed."""
    context = ssl.create_default_context(cadata=ca_pem or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _message(body: bytes) -> str:
    """Give what a server says in its `error`, and nothing of an HTML page."""
    try:
        value = orjson.loads(body[:MOST_ERROR_BYTES])
    except orjson.JSONDecodeError:
        return ""
    said = value.get("error", value.get("detail", "")) if isinstance(value, dict) else ""
    return plain(said, 300) if isinstance(said, str) else ""


def _retry_after(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        return 1  # also for a date, which nobody sends here
    return min(max(1, int(text)), LONGEST_WAIT_S)


def _reason(error: BaseException) -> str:
    """Say why in one short line, without numbers and names that only we know."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, socket.gaierror):
        return "its name has no address"
    if isinstance(inner, OSError) and not isinstance(inner, ssl.SSLError):
        return os.strerror(inner.errno) if inner.errno else "its address may not be opened"
    return plain(getattr(inner, "verify_message", "") or str(inner) or type(inner).__name__, 200)
