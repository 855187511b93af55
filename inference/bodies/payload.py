"""Bodies of prediction calls into tensors, and results into answers and rows. Pure: no ORM, no request.

Two shapes of body: that of the Open Inference Protocol v2 (`/v2`), and the friendly one, `{"inputs": {"text": ["…"]}}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import Invalid
from common.strict_json import loads
from inference.bodies import binary
from inference.bodies import large as large_bodies
from inference.bodies.wanted import Wanted, read_wanted
from inference.runner.frames import Tensor, pack_strings
from inference.transport import Output
from registry.signature import Signature, TensorSpec, infer_shape, pack_numbers, read_texts

MAX_ROWS = 1024  # of one request
MAX_ID_LENGTH = 128


@dataclass(slots=True)
class Inputs:
    """A checked call: tensors in the signature's order, and how many rows they hold. `outputs` is `None` for all."""

    tensors: list[Tensor]
    rows: int
    client_id: str = ""
    outputs: tuple[Wanted, ...] | None = None


def read_v2_body(body: bytes, json_length: int | None, signature: Signature) -> Inputs:
    """Read a body of the Open Inference Protocol, with tensors after its JSON where that has a length of its own.

    Raises Invalid, naming the input.
    """
    if json_length is None:
        return read_v2_text(body, signature)
    tail = memoryview(body)[json_length:]
    if json_length:
        return read_v2(loads(body[:json_length]), signature, tail=tail)
    tensor = binary.read_raw(tail, signature)
    outputs = tuple(Wanted(spec.name, is_binary=True) for spec in signature.outputs)
    return Inputs([tensor], _count_rows(signature, [tensor]), "", outputs)


def read_v2_text(text: bytes, signature: Signature) -> Inputs:
    """Read the JSON of the Open Inference Protocol, large ones by a faster way. Raises Invalid, naming the input."""
    if len(text) >= large_bodies.LEAST_BYTES:
        try:
            return read_v2(large_bodies.loads(text), signature)
        except (large_bodies.NotPlain, Invalid):
            pass  # the ordinary way says what is wrong
    has_booleans = b"true" in text or b"false" in text
    return read_v2(loads(text), signature, has_booleans=has_booleans)


def read_v2(body: Any, signature: Signature, *, has_booleans: bool = True, tail: memoryview | None = None) -> Inputs:
    """Read the object of a call of the Open Inference Protocol, with the bytes after it. Raises Invalid.

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
    pieces = binary.cut(given, tail) if tail is not None else {}
    tensors = [
        _read_v2_tensor(spec, given[spec.name], has_booleans, pieces.get(spec.name)) for spec in signature.inputs
    ]
    return Inputs(
        tensors, _count_rows(signature, tensors), read_client_id(body.get("id")), read_wanted(body, signature)
    )


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
    for axis in range(len(output.shape) - 1, 0, -1):
        size, count = output.shape[axis], math.prod(output.shape[:axis])  # told by the shape: there may be no values
        values = [values[at * size : (at + 1) * size] for at in range(count)]
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


def _check_names(given: Mapping[str, Any], signature: Signature) -> None:
    if len(given) == len(signature.inputs) and all(spec.name in given for spec in signature.inputs):
        return
    wanted = {spec.name for spec in signature.inputs}
    for name in wanted - given.keys():
        raise _bad(name, "is missing")
    for name in given.keys() - wanted:
        raise _bad(str(name)[:100], f"is no input of this model; it takes {', '.join(sorted(wanted))}")


def _read_v2_tensor(spec: TensorSpec, entry: dict[str, Any], has_booleans: bool, piece: memoryview | None) -> Tensor:
    datatype, shape = entry.get("datatype"), entry.get("shape")
    if datatype != spec.datatype:
        raise _bad(spec.name, f"datatype is {str(datatype)[:20]}, the model takes {spec.datatype}")
    if not isinstance(shape, list):
        raise _bad(spec.name, "needs a shape")
    if piece is not None:
        return binary.read_binary(spec, shape, piece)
    if "data" not in entry:
        raise _bad(spec.name, _why_no_data(entry))
    if spec.datatype == "BF16":
        raise _bad(spec.name, "JSON has no BF16; send it as binary data")
    return _read_tensor(spec, shape, entry["data"], has_booleans)


def _why_no_data(entry: Mapping[str, Any]) -> str:
    parameters = entry.get("parameters")
    if isinstance(parameters, dict) and "shared_memory_region" in parameters:
        return "shared memory is not supported here; send the data"
    if binary.size_of(entry) is not None:
        return "binary data needs the header Inference-Header-Content-Length"
    return "needs data"


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


def read_client_id(value: Any) -> str:
    """Give the id that a caller names a call by, empty if none. Raises Invalid."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_ID_LENGTH or not value.isprintable():
        raise _bad("id", f"must be printable text of at most {MAX_ID_LENGTH} characters")
    return value


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
