"""Bodies and outputs of calls for a reader: texts as texts, numbers with their shape. Pure: no ORM, no request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from inference.bodies.stored import dropped_of, inputs_of, shapes_of
from registry.signature import Signature, TensorSpec

_DATA = re.compile(r'"data"\s*:\s*|"inputs"\s*:\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*')
_TEXT_INPUT = re.compile(r'"text_input"\s*:\s*')
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)("?)')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_FIRST_NUMBERS = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """One input or output: `texts` or `numbers`, flat and row-major, or neither where it is something else (`raw`).

    Whole numbers and truths stay what they are: a fraction holds no more than 53 bits. `dropped_bytes` came and are not
    kept.
    """

    name: str
    datatype: str = ""
    shape: tuple[int, ...] = ()
    texts: Sequence[str] | None = None
    numbers: Sequence[float] | None = None
    raw: Any = None
    dropped_bytes: int | None = None


def first_words(start: str) -> str:
    """Give the first value of a stored body or output, of which only the start may be at hand."""
    values = _first_values(start).lstrip(" [")
    if values.startswith('"'):
        return _unescape(_TEXT.match(values))
    numbers = _NUMBER.findall(values)[: _FIRST_NUMBERS + 1]
    said = ", ".join(f"{float(number):.4g}" for number in numbers[:_FIRST_NUMBERS])
    return f"{said}, …" if len(numbers) > _FIRST_NUMBERS else said


def _first_values(start: str) -> str:
    """Give the text from the first value on; what a call carries beside its inputs was not asked."""
    try:
        whole = orjson.loads(start)
    except orjson.JSONDecodeError:
        whole = None
    if isinstance(whole, dict) and not whole.keys().isdisjoint(("inputs", "text_input")):
        return orjson.dumps(next(iter(inputs_of(start).values()), "")).decode()
    at = start.find('"inputs"')
    found = _TEXT_INPUT.search(start) if at < 0 else _DATA.search(start, at)
    if not found and (at >= 0 or '"binary_data_size"' in start):
        return ""
    return start[found.end() :] if found else start.partition(":")[2]


def _unescape(found: re.Match[str] | None) -> str:
    if found is None:
        return ""
    text, end = found.groups()
    try:
        return str(orjson.loads(f'"{text}"')) + ("" if end else "…")
    except orjson.JSONDecodeError:  # cut inside an escape
        return text.rpartition("\\")[0] + "…"


def read_inputs(body: str | bytes, signature: Signature | None) -> list[Shown]:
    """Give the inputs of a stored call, as the signature names them; empty if it is no body of ours."""
    specs = {spec.name: spec for spec in signature.inputs} if signature else {}
    shapes = shapes_of(body)
    given = inputs_of(body, signature)
    shown = [_shown(name, data, specs.get(name), shapes.get(name)) for name, data in given.items()]
    for name, size in dropped_of(body).items():
        spec, shape = specs.get(name), shapes.get(name)
        is_shape = isinstance(shape, list) and all(type(each) is int for each in shape)
        datatype = spec.datatype if spec else ""
        shown.append(Shown(name, datatype, tuple(shape) if shape and is_shape else (), dropped_bytes=size))
    return shown


def read_output(output: str, signature: Signature | None) -> list[Shown]:
    """Give the values of one stored prediction, as the signature names them."""
    return show_values(orjson.loads(output), signature)


def show_values(values: Mapping[str, Any], signature: Signature | None) -> list[Shown]:
    """Give one row's values by output name, as the signature names them."""
    specs = {spec.name: spec for spec in signature.outputs} if signature else {}
    return [_shown(name, value, specs.get(name), None) for name, value in values.items()]


def _shown(name: str, data: Any, spec: TensorSpec | None, shape: Sequence[int] | None) -> Shown:
    datatype = spec.datatype if spec else ""
    flat = _flatten(data)
    if flat and all(type(value) is str for value in flat):
        return Shown(name, datatype or "BYTES", tuple(shape or _shape_of(data)), texts=flat)
    if flat and all(type(value) in (int, float, bool) for value in flat):
        return Shown(name, datatype, _shape(data, shape, spec, len(flat)), numbers=flat)
    return Shown(name, datatype, raw=data)


def _shape(data: Any, shape: Sequence[int] | None, spec: TensorSpec | None, count: int) -> tuple[int, ...]:
    """Give the shape that was said, else that of the nesting; a flat row of a signature gets its row's shape."""
    nested = tuple(shape) if shape and all(type(size) is int for size in shape) else _shape_of(data)
    row = spec.row_shape if spec else ()
    if len(nested) == 1 and row and all(size > 0 for size in row) and count == int(np.prod(row)):
        return row
    return nested


def _shape_of(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(data, list):
        shape.append(len(data))
        data = data[0] if data else None
    return tuple(shape)


def _flatten(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [] if data is None else [data]
    while data and all(isinstance(part, list) for part in data):
        data = list(chain.from_iterable(data))
    return data  # type: ignore[no-any-return]
