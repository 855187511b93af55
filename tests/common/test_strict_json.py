"""The JSON edge: what is refused, and which field is named."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from common.nesting import LEAST_BYTES, depth_of
from common.strict_json import LONG_BYTES, check_text, loads

DEEP = b"[" * 65 + b"]" * 65


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b'{"a": NaN}', "invalid", "a"),
        (b'{"a": [1, -Infinity]}', "invalid", "a[1]"),
        (b'{"a": 1e999}', "invalid", "a"),
        (b'{"a": {"b": "\\ud800"}}', "invalid", "a.b"),
        (b'{"a": "\xed\xa0\x80"}', "invalid", "a.b"[:1]),
        (b'{"a": "x\\u0000"}', "invalid", "a"),
        (b'{"\\u0000": 1}', "invalid", "(top)"),
        (b"[" * 100_000, "too_deep", None),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep", None),
        (b'{"a":' * 100_000, "too_deep", None),
        (DEEP, "too_deep", None),
        (b'["]", ' * 70 + b"1" + b', "["]' * 70, "too_deep", None),
        (b"", "malformed", None),
        (b"\xff\xfe", "malformed", None),
        (b"{", "malformed", None),
        (b"1" * 5000, "malformed", None),
        (b'"' * 100_000, "malformed", None),
    ],
)
def test_json_when_bad_is_refused_with_code_and_field(body: bytes, code: str, field: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        loads(body)
    assert caught.value.code == code
    assert list(caught.value.fields) == ([field] if field else [])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 64 + b"]" * 64,
        b'"\\\\u0000"',
        orjson.dumps([["[[[", "]]", '"['], {"a[": "{"}] * 100),
        '{"이름": "한국어 😀"}'.encode(),
    ],
)
def test_json_when_good_is_what_orjson_gives(body: bytes) -> None:
    assert loads(body) == orjson.loads(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text('[]{}"\\a가'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{}"\\b', max_size=3), inner, max_size=4),
    max_leaves=40,
)


def nesting(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.integers(1, 6))
def test_depth_when_strings_hold_brackets_is_still_exact(value: object, limit: int) -> None:
    body = orjson.dumps(value)
    if nesting(value) > limit:
        with pytest.raises(Invalid, match="nested"):
            loads(body, max_depth=limit)
    else:
        assert loads(body, max_depth=limit) == value


@given(VALUES, st.integers(0, 300_000), st.sampled_from([b" ", b'"]", ', rb'"\\\"[{", ', b"[[1]], ", rb'"[\\", ']))
def test_depth_when_the_text_is_long_is_the_same(value: object, length: int, filler: bytes) -> None:
    body = b"[" + filler * ((LEAST_BYTES + length) // len(filler)) + orjson.dumps(value) + b"]"
    assert depth_of(body) == nesting(orjson.loads(body))


LONG = b"[" + b"1.5," * (LONG_BYTES // 4)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (LONG + b"NaN]", "malformed", "not JSON: .* column 262146"),
        (LONG + b'"\\ud800"]', "malformed", "not JSON"),
        (LONG + b'"\\\\\\u0000"]', "invalid", "NUL"),
        (LONG + b"[" * 64 + b"]" * 65, "too_deep", "nested"),
    ],
)
def test_json_when_long_and_bad_is_refused_without_a_field(body: bytes, code: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        loads(body)
    assert (caught.value.code, caught.value.fields) == (code, {})


def test_json_when_long_and_good_is_what_orjson_gives() -> None:
    body = LONG + b'"\\\\u0000"' + b",[]" * 100 + b"]"
    assert loads(body) == orjson.loads(body)


@pytest.mark.parametrize(
    "body",
    [b"[" + b"[]," * 1_000_000 + b"[]]", b"[" + b'"[]",' * 500_000 + b"[]]", b"[" + b"1.5," * 1_000_000 + b"NaN]"],
)
def test_json_when_millions_of_brackets_or_numbers_come_then_checked_in_the_time_of_parsing(body: bytes) -> None:
    plain = body.replace(b"NaN", b"1")
    parsing, whole = _took(lambda: orjson.loads(plain)), _took(lambda: _refused_or_read(body), "gc.enable()")
    assert whole < 4 * parsing + 0.2


def _refused_or_read(body: bytes) -> None:
    with suppress(Invalid):
        loads(body)


def _took(work: Callable[[], object], setup: str = "pass") -> float:
    """Give the seconds of CPU, without collections of garbage unless `setup` lets them happen."""
    return min(timeit.repeat(work, f"import gc; {setup}", timer=time.process_time, number=1, repeat=3))


@pytest.mark.parametrize("text", ["a\0b", "half \ud800"])
def test_text_when_no_database_can_keep_it_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_text(text, field="q")
    assert list(caught.value.fields) == ["q"]
