"""JSON Lines in blocks: what comes is what would come line by line."""

from __future__ import annotations

import io
import itertools
import random

import pytest

from datasets.formats.facts import MOST_LINE_BYTES, Reject
from datasets.formats.jsons import Item, lines_of
from datasets.formats.texts import BLOCK_BYTES, Lines

HOSTILE = (
    '{"a":1}', '{"a":1},{"b":2}', '{"a":1', '"b":2}', '{"a":[{"x":1}', '{"y":2}]}', '{"a":"x}', '{","b":1}', "[1]", "1",
    "", "  ", "\ufeff", "null", '{"a":NaN}', '{"a":"\\ud800"}', '{"a":"가"}', '{"a":1}},{"' + "0" * 16 + '":{"b":2}',
    '{"a":1}}, 5, {"b":{"c":2}', '{"a":{"a":{}}}', '{"a":1}\r', "{" * 2000, '{"a":1}}',
)  # fmt: skip


def read(data: bytes, *, at_once: bool) -> list[Item | Reject]:
    lines = Lines(io.BytesIO(data), "utf-8")
    lines.is_utf8 = at_once
    return [one._replace(size=0) if isinstance(one, Item) else one for one in lines_of(lines)]


@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_when_read_in_blocks_then_as_one_by_one(end: str) -> None:
    mixed = random.Random(7)
    pairs = [*itertools.product(HOSTILE, repeat=2), *([mixed.choice(HOSTILE) for _ in range(6)] for _ in range(300))]
    for some in pairs:
        data = ("\n".join(some) + end).encode()
        assert read(data, at_once=True) == read(data, at_once=False), some


def test_lines_when_one_is_damaged_too_long_or_in_another_block_then_only_it_is_set_aside() -> None:
    whole = b'{"a":"' + b"x" * 100 + b'"}\n'
    count = BLOCK_BYTES // len(whole) + 2
    long = b'{"a":1}' + b" " * MOST_LINE_BYTES + b"}\n"
    data = b"\xef\xbb\xbf" + whole * count + b'{"a":"\xff"}\n' + long + whole * count
    found = read(data, at_once=True)
    assert [one.line for one in found] == list(range(1, 2 * count + 3))
    assert {one.line: one.code for one in found if isinstance(one, Reject)} == {
        count + 1: "wrong_bytes",
        count + 2: "line_too_long",
    }
