"""A failure in the shape of the Open Inference Protocol. No Django: a version that runs alone answers so too."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

import orjson

from common.asgi import Scope, Send, send_body
from common.errors import FluemanError
from inference.v2.bodies import Gone

logger = logging.getLogger(__name__)


async def answered(work: Awaitable[None], scope: Scope, send: Send) -> None:
    """Wait until a call is answered; every failure becomes a typed answer. Who has gone gets none."""
    try:
        await work
    except FluemanError as error:
        await send_error(send, error)
    except Gone:
        return
    except Exception:
        logger.exception("a call of %s failed unexpectedly", scope["path"])
        await send_error(send, FluemanError("something went wrong here; it has been logged", code="unexpected"))


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
