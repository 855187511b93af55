"""JSON from outside: parsed by orjson, and refused where later layers would stumble over it."""

from __future__ import annotations

import gc
import json
from typing import Any

import orjson

from common.errors import Invalid
from common.nesting import depth_of

MAX_DEPTH = 64
LONG_BYTES = 256 * 1024  # from here on no value is walked for the name of a field: the event loop waits for it
_NUL = "holds the character NUL"


def loads(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Give the value of a JSON text. Raises Invalid, naming the field where one can be named."""
    try:
        value = orjson.loads(body) if len(body) <= LONG_BYTES else _loads_long(body)
    except orjson.JSONDecodeError as error:
        raise _explain(body, error, max_depth) from None
    if body.count(b"[") + body.count(b"{") > max_depth:
        check_depth(body, max_depth=max_depth)
    if b"\\u0000" in body and b"\\u0000" in body.replace(rb"\\", b""):
        if len(body) > LONG_BYTES:
            raise Invalid(_NUL)
        _refuse_bad_text(value)
    return value


def check_depth(body: bytes, *, max_depth: int = MAX_DEPTH) -> None:
    """Refuse a text nested deeper than allowed, by its brackets alone. Raises Invalid."""
    if depth_of(body) > max_depth:
        raise Invalid(f"nested deeper than {max_depth} levels", code="too_deep")


def check_text(value: str, *, field: str = "") -> str:
    """Give the text back. Raises Invalid if it holds NUL or half of a surrogate pair, which no database keeps."""
    if problem := _text_problem(value):
        raise Invalid(problem, fields={field: problem} if field else None)
    return value


def _loads_long(body: bytes) -> Any:
    """Parse without a collection of garbage between: millions of lists set off hundreds, none of which finds any."""
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        gc.enable()  # whatever another thread did meanwhile: it must never stay off


def _explain(body: bytes, error: orjson.JSONDecodeError, max_depth: int) -> Invalid:
    """Give the reason for a refusal: orjson is strict but names no field, the lenient parser finds it."""
    check_depth(body, max_depth=max_depth)
    try:
        if len(body) <= LONG_BYTES:
            _refuse_bad_text(json.loads(body))
    except Invalid as found:
        return found
    except (ValueError, RecursionError):
        pass
    return Invalid(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})", code="malformed")


def _refuse_bad_text(value: Any) -> None:
    """Walk a value and name the first field that holds what JSON or a database cannot keep."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, dict):
            for key, inner in item.items():
                if problem := _text_problem(key):
                    raise Invalid(problem, fields={path or "(top)": problem})
                waiting.append((f"{path}.{key}" if path else key, inner))
        elif isinstance(item, list):
            waiting.extend((f"{path}[{index}]", inner) for index, inner in enumerate(item))
        elif problem := _problem(item):
            raise Invalid(problem, fields={path or "(top)": problem})


def _problem(item: object) -> str:
    if isinstance(item, str):
        return _text_problem(item)
    if isinstance(item, float) and item - item != 0:
        return "NaN and infinities are not numbers of JSON"
    return ""


def _text_problem(text: str) -> str:
    if "\0" in text:
        return _NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    return ""
