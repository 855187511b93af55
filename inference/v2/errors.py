"""A failure in the shape of the Open Inference Protocol. No Django: a version that runs alone answers so too."""

from __future__ import annotations

import orjson

from common.asgi import Send, send_body
from common.errors import FluemanError


async def send_error(send: Send, error: FluemanError, request_id: str = "") -> None:
    """Send a failure in the protocol's shape, with its code and the id of the call, if it is kept, in headers."""
    extra = [(b"x-error-code", error.code.encode("ascii", "replace"))]
    if request_id:
        extra.append((b"x-request-id", request_id.encode()))
    extra += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    if error.retry_after_s is not None:
        extra.append((b"retry-after", b"%d" % error.retry_after_s))
    if error.status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="flueman"'))
    if error.status in (408, 413):
        # What the client still sends must not be taken for its next request.
        extra.append((b"connection", b"close"))
    await send_body(send, error.status, orjson.dumps({"error": error.message}), extra)
