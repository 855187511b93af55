"""Bodies of prediction calls into tensors, and results into answers and rows. Pure: no ORM, no request.

Two shapes of body: that of the Open Inference Protocol v2 (`/v2`), and the friendly one, `{"inputs": {"text": ["…"]}}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from common.errors import Invalid
from common.strict_json import loads
from inference import large_bodies
from inference.runner.frames import Tensor, pack_strings
from inference.transport import Output
from registry.signature import Signature, TensorSpec, infer_shape, pack_numbers, read_texts

MAX_ROWS = 1024  # of one request
MAX_ID_LENGTH = 128


@dataclass(slots=True)
class Inputs:
    """A checked call: tensors in the signature's order, and how many rows they hold."""

    tensors: list[Tensor]
    rows: int
    client_id: str = ""
    outputs: tuple[str, ...] | None = None


def read_v2_text(text: bytes, signature: Signature) -> Inputs:
    """Read the JSON of the Open Inference Protocol, large ones by a faster way. Raises Invalid, naming the input."""
    if len(text) >= large_bodies.LEAST_BYTES:
        try:
            return read_v2(large_bodies.loads(text), signature)
        except (large_bodies.NotPlain, Invalid):
            pass  # the ordinary way says what is wrong
    has_booleans = b"true" in text or b"false" in text
    return read_v2(loads(text), signature, has_booleans=has_booleans)


def read_v2(body: Any, signature: Signature, *, has_booleans: bool = True) -> Inputs:
    """Read a body of the Open Inference Protocol. Raises Invalid, naming the input.

    Without `has_booleans` the text is known to hold neither `true` nor `false`, which saves a look at each value.
    """
    if not isinstance(body, dict):
        raise Invalid("the body must be a JSON object", fields={"body": "not an object"})
    entries = body.get("inputs")
    if not isinstance(entries, list):
        raise Invalid("inputs: must be a list of tensors", fields={"inputs": "must be a list of tensors"})
    given: dict[str, dict[str, Any]] = {}
    for n, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise Invalid(f"inputs[{n}]: must be an object with a name", fields={f"inputs[{n}]": "needs a name"})
        if name in given:
            raise _bad(name, "is given twice")
        given[name] = entry
    _check_names(given, signature)
    tensors = [_read_v2_tensor(spec, given[spec.name], has_booleans) for spec in signature.inputs]
    return Inputs(tensors, _count_rows(signature, tensors), _client_id(body.get("id")), _wanted(body, signature))


def read_friendly(body: Any, signature: Signature) -> Inputs:
    """Read `{"inputs": {name: values}}`; shapes are those of the nesting. Raises Invalid, naming the input."""
    given = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(given, dict):
        raise Invalid(
            'inputs: must be an object of values by input name, such as {"inputs": {"text": ["…"]}}',
            fields={"inputs": "must be an object of values by input name"},
        )
    _check_names(given, signature)
    tensors = []
    for spec in signature.inputs:
        data = given[spec.name]
        if not isinstance(data, list) and spec.shape == (-1,):
            data = [data]
        tensors.append(_read_tensor(spec, infer_shape(spec, data), data))
    return Inputs(tensors, _count_rows(signature, tensors))


def v2_answer(
    *,
    outputs: Sequence[tuple[TensorSpec, Output]],
    model: str,
    version: int,
    client_id: str,
    wanted: tuple[str, ...] | None,
) -> bytes:
    """Give the answer of the Open Inference Protocol: flat, row-major data."""
    answer: dict[str, Any] = {"model_name": model, "model_version": str(version)}
    if client_id:
        answer["id"] = client_id
    answer["outputs"] = [
        {"name": spec.name, "datatype": spec.datatype, "shape": output.shape, "data": _flat(output)}
        for spec, output in outputs
        if wanted is None or spec.name in wanted
    ]
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _flat(output: Output) -> Any:
    """Give an output's elements, row-major, as orjson takes them."""
    return flat_values(output) if isinstance(output.values, list) else output.values.reshape(-1)


def flat_values(output: Output) -> list[Any]:
    """Give an output's elements as JSON can carry them, row-major."""
    if isinstance(output.values, list):
        return [value.decode("utf-8", "replace") for value in output.values]
    return output.values.ravel().tolist()  # type: ignore[no-any-return]


def nested_values(output: Output) -> Any:
    """Give an output nested as its shape says."""
    if not isinstance(output.values, list):
        return output.values.tolist()
    values: list[Any] = flat_values(output)
    for size in reversed(output.shape[1:]):
        values = [values[at : at + size] for at in range(0, len(values), size)]
    return values


def rows_of(
    outputs: Sequence[tuple[TensorSpec, Output]], rows: int, *, is_batched: bool, as_arrays: bool = False
) -> list[dict[str, Any]]:
    """Give one object of values by output name for each row; one for the whole call if the model has no batch.

    `as_arrays` leaves values with dimensions of their own as arrays, for `OPT_SERIALIZE_NUMPY`.
    """
    values = [(spec.name, _by_row(output) if as_arrays else nested_values(output)) for spec, output in outputs]
    if not is_batched:
        return [dict(values)]
    return [{name: column[row] for name, column in values} for row in range(rows)]


def _by_row(output: Output) -> Any:
    is_plain = isinstance(output.values, list) or output.values.ndim <= 1
    return nested_values(output) if is_plain else output.values


def inputs_of(stored: str) -> dict[str, Any]:
    """Give values by input name from a body that either door has taken, as the request log keeps it.

    Flat data of a `/v2` body stays flat; `shapes_of` tells its shape.
    """
    given = _stored_inputs(stored)
    if isinstance(given, Mapping):
        return dict(given)
    return {str(entry.get("name")): entry.get("data") for entry in given if isinstance(entry, dict)}


def shapes_of(stored: str) -> dict[str, list[int]]:
    """Give shapes by input name where the stored body names them."""
    given = _stored_inputs(stored)
    if isinstance(given, Mapping):
        return {}
    return {str(entry.get("name")): entry["shape"] for entry in given if isinstance(entry, dict) and "shape" in entry}


def _stored_inputs(stored: str) -> Any:
    try:
        body = orjson.loads(stored)
    except orjson.JSONDecodeError:
        return {}
    given = body.get("inputs") if isinstance(body, dict) else None
    return given if isinstance(given, (dict, list)) else {}


def _check_names(given: Mapping[str, Any], signature: Signature) -> None:
    if len(given) == len(signature.inputs) and all(spec.name in given for spec in signature.inputs):
        return
    wanted = {spec.name for spec in signature.inputs}
    for name in wanted - given.keys():
        raise _bad(name, "is missing")
    for name in given.keys() - wanted:
        raise _bad(str(name)[:100], f"is no input of this model; it takes {', '.join(sorted(wanted))}")


def _read_v2_tensor(spec: TensorSpec, entry: dict[str, Any], has_booleans: bool) -> Tensor:
    datatype, shape = entry.get("datatype"), entry.get("shape")
    if datatype != spec.datatype:
        raise _bad(spec.name, f"datatype is {str(datatype)[:20]}, the model takes {spec.datatype}")
    if not isinstance(shape, list):
        raise _bad(spec.name, "needs a shape")
    if "data" not in entry:
        raise _bad(spec.name, "needs data")
    return _read_tensor(spec, shape, entry["data"], has_booleans)


def _read_tensor(spec: TensorSpec, shape: Sequence[int], data: Any, has_booleans: bool = True) -> Tensor:
    if type(data) is large_bodies.Numbers:
        payload = data.pack(spec, shape)
    elif spec.datatype == "BYTES":
        payload = pack_strings(read_texts(spec, shape, data))
    else:
        payload = pack_numbers(spec, shape, data, has_booleans=has_booleans)
    return Tensor(spec.datatype, tuple(shape), payload)


def _count_rows(signature: Signature, tensors: Sequence[Tensor]) -> int:
    if not signature.is_batched:
        return 1
    rows = tensors[0].shape[0]
    for spec, tensor in zip(signature.inputs, tensors, strict=True):
        if tensor.shape[0] != rows:
            raise _bad(spec.name, f"has {tensor.shape[0]} rows, {signature.inputs[0].name} has {rows}")
    if rows > MAX_ROWS:
        raise _bad(signature.inputs[0].name, f"has {rows} rows, more than {MAX_ROWS}")
    return rows


def _client_id(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_ID_LENGTH or not value.isprintable():
        raise _bad("id", f"must be printable text of at most {MAX_ID_LENGTH} characters")
    return value


def _wanted(body: dict[str, Any], signature: Signature) -> tuple[str, ...] | None:
    entries = body.get("outputs")
    if not entries:
        return None
    if not isinstance(entries, list):
        raise _bad("outputs", "must be a list")
    known = {spec.name for spec in signature.outputs}
    names: list[str] = []
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name not in known:
            raise _bad("outputs", f"{str(name)[:100]} is no output of this model; it gives {', '.join(sorted(known))}")
        names.append(name)
    return tuple(names)


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
