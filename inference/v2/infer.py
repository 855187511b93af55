"""`infer`: a call of a deployment, by JSON or with raw bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from accounts.credentials import Caller
from common.asgi import send_whole
from common.errors import FluemanError
from inference import feedback_tokens
from inference.asked import Answer, Ask
from inference.bodies.payload import Inputs, read_v2_body
from inference.labels import LabelCache
from inference.models import InferenceRequest
from inference.v2.answers import render
from inference.v2.bodies import deflate, json_length
from inference.v2.errors import send_error
from inference.v2.exchange import Exchange
from registry.signature import Signature

_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_JSON, _BYTES = b"application/json", b"application/octet-stream"


async def infer(call: Exchange) -> None:
    """Run the version that is asked for, or chosen, on the inputs."""
    headers = call.headers()
    engine = call.engine
    caller, endpoint = await engine.let_in(headers, call.name)
    body = await call.read(headers)
    length = json_length(headers, body)
    wish = headers.get(b"x-flueman-feedback")
    end_user = None if wish is None else feedback_tokens.wish(wish.decode("latin-1"))
    if body.find(b'"classification"', 0, length) >= 0:
        version_ids = [target.version_id for target in endpoint.targets]
        await engine.in_thread(lambda: call.shared.labels.load(version_ids))
    ask = make_ask(
        call,
        headers,
        caller,
        body,
        partial(read_v2_body, body, length),
        partial(_render, call.name, call.shared.labels),
        length,
    )
    try:
        answer = await engine.predict(ask)
    except FluemanError as error:
        await send_error(call.send, error, ask.id)
        return
    content, head = answer.body, head_of(answer)
    if end_user is not None and not answer.is_replay:
        token, _until = feedback_tokens.issue(request_id=UUID(answer.request_id), end_user=end_user)
        head += f"x-flueman-feedback-token: {token}\r\n".encode()
    if answer.json_length is not None:
        head += b"inference-header-content-length: %d\r\n" % answer.json_length
    if b"accept-encoding" in headers:
        content, more = await deflate(content, headers[b"accept-encoding"])
        head += more
    await send_whole(call.send, content, head, _JSON if answer.json_length is None else _BYTES)


def make_ask(
    call: Exchange,
    headers: dict[bytes, bytes],
    caller: Caller,
    body: bytes,
    read: Callable[[Signature], Inputs],
    render_answer: Callable[[Answer], bytes],
    length: int | None = None,
) -> Ask:
    """Give the call as the engine takes it."""
    trace = _TRACE.fullmatch(headers.get(b"traceparent", b""))
    return Ask(
        deployment=call.name,
        caller=caller,
        door=InferenceRequest.Door.V2.value,
        body=body,
        received=call.received,
        read=read,
        render=render_answer,
        version=call.version,
        json_length=length,
        route_key=headers.get(b"x-flueman-route-key", b"").decode("latin-1"),
        idempotency_key=headers.get(b"idempotency-key", b"").decode("latin-1"),
        trace_id=trace[1].decode() if trace else "",
        address=call.address,
    )


def _render(name: str, known: LabelCache, answer: Answer) -> bytes:
    inputs, target = answer.inputs, answer.target
    assert inputs is not None
    labels: Sequence[str] = ()
    if inputs.outputs and any(wanted.classes for wanted in inputs.outputs):
        labels = known.get(target.version_id)
    body, answer.json_length = render(
        outputs=answer.outputs,
        signature=target.signature,
        model=name,
        version=target.version,
        client_id=inputs.client_id,
        wanted=inputs.outputs,
        labels=labels,
    )
    return body


def head_of(answer: Answer) -> bytes:
    """Give header lines: whether it is a repeat, or its id and timing in milliseconds; what is left to the caller.

    Source: W3C Server Timing.
    """
    head = b"idempotency-replayed: true\r\n" if answer.is_replay else _timing(answer)
    for name, value in answer.limits.items():
        head += f"{name.lower()}: {value}\r\n".encode()
    return head


def _timing(answer: Answer) -> bytes:
    return (
        f"x-request-id: {answer.request_id}\r\n"
        f"server-timing: parse;dur={answer.parse_ms:.2f}, queue;dur={answer.queue_ms:.2f}, "
        f"model;dur={answer.run_ms:.2f}, commit;dur={answer.commit_ms:.2f}, "
        f"total;dur={answer.total_ms + answer.commit_ms:.2f}\r\n"
    ).encode()
