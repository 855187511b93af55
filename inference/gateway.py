"""The Open Inference Protocol v2 as plain ASGI in front of Django: a DRF view costs many times more under load.

Source: kserve/open-inference-protocol, REST; error shape `{"error": "…"}` from every layer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from time import perf_counter
from urllib.parse import unquote

import orjson
from django.conf import settings

from accounts.credentials import sent_once
from common.asgi import Receive, Scope, Send, send_body, send_json, send_whole
from common.errors import FluemanError, Invalid, NotFound, TooLarge
from common.names import composed
from inference import payload
from inference.engine import Answer, Ask, Engine
from inference.models import InferenceRequest

logger = logging.getLogger(__name__)

Headers = dict[bytes, bytes]

_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_EXTENSIONS: list[str] = []


class MethodNotAllowed(FluemanError):
    """The address exists for another method."""

    status = 405
    code = "method_not_allowed"


class Gone(Exception):
    """The client has closed the connection."""


class Gateway:
    """Answers everything under `/v2`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure becomes a typed answer in the protocol's shape."""
        received = perf_counter()
        try:
            await self._dispatch(scope, receive, send, received)
        except FluemanError as error:
            await send_error(send, error)
        except Gone:
            return
        except Exception:
            logger.exception("a call of %s failed unexpectedly", scope["path"])
            await send_error(send, FluemanError("something went wrong here; it has been logged", code="unexpected"))

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send, received: float) -> None:
        # The raw path keeps an encoded slash inside a name apart from one that separates.
        raw = scope.get("raw_path") or scope["path"].encode()
        match raw.decode("ascii", "replace").split("?", 1)[0].split("/")[2:]:
            case ["models", name, "infer"]:
                _expect(scope, "POST")
                await self._infer(scope, receive, send, received, _name(name), None)
            case ["models", name, "versions", version, "infer"]:
                _expect(scope, "POST")
                await self._infer(scope, receive, send, received, _name(name), unquote(version))
            case [] | [""]:
                _expect(scope, "GET")
                await send_json(send, {"name": "flueman", "version": settings.VERSION, "extensions": _EXTENSIONS})
            case ["health", "live"]:
                _expect(scope, "GET")
                await send_json(send, {"live": True})
            case ["health", "ready"]:
                _expect(scope, "GET")
                is_ready = self._engine().snapshot is not None
                await send_json(send, {"ready": is_ready}, status=200 if is_ready else 503)
            case ["models", name]:
                await self._metadata(scope, send, _name(name), None)
            case ["models", name, "versions", version]:
                await self._metadata(scope, send, _name(name), unquote(version))
            case ["models", name, "ready"]:
                await self._ready(scope, send, _name(name), None)
            case ["models", name, "versions", version, "ready"]:
                await self._ready(scope, send, _name(name), unquote(version))
            case _:
                raise NotFound("there is no such address")

    async def _infer(
        self, scope: Scope, receive: Receive, send: Send, received: float, name: str, version: str | None
    ) -> None:
        headers: Headers = sent_once(scope["headers"])
        engine = self._engine()
        caller, _endpoint = await engine.let_in(headers, name)
        body = await read_body(receive, headers, settings.MAX_INFER_BYTES)
        if b"content-encoding" in headers or b"inference-header-content-length" in headers:
            raise Invalid("compressed bodies and binary tensors are not taken here", code="unsupported_encoding")
        trace = _TRACE.fullmatch(headers.get(b"traceparent", b""))
        client = scope.get("client")
        ask = Ask(
            deployment=name,
            caller=caller,
            door=InferenceRequest.Door.V2.value,
            body=body,
            received=received,
            read=partial(payload.read_v2_text, body),
            render=_render,
            version=version,
            idempotency_key=headers.get(b"idempotency-key", b"").decode("latin-1"),
            trace_id=trace[1].decode() if trace else "",
            address=client[0] if client else "",
        )
        try:
            answer = await engine.predict(ask)
        except FluemanError as error:
            await send_error(send, error, ask.id)
            return
        await send_whole(send, answer.body, b"idempotency-replayed: true\r\n" if answer.is_replay else _head(answer))

    async def _metadata(self, scope: Scope, send: Send, name: str, version: str | None) -> None:
        _expect(scope, "GET")
        _caller, endpoint = await self._engine().let_in(sent_once(scope["headers"]), name)
        target = endpoint.choose(version)
        signature = target.signature.as_dict()
        for spec in (*signature["inputs"], *signature["outputs"]):
            spec.pop("max_length", None)
        versions = [str(target.version) for target in endpoint.targets]
        await send_json(send, {"name": name, "versions": versions, "platform": target.platform, **signature})

    async def _ready(self, scope: Scope, send: Send, name: str, version: str | None) -> None:
        _expect(scope, "GET")
        _caller, endpoint = await self._engine().let_in(sent_once(scope["headers"]), name)
        target = endpoint.choose(version)
        is_ready = target.state == "ready"
        await send_json(send, {"name": name, "ready": is_ready}, status=200 if is_ready else 503)


def _render(answer: Answer) -> bytes:
    assert answer.inputs is not None
    return payload.v2_answer(
        outputs=answer.outputs,
        model=answer.target.model,
        version=answer.target.version,
        client_id=answer.inputs.client_id,
        wanted=answer.inputs.outputs,
    )


def _name(part: str) -> str:
    return composed(unquote(part))


def _head(answer: Answer) -> bytes:
    """Give the request's id and its timing in milliseconds as header lines. Source: W3C Server Timing."""
    return (
        f"x-request-id: {answer.request_id}\r\n"
        f"server-timing: parse;dur={answer.parse_ms:.2f}, queue;dur={answer.queue_ms:.2f}, "
        f"model;dur={answer.run_ms:.2f}, commit;dur={answer.commit_ms:.2f}, "
        f"total;dur={answer.total_ms + answer.commit_ms:.2f}\r\n"
    ).encode()


def _expect(scope: Scope, method: str) -> None:
    if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
        raise MethodNotAllowed(f"this address takes {method}")


async def read_body(receive: Receive, headers: Headers, most: int) -> bytes:
    """Give the whole body. Raises TooLarge before more than `most` bytes are held, Gone if the client went away."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise TooLarge(f"the body has {int(length)} bytes, more than {most}")
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > most:
            raise TooLarge(f"the body has more than {most} bytes")
        return body
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise TooLarge(f"the body has more than {most} bytes")
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


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
    if error.status == 413:
        # What the client still sends must not be taken for its next request.
        extra.append((b"connection", b"close"))
    await send_body(send, error.status, orjson.dumps({"error": error.message}), extra)
