"""What a model version takes and gives: names, datatypes and shapes, and the check of values against them.

Datatype names and shapes are those of the Open Inference Protocol v2 (-1: any size). Pure: no ORM, no request.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import numpy as np

from common.errors import Invalid
from registry.numbers import DTYPES, FLOATS, array_dtype, to_array, to_payload

DATATYPES = (*DTYPES, "BF16", "BYTES")
MAX_DIMENSIONS = 8
MAX_TENSORS = 64
MAX_ELEMENTS = 1 << 26
MAX_TEXTS = 1 << 18  # in one BYTES input
MAX_TEXT_LENGTH = 8192  # characters of one BYTES element where the signature sets no limit of its own

_NUMBERS = frozenset({int, float})
_NAME_CHARACTERS = 255
_LETTERS = {"FP32": "f", "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q"}
_SMALL = 4096


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. `max_length` bounds the characters of a BYTES element."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    max_length: int = MAX_TEXT_LENGTH

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row: all but the first dimension."""
        return self.shape[1:]

    def as_dict(self) -> dict[str, Any]:
        """The form that `flueman.json`, the database and the protocol's metadata hold."""
        entry: dict[str, Any] = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        if self.datatype == "BYTES" and self.max_length != MAX_TEXT_LENGTH:
            entry["max_length"] = self.max_length
        return entry


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs in order. `is_batched`: the first dimension of each is -1 and counts rows.

    `is_binary_only`: there is an output that JSON cannot carry.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    is_batched: bool = field(init=False)
    is_binary_only: bool = field(init=False)

    def __post_init__(self) -> None:
        every = (*self.inputs, *self.outputs)
        object.__setattr__(self, "is_batched", all(spec.shape and spec.shape[0] == -1 for spec in every))
        object.__setattr__(self, "is_binary_only", any(spec.datatype == "BF16" for spec in self.outputs))

    def as_dict(self) -> dict[str, Any]:
        """Inputs and outputs as plain data."""
        return {
            "inputs": [spec.as_dict() for spec in self.inputs],
            "outputs": [spec.as_dict() for spec in self.outputs],
        }


def parse_signature(value: Any) -> Signature:
    """Read a signature from plain data. Raises Invalid, naming the entry, if it is none."""
    if not isinstance(value, Mapping):
        raise Invalid("the signature must be an object with inputs and outputs", fields={"signature": "not an object"})
    return Signature(_parse_specs(value, "inputs"), _parse_specs(value, "outputs"))


def _parse_specs(value: Mapping[str, Any], key: str) -> tuple[TensorSpec, ...]:
    entries = value.get(key)
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_TENSORS:
        raise _bad(f"signature.{key}", f"must be a list of 1 to {MAX_TENSORS} tensors")
    specs = tuple(_parse_spec(entry, f"signature.{key}[{n}]") for n, entry in enumerate(entries))
    if len({spec.name for spec in specs}) != len(specs):
        raise _bad(f"signature.{key}", "names must differ")
    return specs


def _parse_spec(entry: Any, where: str) -> TensorSpec:
    if not isinstance(entry, Mapping):
        raise _bad(where, "must be an object with name, datatype and shape")
    name, datatype, shape = entry.get("name"), entry.get("datatype"), entry.get("shape")
    if not isinstance(name, str) or not 1 <= len(name) <= _NAME_CHARACTERS:
        raise _bad(f"{where}.name", f"must be text of 1 to {_NAME_CHARACTERS} characters")
    if datatype not in DATATYPES:
        raise _bad(f"{where}.datatype", f"must be one of {', '.join(DATATYPES)}")
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_DIMENSIONS
        or not all(type(size) is int and (size == -1 or 0 < size <= MAX_ELEMENTS) for size in shape)
    ):
        raise _bad(f"{where}.shape", f"must be up to {MAX_DIMENSIONS} sizes, each positive or -1")
    limit = entry.get("max_length", MAX_TEXT_LENGTH)
    if type(limit) is not int or not 1 <= limit <= 1 << 20:
        raise _bad(f"{where}.max_length", "must be a number of characters from 1 to 1048576")
    return TensorSpec(name, datatype, tuple(shape), limit)


def check_shape(spec: TensorSpec, shape: Sequence[int]) -> int:
    """Give the number of elements of a shape that fits the signature. Raises Invalid if it does not fit."""
    wanted = spec.shape
    fits = len(shape) == len(wanted) and all(
        type(size) is int and 0 < size <= MAX_ELEMENTS and want in (-1, size)
        for size, want in zip(shape, wanted, strict=True)
    )
    if not fits:
        if len(shape) == len(wanted) and shape and shape[0] == 0:
            raise _bad(spec.name, "the batch is empty")
        raise _bad(spec.name, f"shape {_short(list(shape))} does not fit {list(wanted)}")
    elements = math.prod(shape)
    if elements > MAX_ELEMENTS:
        raise _bad(spec.name, f"has {elements} elements, more than {MAX_ELEMENTS}")
    return elements


def check_texts(spec: TensorSpec, shape: Sequence[int]) -> int:
    """Give the number of texts of a shape. Raises Invalid if it does not fit, or says more than are read in one go."""
    elements = check_shape(spec, shape)
    if elements > MAX_TEXTS:
        raise _bad(spec.name, f"has {elements} elements, more than {MAX_TEXTS}")
    return elements


def read_numbers(spec: TensorSpec, shape: Sequence[int], data: Any) -> np.ndarray:
    """Give `data`, flat or nested, as an array of the signature's datatype and the given shape.

    Raises Invalid for a wrong length, ragged nesting, a wrong kind of value, one out of range, NaN or infinity.
    """
    elements = check_shape(spec, shape)
    flat = flatten(spec, shape, data, elements)
    kinds = set(map(type, flat))
    name = spec.datatype
    if name == "BOOL":
        allowed = kinds <= {bool}
    elif name in FLOATS:
        allowed = kinds <= _NUMBERS
    else:
        allowed = kinds <= {int}
    if not allowed:
        raise _bad(spec.name, f"holds {_kind_words(kinds, name)} where {name} is wanted")
    try:
        with np.errstate(over="ignore"):  # told below, by name
            array = np.array(flat, dtype=array_dtype(name))
            if name == "BF16":
                array = to_array(name, to_payload(name, array))
    except OverflowError:
        raise _bad(spec.name, f"holds a number out of the range of {name}") from None
    if name in FLOATS and not np.isfinite(array).all():
        raise _bad(spec.name, f"holds a number that is not finite or out of the range of {name}")
    return array.reshape(shape)


def pack_numbers(spec: TensorSpec, shape: Sequence[int], data: Any, *, has_booleans: bool) -> bytes:
    """Give what `read_numbers` gives, as bytes; by the shortest way where `data` is a small flat list of numbers.

    `struct` refuses all that is no number of the datatype, but takes true for 1: `has_booleans` says there may be some.
    """
    elements = check_shape(spec, shape)
    letter = _LETTERS.get(spec.datatype)
    if letter and not has_booleans and type(data) is list and len(data) == elements <= _SMALL:
        try:
            packed = _packer(letter, elements).pack(*data)
            if math.isfinite(sum(data)):
                return packed
        except (struct.error, OverflowError, TypeError):
            pass  # told below, by name
    return to_payload(spec.datatype, read_numbers(spec, shape, data))


@lru_cache(maxsize=256)
def _packer(letter: str, elements: int) -> struct.Struct:
    return struct.Struct(f"<{elements}{letter}")


def read_texts(spec: TensorSpec, shape: Sequence[int], data: Any) -> list[bytes]:
    """Give `data`, flat or nested texts, as UTF-8 bytes. Raises Invalid for other kinds, NUL, or a text too long."""
    flat = flatten(spec, shape, data, check_texts(spec, shape))
    values, limit = [], spec.max_length
    for n, text in enumerate(flat):
        if type(text) is not str:
            raise _bad(spec.name, f"element {n} is not text")
        if len(text) > limit:
            raise _bad(spec.name, f"element {n} has {len(text)} characters, more than {limit}")
        if "\0" in text:
            raise _bad(spec.name, f"element {n} holds a NUL character")
        try:
            values.append(text.encode())
        except UnicodeEncodeError:
            raise _bad(spec.name, f"element {n} holds a lone surrogate") from None
    return values


def flatten(spec: TensorSpec, shape: Sequence[int], data: Any, elements: int) -> list[Any]:
    """Give nested lists as one flat list in row-major order. Raises Invalid where nesting and shape disagree."""
    if not isinstance(data, list):
        if not shape:
            return [data]
        raise _bad(spec.name, "data must be a list")
    if data and isinstance(data[0], list):
        expected = 1
        for size, below in pairwise(shape):
            expected *= size
            if len(data) != expected or any(type(part) is not list or len(part) != below for part in data):
                raise _bad(spec.name, f"data does not have the shape {list(shape)}")
            data = list(chain.from_iterable(data))
    if len(data) != elements:
        raise _bad(spec.name, f"holds {len(data)} elements, its shape says {elements}")
    return data


def infer_shape(spec: TensorSpec, data: Any) -> tuple[int, ...]:
    """Give the shape that nested lists have, for callers that send none. Flat data of one row is taken as that row."""
    shape: list[int] = []
    level = data
    while isinstance(level, list) and len(shape) < MAX_DIMENSIONS:
        shape.append(len(level))
        level = level[0] if level else None
    if len(shape) == len(spec.shape) - 1 and spec.shape and spec.shape[0] == -1:
        return (1, *shape)
    return tuple(shape)


def _kind_words(kinds: set[type], datatype: str) -> str:
    words = {
        str: "text",
        bool: "true or false",
        float: "a fraction",
        type(None): "null",
        list: "a list",
        dict: "an object",
    }
    wrong = kinds - (_NUMBERS if datatype in FLOATS else {bool} if datatype == "BOOL" else {int})
    return " and ".join(sorted(words.get(kind, "a whole number") for kind in wrong))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
