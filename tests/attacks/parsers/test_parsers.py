"""Each parser of what comes from outside, fed with good texts broken in every way: a value or a typed refusal.

The suite takes 2,000 cases a parser; `make attacks` 100,000. The seed is fixed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from accounts.credentials import identify
from accounts.directory import Directory, load_directory
from common.errors import FluemanError
from common.names import safe_name
from common.strict_json import loads
from files.ranges import wanted_spans
from inference.bodies import payload
from registry.signature import parse_signature
from tests.attacks import table

CASES = 100_000 if "FLUEMAN_ATTACKS" in os.environ else 2_000
SECTION = "Parsers"
SIGNATURE = parse_signature(
    {
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "text", "datatype": "BYTES", "shape": [-1], "max_length": 20},
        ],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
)
BODY = (
    b'{"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2.5,-3e2,4]},'
    b'{"name":"text","datatype":"BYTES","shape":[1],"data":["\\uac00"]}],"outputs":[{"name":"y"}]}'
)
PIECES = [
    b"", b"\0", b"\\u0000", b"\\ud800", b"\xff", b"\xc0\xae", b"\xed\xa0\x80", b'"', b"\\", b"{", b"[", b"[" * 80,
    b"]", b"}", b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-0", b"null", b"true", b"-", b",", b":", b"..", b"/",
    b"\xe2\x80\xae", b"\xef\xbb\xbf", b"=", b"eyJhbGciOiJub25lIn0.e30.", b"flm_", b"_" * 50, b"bytes=",
    b"-1", b"a" * 5000, b"\r\n",
]  # fmt: skip


def broken(good: bytes, chance: random.Random) -> bytes:
    """Give a text with one to four pieces cut, doubled, put in or turned."""
    text = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 1, 1, 2, 8, 40)))
        text[start:end] = chance.choice((chance.choice(PIECES), bytes(text[start:end]) * 3, chance.randbytes(2)))
    return bytes(text)


@pytest.fixture
def directory(db: None) -> Directory:
    """Give the keys and people of an empty installation."""
    return load_directory()


FRIENDLY = b'{"inputs":{"x":[[1,2,3,4]],"text":["a"]}}'
JWT = b"Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6ImEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
KEY = b"Bearer flm_local_TRVwsrtF5j3X_0123456789abcdefghijklmnopqrstuvwxyz"
Parser = Callable[[bytes, Directory], Any]
PARSERS: dict[str, tuple[bytes, Parser]] = {
    "strict JSON": (BODY, lambda text, _: loads(text)),
    "tensors of /v2": (BODY, lambda text, _: payload.read_v2(loads(text), SIGNATURE)),
    "tensors of REST": (FRIENDLY, lambda text, _: payload.read_friendly(loads(text), SIGNATURE)),
    "names": ("모델 이름-1.pt".encode(), lambda text, _: safe_name(text.decode("utf-8", "surrogateescape"))),
    "ranges": (b"bytes=0-1,5-,-7", lambda text, _: wanted_spans(text.decode("latin-1"), 1000)),
    "tokens": (JWT, lambda text, facts: identify({b"authorization": text}, facts)),
    "API keys": (KEY, lambda text, facts: identify({b"authorization": text}, facts)),
    "keys in their own header": (KEY[7:], lambda text, facts: identify({b"x-api-key": text}, facts)),
    "Basic": (b"Basic dXNlcjpwYXNz", lambda text, facts: identify({b"authorization": text}, facts)),
}


@pytest.mark.parametrize("name", PARSERS)
def test_parser_when_texts_are_broken_then_a_value_or_a_typed_refusal(name: str, directory: Directory) -> None:
    good, parse = PARSERS[name]
    chance, refused, faults = random.Random(f"{name} 1"), 0, []
    for _ in range(CASES):
        text = broken(good, chance)
        try:
            parse(text, directory)
        except FluemanError as error:
            refused += 1
            faults += [text] if error.status >= 500 else []
    assert faults == []
    table.record(SECTION, name, f"{CASES} texts: {refused} refused, {CASES - refused} read", "harmless")
