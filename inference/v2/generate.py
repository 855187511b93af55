"""The generate extension: text in, text out, for deployments with one input of text and an output of text.

Source: kserve/open-inference-protocol, generate_rest.yaml; Triton, docs/protocol/extension_generate.md.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson

from common.asgi import send_whole
from common.errors import FluemanError, Invalid
from common.strict_json import loads
from inference.asked import Answer
from inference.bodies.payload import Inputs, nested_values, read_client_id
from inference.runner.frames import Tensor, pack_strings
from inference.v2.errors import send_error
from inference.v2.exchange import Exchange
from inference.v2.infer import head_of, make_ask
from registry.signature import Signature, TensorSpec, read_texts

_EVENTS = b"text/event-stream; charset=utf-8"


async def generate(call: Exchange) -> None:
    """Answer a text by one object."""
    if answer := await _run(call):
        await send_whole(call.send, answer.body, head_of(answer))


async def generate_stream(call: Exchange) -> None:
    """Answer a text by server-sent events: our models give all of their text at once, so there is one."""
    if answer := await _run(call):
        await send_whole(call.send, b"data: " + answer.body + b"\n\n", head_of(answer), _EVENTS)


async def _run(call: Exchange) -> Answer | None:
    """Give the answer; `None` after a failure, which has been sent."""
    headers = call.headers()
    caller, _endpoint = await call.engine.let_in(headers, call.name)
    body = await call.read(headers)
    ask = make_ask(call, headers, caller, body, partial(_read, body), partial(_render, call.name))
    try:
        return await call.engine.predict(ask)
    except FluemanError as error:
        await send_error(call.send, error, ask.id)
        return None


def _read(body: bytes, signature: Signature) -> Inputs:
    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or not _is_text(spec) or _text_output(signature) is None:
        raise Invalid(
            "this model does not generate: it needs one input of text (BYTES) and an output of text; call infer",
            code="not_generative",
        )
    call = loads(body)
    if not isinstance(call, dict):
        raise Invalid("the body must be a JSON object", fields={"body": "not an object"})
    if "inputs" in call:  # the record of a call shows its inputs, and these would not be what was asked
        said = "is for infer; generate takes text_input alone"
        raise Invalid(f"inputs: {said}", fields={"inputs": said})
    if not isinstance(call.get("parameters", {}), dict):
        raise Invalid("parameters: must be an object", fields={"parameters": "must be an object"})
    text = call.get("text_input")
    if not isinstance(text, str):
        raise Invalid("text_input: must be a text", fields={"text_input": "must be a text"})
    shape = (1,) * len(spec.shape)
    tensor = Tensor("BYTES", shape, pack_strings(read_texts(spec, shape, [text])))
    return Inputs([tensor], 1, read_client_id(call.get("id")))


def _render(name: str, answer: Answer) -> bytes:
    """Give the first text as `text_output`; other outputs stand under their names, in `details` if those are taken."""
    assert answer.inputs is not None
    said: dict[str, Any] = {"model_name": name, "model_version": str(answer.target.version)}
    if answer.inputs.client_id:
        said["id"] = answer.inputs.client_id
    first = _text_output(answer.target.signature)
    for spec, output in answer.outputs:
        value = _alone(nested_values(output))
        if spec == first:
            said["text_output"] = value
        elif spec.name in ("model_name", "model_version", "id", "text_output", "details"):
            said.setdefault("details", {})[spec.name] = value
        else:
            said[spec.name] = value
    return orjson.dumps(said)


def _is_text(spec: TensorSpec) -> bool:
    """Whether one text is a whole row."""
    return spec.datatype == "BYTES" and all(size in (-1, 1) for size in spec.shape)


def _text_output(signature: Signature) -> TensorSpec | None:
    return next((spec for spec in signature.outputs if spec.datatype == "BYTES"), None)


def _alone(value: Any) -> Any:
    """Give the value of a row without the lists of one element around it."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value
