"""JSON Lines in blocks: what comes is what would come line by line."""

from __future__ import annotations

import io
import itertools
import random

import polars as pl
import pytest

from datasets.formats import arrow_lines
from datasets.formats.facts import MOST_LINE_BYTES, Reject
from datasets.formats.jsons import Item, lines_of
from datasets.formats.texts import BLOCK_BYTES, Lines
from tests.datasets.formats import reading

HOSTILE = (
    '{"a":1}', '{"a":1},{"b":2}', '{"a":1', '"b":2}', '{"a":[{"x":1}', '{"y":2}]}', '{"a":"x}', '{","b":1}', "[1]", "1",
    "", "  ", "\ufeff", "null", '{"a":NaN}', '{"a":"\\ud800"}', '{"a":"가"}', '{"a":1}},{"' + "0" * 16 + '":{"b":2}',
    '{"a":1}}, 5, {"b":{"c":2}', '{"a":{"a":{}}}', '{"a":1}\r', "{" * 2000, '{"a":1}}',
)  # fmt: skip

PLAIN = '{"t":"가","i":1,"n":0.5,"b":true,"d":"2026-01-02","w":"2026-01-02 10:20"}'
TYPES = {"t": "text", "i": "integer", "n": "number", "b": "truth", "d": "date", "w": "datetime"}
ODD = (
    *HOSTILE, '{"t":"x","t":"y"}', '{"t":1}', '{"t":null}', '{"t":""}', '{"t":{"x":1}}', '{"t":["x"]}',
    '{"t":"\\u0000"}', '{"t":"\\ud83d\\ude00"}', '{"t":"\\ude00"}', '{"\\u0074":"x"}', '{"t":"x"} {"t":"y"}',
    '{"t":"\t"}', '{"i":1.0}', '{"i":1.5}', '{"i":1e3}', '{"i":-0}', '{"i":9223372036854775808}', '{"i":"7"}',
    '{"i":true}', '{"i":NaN}', '{"n":-0}', '{"n":-0.0}', '{"n":1e400}', '{"n":-1e400}', '{"n":Infinity}',
    '{"n":-Infinity}', '{"n":Inf}', '{"n":-NaN}', '{"n":123456789012345678901}', '{"n":4.9e-324}', '{"n":"3"}',
    '{"n":1,}', '{"n":01}', '{"n":5.}', '{"b":1}', '{"b":"true"}', '{"d":"2026-13-02"}', '{"d":20260102}', '{"d":""}',
    '{"w":"gestern"}', '{"w":null}', '{"x":1}', '{}',
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


def test_lines_when_arrow_reads_them_then_rows_and_what_is_set_aside_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mixed, rows = random.Random(11), [PLAIN] * 6
    files = [[*rows, odd, PLAIN] for odd in ODD] + [[*rows, *mixed.choices((PLAIN, *ODD), k=9)] for _ in range(60)]
    monkeypatch.setattr(arrow_lines, "BLOCK_BYTES", 3 * len(PLAIN))  # some blocks are odd, others are not
    taken = 0
    values_of = arrow_lines.values_of

    def counted(values: dict[str, pl.Series] | None) -> dict[str, pl.Series] | None:
        nonlocal taken
        taken += values is not None
        return values

    monkeypatch.setattr(arrow_lines, "values_of", lambda *given: counted(values_of(*given)))
    for lines in files:
        data = "\n".join(lines).encode()
        by_arrow, apart, _found = reading.read("rows.jsonl", data, types=TYPES)
        with monkeypatch.context() as without:
            without.setattr(arrow_lines, "schema_of", lambda _columns: None)
            one_by_one, set_aside, _found = reading.read("rows.jsonl", data, types=TYPES)
        assert by_arrow.equals(one_by_one), lines
        assert repr(by_arrow["n"].to_list()) == repr(one_by_one["n"].to_list()), lines  # the zero below zero as well
        assert apart == set_aside, lines
    assert taken > 2 * len(files)


def test_lines_when_one_in_the_midst_of_a_block_goes_on_too_long_then_only_it_is_set_aside() -> None:
    long = b'{"a":1}' + b" " * MOST_LINE_BYTES + b"}\n"
    rows, apart, _found = reading.read("rows.jsonl", b'{"a":1}\n' * 10 + long + b'{"a":2}\n' * 10)
    assert rows["a"].to_list() == [1] * 10 + [2] * 10
    assert reading.told(apart) == [(11, "line_too_long", "")]


def test_lines_when_the_first_is_broken_and_the_file_is_named_so_then_only_it_is_set_aside() -> None:
    rows, apart, _found = reading.read("rows.jsonl", '{"a": \n' + '{"a":1}\n' * 3)
    assert rows["a"].to_list() == [1] * 3
    assert reading.told(apart) == [(1, "no_json", "")]
    assert reading.read("rows.json", '{"rows": [\n{"a":1}\n]}')[0]["a"].to_list() == [1]


def test_lines_when_one_is_infinite_then_others_that_do_not_fit_are_set_aside_as_well() -> None:
    lines = ['{"n":0.5}', '{"n":1e400}', '{"n":"gestern"}', '{"n":null}', '{"n":"inf"}']
    rows, apart, _found = reading.read("rows.jsonl", "\n".join(lines), types={"n": "number"})
    assert rows["n"].to_list() == [0.5, None]
    assert reading.told(apart) == [(2, "infinite", "n"), (3, "misfit", "n"), (5, "infinite", "n")]
