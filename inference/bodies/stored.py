"""What is kept of calls and answers, and the way back to their values: bytes become text that people can read.

Small calls are kept as text: JSON as it was sent, raw bytes as the JSON that says the same. Large ones are files: the
JSON and the bytes after it. Pure: no ORM, no request.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from inference.bodies import binary
from inference.bodies.payload import Inputs, flat_values
from inference.runner.frames import FrameError, Tensor, unpack_strings
from inference.transport import Output
from registry.numbers import to_array
from registry.signature import Signature

HEAD_BYTES = 256 * 1024  # of a file; the JSON before its bytes is shorter
_JSON = json.JSONDecoder()


def text_of(body: bytes, json_length: int | None, inputs: Inputs | None, signature: Signature) -> str:
    """Give a small call as text; of raw bytes that were refused only the JSON before them."""
    if json_length is None or inputs is None:
        text = body[:json_length].decode("utf-8", "replace")
        return text.replace("\0", "") if "\0" in text else text
    call = orjson.loads(_head(body, json_length, inputs, signature))
    named = {spec.name: tensor for spec, tensor in zip(signature.inputs, inputs.tensors, strict=True)}
    for entry in call["inputs"]:
        if binary.size_of(entry) is not None:
            del entry["parameters"][binary.SIZE]
            entry["data"] = _values(named[entry["name"]])
    return orjson.dumps(call, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def file_of(body: bytes, json_length: int | None, inputs: Inputs, signature: Signature) -> bytes:
    """Give a large call as a file that tells by itself what it holds."""
    if json_length == 0:  # the body is the input alone
        return _head(body, 0, inputs, signature) + inputs.tensors[0].payload
    return body


def _head(body: bytes, json_length: int, inputs: Inputs, signature: Signature) -> bytes:
    if json_length:
        return body[:json_length]
    spec, tensor = signature.inputs[0], inputs.tensors[0]
    entry = {"name": spec.name, "datatype": spec.datatype, "shape": tensor.shape}
    return orjson.dumps({"inputs": [{**entry, "parameters": {binary.SIZE: len(tensor.payload)}}]})


def _values(tensor: Tensor) -> Any:
    """Give a tensor's elements, row-major, as orjson takes them."""
    if tensor.datatype == "BYTES":
        return flat_values(Output("BYTES", tensor.shape, unpack_strings(tensor.payload)))
    return to_array(tensor.datatype, tensor.payload)


def inputs_of(stored: str | bytes, signature: Signature | None = None) -> dict[str, Any]:
    """Give values by input name from the text or the file of a call that any door has taken.

    The text of `generate` goes by the name of the signature's one input, else by `text_input`. Flat data of a `/v2`
    body stays flat; `shapes_of` tells its shape. Bytes that were refused are not kept.
    """
    body, tail = _read(stored)
    given = body.get("inputs")
    if "inputs" not in body and isinstance(body.get("text_input"), str):
        names = [spec.name for spec in signature.inputs] if signature else []
        return {names[0] if len(names) == 1 else "text_input": [body["text_input"]]}
    if isinstance(given, Mapping):
        return dict(given)
    found, at = {}, 0
    for entry in _entries(given):
        size, data = binary.size_of(entry), entry.get("data")
        if type(size) is int:
            data = _from_bytes(entry, tail[at : at + size])
            at += size
        if size is None or data is not None:
            found[str(entry.get("name"))] = data
    return found


def shapes_of(stored: str | bytes) -> dict[str, list[int]]:
    """Give shapes by input name where the call names them."""
    given = _read(stored)[0].get("inputs")
    return {str(entry.get("name")): entry["shape"] for entry in _entries(given) if "shape" in entry}


def dropped_of(stored: str | bytes) -> dict[str, int]:
    """Give by input name how many bytes came that are not kept, because they were refused."""
    body, tail = _read(stored)
    sizes = {str(entry.get("name")): binary.size_of(entry) for entry in _entries(body.get("inputs"))}
    return {name: size for name, size in sizes.items() if type(size) is int and not tail}


def has_bytes(start: bytes) -> bool:
    """Whether the file that begins so holds bytes after its JSON."""
    piece = start[:HEAD_BYTES]
    if b'"binary_data_size"' not in piece:
        return False
    head, end = _head_of(piece)
    size = _bytes_said(head)
    return size > 0 and (len(piece) == HEAD_BYTES or size <= len(piece) - end)


def answer_text(body: bytes, json_length: int | None) -> str:
    """Give an answer as text for a later repeat of its call; one with bytes begins with the length of its JSON."""
    return body.decode() if json_length is None else f"{json_length}:{b64encode(body).decode()}"


def read_answer(text: str) -> tuple[bytes, int | None]:
    """Give an answer back, and the length of its JSON where bytes follow that."""
    if not text[:1].isdigit():
        return text.encode(), None
    length, _, packed = text.partition(":")
    return b64decode(packed), int(length)


def _read(stored: str | bytes) -> tuple[dict[str, Any], bytes]:
    """Give the object of a call, empty if it is none of ours, and the bytes after it."""
    body, tail = _split(stored.encode("utf-8", "replace") if isinstance(stored, str) else stored)
    return (body if isinstance(body, dict) else {}), tail


def _split(stored: bytes) -> tuple[Any, bytes]:
    """Give the JSON and the bytes after it, which stand at the end: as many as its entries say, or none."""
    head, end = _head_of(stored)
    size = _bytes_said(head)
    return head, stored[len(stored) - size :] if 0 < size <= len(stored) - end else b""


def _head_of(stored: bytes) -> tuple[Any, int]:
    """Give the JSON that a text begins with, and where it ends; blanks after it may be padding or a tensor."""
    try:
        whole = orjson.loads(stored)
        if not _bytes_said(whole):
            return whole, len(stored)
    except orjson.JSONDecodeError:
        pass
    try:  # each byte is one character in Latin-1, so the end that is found is that of the bytes
        start = len(stored) - len(stored.lstrip(b" \t\r\n"))
        _, end = _JSON.raw_decode(stored.decode("latin-1"), start)
        return orjson.loads(stored[:end]), end
    except (ValueError, RecursionError):
        return {}, len(stored)


def _bytes_said(head: Any) -> int:
    """Give how many bytes the inputs of a call are said to have after its JSON."""
    sizes = [binary.size_of(entry) for entry in _entries(head.get("inputs") if isinstance(head, dict) else None)]
    return sum(size for size in sizes if type(size) is int and size > 0)


def _entries(given: Any) -> list[dict[str, Any]]:
    return [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []


def _from_bytes(entry: Mapping[str, Any], piece: bytes) -> list[Any] | None:
    if not piece:
        return None
    try:
        shape = tuple(entry["shape"])
        if entry["datatype"] == "BYTES":
            return flat_values(Output("BYTES", shape, unpack_strings(piece)))
        return to_array(entry["datatype"], piece).tolist()  # type: ignore[no-any-return]
    except (KeyError, TypeError, ValueError, FrameError):
        return None
