"""What people type or paste for an input, as data, and the way back: no ORM, no request."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson
from django.utils.translation import gettext

from common.errors import Invalid
from registry.numbers import FLOATS
from registry.signature import TensorSpec

SAMPLE_TEXT = "안녕하세요"
_SAMPLE_SIZE = 4
_SEPARATORS = re.compile(r"[,;\s]+")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_typed(spec: TensorSpec, text: str) -> Any:
    """Give nested data from lines (a row each) or from JSON. Raises Invalid, naming the input.

    Numbers stand apart by commas, tabs or blanks, as copied from a table; a line may hold part of a row if all
    numbers together make whole rows.
    """
    text = text.strip("\r\n")
    if text.lstrip().startswith("["):
        return _read_json(spec, text)
    if spec.datatype == "BYTES":
        lines = [line for line in text.splitlines() if line.strip()]
        return _shaped(spec, list(lines)) if lines else _empty(spec)
    rows = [_read_line(spec, line) for line in text.splitlines() if line.strip(" \t,;")]
    if not rows:
        return _empty(spec)
    return _shaped(spec, [value for row in rows for value in row]) if _row_size(spec) else rows


def sample(spec: TensorSpec, given: Any = None) -> str:
    """Give text for one row: of the version's own sample if it has one, else made up by datatype and shape."""
    if given is not None:
        return as_typed(given)
    if spec.datatype == "BYTES":
        return SAMPLE_TEXT
    shape = [size if size > 0 else _SAMPLE_SIZE for size in spec.row_shape]
    count = math.prod(shape)
    if spec.datatype == "BOOL":
        return ", ".join("true" if n % 2 else "false" for n in range(count))
    if spec.datatype in FLOATS:
        return ", ".join(f"{math.sin(n / 3):.3f}" for n in range(count))
    return ", ".join(str(n % 8) for n in range(count))


def as_typed(data: Any) -> str:
    """Give nested data as lines that `read_typed` takes back."""
    if not isinstance(data, list):
        return str(data)
    if all(isinstance(value, str) and "\n" not in value and not value.startswith("[") for value in data):
        return "\n".join(data)
    if all(isinstance(row, list) and all(type(value) in (int, float) for value in row) for row in data):
        return "\n".join(", ".join(map(str, row)) for row in data)
    if all(type(value) in (int, float) for value in data):
        return ", ".join(map(str, data))
    return orjson.dumps(data).decode()


def _read_json(spec: TensorSpec, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _bad(spec, gettext("begins like JSON and is none: %(why)s") % {"why": error}) from None


def _read_line(spec: TensorSpec, line: str) -> list[Any]:
    return [_read_number(spec, word) for word in _SEPARATORS.split(line.strip(" \t,;"))]


def _read_number(spec: TensorSpec, word: str) -> Any:
    try:
        if spec.datatype == "BOOL":
            return _TRUTH[word.lower()]
        return float(word) if spec.datatype in FLOATS else int(word)
    except (KeyError, ValueError):
        said = gettext("“%(word)s” is not a value of %(type)s")
        raise _bad(spec, said % {"word": word[:40], "type": spec.datatype}) from None


def _row_size(spec: TensorSpec) -> int:
    """Give how many elements a row has, nought where the signature leaves it open."""
    row = spec.row_shape
    return math.prod(row) if all(size > 0 for size in row) else 0


def _shaped(spec: TensorSpec, flat: list[Any]) -> Any:
    """Nest flat values as the signature says. Raises Invalid where they make no whole rows."""
    size = _row_size(spec)
    if not size:
        return flat
    if len(flat) % size:
        raise _bad(spec, gettext("holds %(count)d values; a row has %(size)d") % {"count": len(flat), "size": size})
    values: list[Any] = flat
    for length in reversed(spec.row_shape):
        values = [values[at : at + length] for at in range(0, len(values), length)]
    return values


def _empty(spec: TensorSpec) -> Any:
    raise _bad(spec, gettext("is empty"))


def _bad(spec: TensorSpec, what: str) -> Invalid:
    return Invalid(f"{spec.name}: {what}", fields={spec.name: what})
