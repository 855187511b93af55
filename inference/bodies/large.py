"""Large `/v2` bodies: their long lists of numbers by simdjson into arrays, all other text by the strict parser.

Takes only what the ordinary way takes, with the same bytes as the result, and gives up on all else: the ordinary way
then refuses it, in its own words. Pure: no ORM, no request.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Any, Literal

import numpy as np
import simdjson

from common.strict_json import loads as loads_strictly
from registry.numbers import DTYPES, FLOATS
from registry.signature import MAX_TENSORS, TensorSpec, check_shape

LEAST_BYTES = 8192  # of a body; below it the ordinary way is as fast
_LEAST_LIST_BYTES = 1024
Kind = Literal["d", "i", "u"]
_READ: dict[Kind, str] = {"d": "f8", "i": "i8", "u": "u8"}
_LIST = re.compile(rb'"data"[ \t\r\n]*:[ \t\r\n]*\[')


class NotPlain(ValueError):
    """The body is not one that this way takes."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The text of a list, flat or nested, that should hold numbers only."""

    text: bytes

    def pack(self, spec: TensorSpec, shape: Sequence[int]) -> bytes:
        """Give the payload of a tensor. Raises NotPlain, or Invalid for a shape that does not fit the signature."""
        elements = check_shape(spec, shape)
        wanted = DTYPES.get(spec.datatype)
        if wanted is None or wanted.kind not in "fiu":
            raise NotPlain
        kind: Kind = "d" if spec.datatype in FLOATS else "u" if spec.datatype == "UINT64" else "i"
        try:
            found = simdjson.Parser().parse(self.text)
            if not isinstance(found, simdjson.Array):
                raise NotPlain
            self._check_nesting(found, shape)
            values = np.frombuffer(found.as_buffer(of_type=kind), dtype=_READ[kind])
        except (ValueError, TypeError, RuntimeError) as error:
            raise NotPlain from error
        if len(values) != elements:
            raise NotPlain
        return _cast(values, wanted).tobytes()

    def _check_nesting(self, found: simdjson.Array, shape: Sequence[int]) -> None:
        """Refuse lists nested otherwise than the shape says: `as_buffer` takes every nesting for a flat list.

        What is no number is refused there, so each bracket of the text is one of a list.
        """
        if self.text.find(b"[", 1) < 0:
            return
        brackets = self.text.count(b"[")
        if brackets != 1 + sum(accumulate(shape[:-1], mul)) or not _has_shape(found, shape):
            raise NotPlain


def loads(body: bytes) -> Any:
    """Give the value of a body, its long lists of numbers as `Numbers`. Raises NotPlain, or Invalid as `strict_json`.

    A list is cut out where its text seems to be, with a number in its place that no caller can guess; only where that
    number comes back as the data of an input was the list what it seemed.
    """
    pieces: list[bytes] = []
    cut: dict[int, Numbers] = {}
    at, found, looked = 0, _LIST.search(body), 0
    while found:
        if looked == MAX_TENSORS:
            raise NotPlain
        looked += 1
        start = found.end() - 1
        end = _end_of_list(body, start)
        if end - start >= _LEAST_LIST_BYTES:
            mark = secrets.randbits(62)
            cut[mark] = Numbers(body[start:end])
            pieces += [body[at:start], b"%d" % mark]
            at = end
        found = _LIST.search(body, max(end, found.end()))
    if not cut:
        raise NotPlain
    value = loads_strictly(b"".join([*pieces, body[at:]]))
    inputs = value.get("inputs") if isinstance(value, dict) else None
    for entry in inputs if isinstance(inputs, list) else ():
        if isinstance(entry, dict) and type(entry.get("data")) is int and entry["data"] in cut:
            entry["data"] = cut.pop(entry["data"])
    if cut:
        raise NotPlain
    return value


def _end_of_list(body: bytes, start: int) -> int:
    """Give the end of a list of numbers, which holds neither text nor objects; `start` where it can be none."""
    # The quote first: a body of nothing but beginnings of lists must not be searched to its end for each.
    quote = body.find(b'"', start)
    quote = len(body) if quote < 0 else quote
    brace = body.find(b"}", start, quote)
    return max(start, body.rfind(b"]", start, quote if brace < 0 else brace) + 1)


def _has_shape(found: Any, shape: Sequence[int]) -> bool:
    if type(found) is not simdjson.Array or len(found) != shape[0]:
        return False
    return len(shape) == 1 or all(_has_shape(part, shape[1:]) for part in found)


def _cast(values: np.ndarray, wanted: np.dtype) -> np.ndarray:
    """Give the values as another type. Raises NotPlain where one does not fit."""
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            cast = values.astype(wanted)
        if not math.isfinite(cast.sum(dtype=np.float64)) and not np.isfinite(cast).all():
            raise NotPlain
        return cast
    bounds = np.iinfo(wanted)
    if len(values) and (int(values.min()) < bounds.min or int(values.max()) > bounds.max):
        raise NotPlain
    return values.astype(wanted)
