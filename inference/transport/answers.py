"""What a version answered, whichever way it came: compared with the signature, and cut into the calls it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inference.runner import frames
from inference.runner.frames import Tensor
from registry.numbers import FLOATS, ITEM_BYTES, to_array
from registry.signature import Signature, TensorSpec

Values = np.ndarray | list[bytes]

_MOST_TEXTS = 1 << 20  # in one output
_MOST_ROWS = 1 << 20  # of calls that travel together
_HEAD_BYTES = 1 << 14  # of what is in an answer besides its values


class Output(NamedTuple):
    """One output of one call: `values` is an array, or for BYTES the flat list of elements."""

    datatype: str
    shape: tuple[int, ...]
    values: Values


class Result(NamedTuple):
    """What the version answered to one call, and how long that took it.

    `executions_per_row`: one, divided by the rows that ran together; nought where that is not known.
    """

    outputs: list[Output]
    queue_ms: float
    run_ms: float
    executions_per_row: float = 0.0


def split(
    tensors: Sequence[Tensor],
    sizes: Sequence[int],
    signature: Signature,
    queue_ms: float,
    run_ms: float,
    executions_per_row: float = 0.0,
) -> list[Result]:
    """Cut the outputs of a joined call into the results of its parts. Raises ValueError for what is not as signed."""
    if not 0 <= executions_per_row <= 1:
        raise ValueError(f"{executions_per_row} runs for each row")
    if len(tensors) != len(signature.outputs):
        raise ValueError(f"{len(tensors)} outputs, the signature says {len(signature.outputs)}")
    rows = sum(sizes) if signature.is_batched else None
    outputs = [decode(tensor, spec, rows) for tensor, spec in zip(tensors, signature.outputs, strict=True)]
    if len(sizes) == 1:
        return [Result(outputs, queue_ms, run_ms, executions_per_row)]
    parts: list[list[Output]] = [[] for _ in sizes]
    for output in outputs:
        rest = output.shape[1:]
        step = math.prod(rest) if isinstance(output.values, list) else 1
        at = 0
        for part, count_ in zip(parts, sizes, strict=True):
            values = output.values[at * step : (at + count_) * step]
            part.append(Output(output.datatype, (count_, *rest), values))
            at += count_
    return [Result(part, queue_ms, run_ms, executions_per_row) for part in parts]


def decode(tensor: Tensor, spec: TensorSpec, rows: int | None) -> Output:
    """Give a tensor's values; `rows` is None where there is no batch. Raises ValueError for what is not as signed."""
    datatype, shape, payload = tensor
    fits = datatype == spec.datatype and len(shape) == len(spec.shape)
    if not fits or any(have < 0 or want not in (-1, have) for want, have in zip(spec.shape, shape, strict=True)):
        raise ValueError(f"output `{spec.name}` is {datatype} {list(shape)}, not {spec.datatype} {list(spec.shape)}")
    if 0 in shape and math.prod(size or 1 for size in shape) > _MOST_TEXTS:
        raise ValueError(f"output `{spec.name}` is {list(shape)}, which holds nothing in too many places")
    if rows is not None and shape[0] != rows:
        raise ValueError(f"output `{spec.name}` has {shape[0]} rows for {rows} rows of input")
    if datatype == "BYTES":
        return Output("BYTES", shape, _texts(payload, math.prod(shape), spec.name))
    return Output(datatype, shape, to_array(datatype, payload).reshape(shape))


def _texts(payload: bytes | memoryview, wanted: int, name: str) -> list[bytes]:
    if wanted > _MOST_TEXTS:
        raise ValueError(f"output `{name}` has {wanted} texts, more than {_MOST_TEXTS}")
    values = frames.unpack_strings(payload, wanted)
    if len(values) != wanted or any(b"\0" in value for value in values):
        raise ValueError(f"output `{name}` holds other texts than its shape says, or NUL")
    return values


def most_rows(signature: Signature, most_bytes: int, number_bytes: int = 0) -> int:
    """Give how many rows fit into an answer, by the outputs whose size the signature fixes.

    `number_bytes`: of one number where it travels in another form than the tensor's own.
    """
    row_bytes = 0
    for spec in signature.outputs if signature.is_batched else ():
        if spec.datatype != "BYTES" and -1 not in spec.row_shape:
            row_bytes += math.prod(spec.row_shape) * (number_bytes or ITEM_BYTES[spec.datatype])
    return min(_MOST_ROWS, (most_bytes - _HEAD_BYTES) // max(1, row_bytes))


def is_finite(output: Output) -> bool:
    """Whether JSON can carry the output."""
    return output.datatype not in FLOATS or bool(np.isfinite(output.values).all())
