"""Calls and answers of the Open Inference Protocol v2 as a client writes and reads them. Pure: no ORM, no request.

Source: kserve/open-inference-protocol, REST; triton-inference-server, binary tensor data extension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson

from common.errors import Invalid
from inference.runner.frames import Tensor, pack_strings, unpack_strings
from registry.numbers import DTYPES
from registry.signature import Signature, TensorSpec, flatten, parse_signature, read_numbers

BINARY = "binary_tensor_data"
HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_NAME = 255
HEAD_BYTES = 1 << 20
NUMBER_BYTES = 32  # of one number as JSON, and then some


@dataclass(frozen=True, slots=True)
class Offered:
    """A model in a server's index."""

    name: str
    version: str
    state: str


@dataclass(frozen=True, slots=True)
class Found:
    """A model as its server tells it; without a signature where the server has none."""

    signature: Signature | None
    platform: str
    is_binary: bool | None  # `None`: it did not say
    most_rows: int | None = None  # of one call, where the server says it


def model_path(model: str, version: str = "", *, verb: str = "") -> str:
    """Give the path of a model below the server's address; names are data and never lead elsewhere."""
    parts = ["v2", "models", _segment(model)]
    parts += ["versions", _segment(version)] if version else []
    return "/".join([*parts, verb] if verb else parts)


def check_name(name: str, field: str) -> str:
    """Give a model or version name that may stand in a path. Raises Invalid."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name in (".", "..") or "\\" in name:
        raise Invalid(f"{field}: is no name of a model", fields={field: "is no name of a model"})
    return name


def write_call(
    tensors: Sequence[Tensor], signature: Signature, *, is_binary: bool, request_id: str = ""
) -> tuple[bytes, dict[str, str]]:
    """Give the body of a call and the headers that go with it. Raises Invalid for values that JSON cannot carry."""
    inputs, payloads = [], []
    for spec, tensor in zip(signature.inputs, tensors, strict=True):
        entry: dict[str, Any] = {"name": spec.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if is_binary:
            entry["parameters"] = {"binary_data_size": len(tensor.payload)}
            payloads.append(tensor.payload)
        else:
            entry["data"] = _plain_values(spec, tensor)
        inputs.append(entry)
    wanted = {"parameters": {"binary_data": True}} if is_binary else {}
    call = {"inputs": inputs, "outputs": [{"name": spec.name, **wanted} for spec in signature.outputs]}
    head = orjson.dumps({"id": request_id, **call} if request_id else call, option=orjson.OPT_SERIALIZE_NUMPY)
    if not is_binary:
        return head, {"Content-Type": "application/json"}
    return b"".join([head, *payloads]), {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}


def read_answer(body: bytes, header_length: str | None, signature: Signature) -> list[Tensor]:
    """Give the outputs in the signature's order. Raises ValueError for what is no answer with these outputs."""
    size = _header_size(header_length, len(body))
    head, rest = _object(body[:size], "the answer"), memoryview(body)[size:]
    given: dict[str, Tensor] = {}
    for entry in _entries(head, "outputs"):
        name, tensor, rest = _read_output(entry, rest)
        if name in given:
            raise ValueError(f"output `{name[:100]}` is given twice")
        given[name] = tensor
    if rest:
        raise ValueError(f"{len(rest)} bytes after the last output")
    for spec in signature.outputs:
        if spec.name not in given:
            raise ValueError(f"output `{spec.name}` is missing")
    return [_fitted(given[spec.name], spec) for spec in signature.outputs]


def _fitted(tensor: Tensor, spec: TensorSpec) -> Tensor:
    """Give the tensor without a last dimension of one that is not signed: MLServer adds it to texts, codecs/string."""
    has_more = len(tensor.shape) == len(spec.shape) + 1 and tensor.shape[-1] == 1
    return tensor._replace(shape=tensor.shape[:-1]) if has_more else tensor


def read_signature(metadata: Mapping[str, Any]) -> Signature:
    """Give the signature that a model's metadata tells. Raises Invalid if it tells none."""
    found = {}
    for key in ("inputs", "outputs"):
        entries = metadata.get(key)
        if not isinstance(entries, list) or not entries:
            raise Invalid(f"the server tells no {key} of this model: give its signature", code="no_signature")
        found[key] = [
            {name: entry.get(name) for name in ("name", "datatype", "shape")} if isinstance(entry, Mapping) else entry
            for entry in entries
        ]
    return parse_signature(found)


def differences(signed: Signature, told: Signature) -> list[str]:
    """Say where a server's model is not what was registered, empty if it is."""
    found = []
    for word, ours, theirs in (("input", signed.inputs, told.inputs), ("output", signed.outputs, told.outputs)):
        by_name = {spec.name: spec for spec in theirs}
        for spec in ours:
            other = by_name.get(spec.name)
            if other is None:
                found.append(f"{word} `{spec.name}` is not there")
            elif (other.datatype, other.shape) != (spec.datatype, spec.shape):
                found.append(
                    f"{word} `{spec.name}` is {other.datatype} {list(other.shape)}, registered as"
                    f" {spec.datatype} {list(spec.shape)}"
                )
        if word == "input":
            known = {spec.name for spec in ours}
            found += [f"input `{name}` is new" for name in by_name if name not in known]
    return found


def most_answer_bytes(signature: Signature, rows: int, most: int) -> int:
    """Give how large an answer may be: where the signature fixes all but the rows, not much more than these hold."""
    elements = 0
    for spec in signature.outputs:
        sizes = spec.shape[1:] if signature.is_batched else spec.shape
        if spec.datatype == "BYTES" or -1 in sizes:
            return most
        elements += math.prod(sizes)
    return min(most, HEAD_BYTES + rows * elements * NUMBER_BYTES)


def _segment(name: str) -> str:
    return quote(name, safe="")


def _plain_values(spec: TensorSpec, tensor: Tensor) -> Any:
    """Give flat values as JSON carries them."""
    if tensor.datatype == "BYTES":
        try:
            return [value.decode() for value in unpack_strings(tensor.payload)]
        except UnicodeDecodeError:
            raise Invalid(f"{spec.name}: is not UTF-8, and this model's server takes JSON only") from None
    dtype = DTYPES.get(tensor.datatype)
    if dtype is None:
        raise Invalid(f"{spec.name}: this model's server takes JSON only, which has no {tensor.datatype}")
    values = np.frombuffer(tensor.payload, dtype)
    return values.astype("<f4") if tensor.datatype == "FP16" else values


def _header_size(told: str | None, whole: int) -> int:
    if told is None:
        return whole
    if not (told.isascii() and told.isdigit() and len(told) < 12) or int(told) > whole:
        raise ValueError(f"a header length of {told[:20]!r} in an answer of {whole} bytes")
    return int(told)


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no object")
    return value


def _entries(head: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = head.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"`{key}` is no list of tensors")
    return entries


def _read_output(entry: Mapping[str, Any], rest: memoryview) -> tuple[str, Tensor, memoryview]:
    """Give a tensor by its name, and the binary data that is left after it."""
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str) or not isinstance(datatype, str) or not isinstance(shape, list):
        raise ValueError("an output without name, datatype or shape")
    if len(shape) > 8 or any(type(size) is not int or not 0 <= size < 1 << 40 for size in shape):
        raise ValueError(f"output `{name[:100]}` has no shape of an array")
    parameters = entry.get("parameters")
    length = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if length is None:
        return name, _from_json(name, datatype, tuple(shape), entry.get("data")), rest
    if type(length) is not int or not 0 <= length <= len(rest):
        raise ValueError(f"output `{name[:100]}` has {str(length)[:20]} bytes of the {len(rest)} that are left")
    return name, Tensor(datatype, tuple(shape), rest[:length]), rest[length:]


def _from_json(name: str, datatype: str, shape: tuple[int, ...], data: Any) -> Tensor:
    if datatype not in DTYPES and datatype != "BYTES":
        raise ValueError(f"output `{name[:100]}` has the datatype {datatype[:20]}, which JSON cannot carry")
    spec = TensorSpec(name[:100], datatype, shape)
    try:
        if datatype != "BYTES":
            return Tensor(datatype, shape, read_numbers(spec, shape, data).tobytes())
        values = flatten(spec, shape, data, math.prod(shape))
        if not all(type(value) is str for value in values):
            raise ValueError(f"output `{name[:100]}` holds other values than texts")
        return Tensor(datatype, shape, pack_strings(value.encode() for value in values))
    except (Invalid, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None
