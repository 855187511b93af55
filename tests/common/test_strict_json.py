"""The JSON edge: what is refused, and which field is named."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from common.strict_json import check_text, loads

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


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.integers(1, 6))
def test_depth_when_strings_hold_brackets_is_still_exact(value: object, limit: int) -> None:
    body = orjson.dumps(value)
    if depth_of(value) > limit:
        with pytest.raises(Invalid, match="nested"):
            loads(body, max_depth=limit)
    else:
        assert loads(body, max_depth=limit) == value


@pytest.mark.parametrize("text", ["a\0b", "half \ud800"])
def test_text_when_no_database_can_keep_it_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_text(text, field="q")
    assert list(caught.value.fields) == ["q"]
