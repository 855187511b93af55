"""Exact duplicates."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Invalid
from datasets.engines.table import ROW
from datasets.steps import duplicates
from datasets.steps.base import kind_of
from datasets.steps.duplicates import Duplicates
from datasets.steps.params import make_step
from tests.datasets.steps_special.making import HOSTILE, run


def rows_after(step: Duplicates, frame: pl.DataFrame) -> list[int]:
    return run(step, frame)[0][ROW].to_list()


def test_duplicates_when_rows_are_equal_keeps_one_of_each():
    frame = pl.DataFrame({"a": ["x", "y", "x", None, None, "x"], "b": [1, 1, 1, 2, 2, 3]})
    rows, told = run(Duplicates(), frame)
    assert rows[ROW].to_list() == [0, 1, 3, 5]
    assert told == {"groups": 2, "dropped": 2, "examples": [{"row": 2, "kept": 0}, {"row": 4, "kept": 3}]}
    assert rows_after(Duplicates(keep="last"), frame) == [1, 2, 4, 5]
    assert rows_after(Duplicates(columns=("a",)), frame) == [0, 1, 3]


def test_duplicates_when_the_best_is_kept_takes_the_largest_value_and_the_first_of_ties():
    frame = pl.DataFrame({"a": ["x"] * 6, "score": [1.0, math.nan, 5.0, None, 5.0, -math.inf]})
    assert rows_after(Duplicates(columns=("a",), keep="best", best="score"), frame) == [2]
    nothing = pl.DataFrame({"a": ["x", "x"], "score": [math.nan, None]})
    assert rows_after(Duplicates(columns=("a",), keep="best", best="score"), nothing) == [0]


@pytest.mark.parametrize(
    ("ignored", "kept"),
    [((), [0, 1, 2, 3, 4]), (("case",), [0, 2, 3, 4]), (("space",), [0, 1, 3, 4]), (("form", "space", "case"), [0, 4])],
)
def test_duplicates_when_differences_do_not_count_compares_without_them(ignored, kept):
    texts = ["Abc 가", "aBC 가", " Abc \t가 ", "ＡＢＣ\u3000\u1100\u1161", "Abcd"]
    assert rows_after(Duplicates(ignored=ignored), pl.DataFrame({"t": texts})) == kept


def test_duplicates_when_cells_could_run_together_keeps_them_apart():
    frame = pl.DataFrame({"a": ["x", "x:y", "1:x", "", None, "-"], "b": ["y:z", "z", "", "1:x", "-", None]})
    assert rows_after(Duplicates(), frame) == list(range(6))
    lists = pl.DataFrame({"a": [["a", "b"], ["ab"], ["a", "", "b"], [None], [], None, ["a", "b"]]})
    assert rows_after(Duplicates(), lists) == list(range(6))


def test_duplicates_when_a_key_collides_loses_no_row(monkeypatch):
    def colliding(frame, columns, ignored):
        _key, rest = duplicates_digests(frame, columns, ignored)
        return pl.Series(np.zeros(len(frame), np.uint64)), rest

    duplicates_digests = duplicates.digests
    monkeypatch.setattr(duplicates, "digests", colliding)
    frame = pl.DataFrame({"t": [str(n % 50) for n in range(120)]})
    assert rows_after(Duplicates(), frame) == list(range(50))


def test_duplicates_when_values_are_of_every_type_compares_them():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "number": [0.0, -0.0, math.nan, math.nan, math.inf, 1e308, 1e308],
            "at": [at, at, at, at, at, at, at + timedelta(microseconds=1)],
            "day": [at.date()] * 7,
            "took": [timedelta(1)] * 7,
            "truth": [True] * 7,
            "large": pl.Series([2**64 - 1] * 7, dtype=pl.UInt64),
            "tags": [[1.5, None]] * 7,
        }
    )
    assert rows_after(Duplicates(), frame) == [0, 2, 4, 5, 6]


def test_duplicates_when_texts_are_hostile_keeps_each_once():
    frame = pl.DataFrame({"*": HOSTILE * 2, "^x$": [1] * len(HOSTILE) * 2}, schema={"*": pl.String, "^x$": pl.Int64})
    assert rows_after(Duplicates(columns=("*",)), frame) == list(range(len(HOSTILE)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "가", "a", None]), st.sampled_from([0, 1, None])), max_size=30))
def test_duplicates_of_any_rows_are_those_of_a_set(rows):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.Int64}, orient="row")
    assert rows_after(Duplicates(), frame) == [n for n, row in enumerate(rows) if row not in rows[:n]]


def test_duplicates_when_a_parameter_is_wrong_names_it():
    schema = {"a": pl.String(), "n": pl.Int64()}
    for params, field in (
        ({"columns": ["z"]}, "columns"),
        ({"keep": "best"}, "best"),
        ({"keep": "best", "best": "z"}, "best"),
    ):
        with pytest.raises(Invalid) as refused:
            make_step("duplicates", params).out_schema(schema)
        assert set(refused.value.fields) == {field}
    assert kind_of("duplicates") is Duplicates
