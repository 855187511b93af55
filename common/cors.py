"""Calls from web pages of other origins (CORS), for the APIs only: origins named exactly, and never with cookies.

Callers carry keys and tokens in headers, so `Access-Control-Allow-Credentials` is never sent.
Source: WHATWG Fetch, section 3.2 (CORS protocol).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.asgi import Receive, Scope, Send

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = (
    b"authorization, content-encoding, content-type, idempotency-key, if-match, if-modified-since, if-none-match, "
    b"if-range, inference-header-content-length, range, traceparent, tus-resumable, upload-checksum, upload-length, "
    b"upload-metadata, upload-offset, x-api-key, x-flueman-feedback, x-flueman-route-key, x-http-method-override, "
    b"x-request-id"
)
EXPOSED = (
    b"accept-ranges, allow, content-disposition, content-location, content-range, etag, idempotency-replayed, "
    b"inference-header-content-length, location, ratelimit, ratelimit-policy, retry-after, server-timing, "
    b"tus-resumable, tus-version, upload-expires, upload-length, upload-metadata, upload-offset, www-authenticate, "
    b"x-error-code, x-flueman-feedback-token, x-request-id"
)
PREFLIGHT_KEPT_S = b"600"


class Cors:
    """An ASGI application behind the origins that may read its answers under some prefixes."""

    def __init__(self, application: Any, *, origins: Sequence[str], prefixes: Sequence[str]) -> None:
        self._application = application
        self._origins = {origin.encode() for origin in origins}
        self._prefixes = tuple(prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; to a call of a known origin add the header that lets its page read the answer."""
        # `/v2` itself answers as `/v2/` does.
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(self._prefixes):
            await self._application(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        allowed = [(b"vary", b"Origin")]
        if origin in self._origins:
            allowed += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(send, allowed)
            return

        async def send_with(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *allowed]}
            await send(message)

        await self._application(scope, receive, send_with)


async def _preflight(send: Send, allowed: list[tuple[bytes, bytes]]) -> None:
    rules = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", REQUEST_HEADERS),
        (b"access-control-max-age", PREFLIGHT_KEPT_S),
    ]
    headers = [*allowed, *(rules if len(allowed) > 1 else []), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
