from __future__ import annotations

import math
from datetime import UTC, date, datetime
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Invalid
from datasets.engines.memory import MemoryTable
from datasets.steps.exact import Deviations, Means, exact_sum, root
from tests.datasets.steps_basic.stepping import done, told

FRAME = pl.DataFrame(
    {
        "t": ["a", None, "", " ", "b", "b", None, "c"],
        "x": [None, 1.0, float("nan"), float("inf"), 3.0, None, 0.1, 0.2],
        "n": [None, 1, 2, None, 5, 6, 7, None],
        "g": ["u", "v", "u", None, "u", "v", "v", None],
    }
)
INF = math.inf


@pytest.mark.parametrize(
    ("method", "groups", "x", "n"),
    [
        ("mean", [], [1.075, 1.0, 1.075, INF, 3.0, 1.075, 0.1, 0.2], [4, 1, 2, 4, 5, 6, 7, 4]),
        ("mean", ["g"], [3.0, 1.0, 3.0, INF, 3.0, 0.55, 0.1, 0.2], [4, 1, 2, None, 5, 6, 7, None]),
        ("median", [], [0.6, 1.0, 0.6, INF, 3.0, 0.6, 0.1, 0.2], [5, 1, 2, 5, 5, 6, 7, 5]),
        ("mode", [], [0.1, 1.0, 0.1, INF, 3.0, 0.1, 0.1, 0.2], [1, 1, 2, 1, 5, 6, 7, 1]),
        ("mode", ["g"], [3.0, 1.0, 3.0, INF, 3.0, 0.1, 0.1, 0.2], [2, 1, 2, None, 5, 6, 7, None]),
        ("forward", [], [None, 1.0, 1.0, INF, 3.0, 3.0, 0.1, 0.2], [None, 1, 2, 2, 5, 6, 7, 7]),
        ("forward", ["g"], [None, 1.0, None, INF, 3.0, 1.0, 0.1, 0.2], [None, 1, 2, None, 5, 6, 7, None]),
        ("backward", [], [1.0, 1.0, INF, INF, 3.0, 0.1, 0.1, 0.2], [1, 1, 2, 5, 5, 6, 7, None]),
        ("backward", ["g"], [3.0, 1.0, 3.0, INF, 3.0, 0.1, 0.1, 0.2], [2, 1, 2, None, 5, 6, 7, None]),
    ],
)
def test_numbers_when_filled_then_the_same_however_cut(method, groups, x, n):
    after = done("fill_missing", FRAME, columns=["x", "n"], method=method, groups=groups)
    assert after["x"].to_list() == x
    assert after["n"].to_list() == n


def test_texts_when_blank_then_filled_unless_blanks_are_values():
    filled = done("fill_missing", FRAME, columns=["t"], method="mode")["t"].to_list()
    assert filled == ["a", "b", "b", "b", "b", "b", "b", "c"]
    kept = done("fill_missing", FRAME, columns=["t"], value="-", blanks=False)["t"].to_list()
    assert kept == ["a", "-", "", " ", "b", "b", "-", "c"]


def test_rows_when_values_are_missing_then_dropped():
    assert done("drop_missing", FRAME).rows() == [("b", 3.0, 5, "u")]
    assert len(done("drop_missing", FRAME, when="all", columns=["t", "x"])) == 7
    assert len(done("drop_missing", FRAME, columns=["t"], blanks=False)) == 6


def test_fill_when_nothing_is_there_then_nothing_is_filled():
    for method in ("mean", "median", "mode", "forward", "backward"):
        for frame in (FRAME.clear(), FRAME.filter(pl.col("n").is_null())):
            after = done("fill_missing", frame, columns=["n"], method=method)
            assert after["n"].to_list() == [None] * len(frame)


@pytest.mark.parametrize("value", [1.5, "a", True, ""])
def test_fill_when_the_value_does_not_fit_then_refused(value):
    with pytest.raises(Invalid) as caught:
        done("fill_missing", FRAME, columns=["n"], value=value)
    assert list(caught.value.fields) == ["value"]


def test_fill_when_a_date_is_given_as_text_then_taken():
    frame = pl.DataFrame({"d": [None, date(2026, 1, 1)]})
    assert done("fill_missing", frame, columns=["d"], value="2025-12-31")["d"].to_list() == [
        date(2025, 12, 31),
        date(2026, 1, 1),
    ]
    times = pl.DataFrame({"d": [None, datetime(2026, 1, 1, tzinfo=UTC)]})
    filled = done("fill_missing", times, columns=["d"], value="2026-01-01 09:00")["d"].to_list()
    assert filled == [datetime(2026, 1, 1, tzinfo=UTC)] * 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30), st.integers(1, 7))
def test_sums_when_cut_anywhere_then_exact(values, part_rows):
    table = MemoryTable.of(pl.DataFrame({"x": values}), part_rows)
    assert exact_sum(np.array(values)) == sum(map(Fraction, values))
    means = Means(("x",)).of(table)
    if max(map(abs, values)) < 1e300:
        assert means["x"] == pytest.approx(math.fsum(values) / len(values), rel=1e-12, abs=1e-300)
    spread = Deviations(means).of(table)["x"]
    assert spread == Deviations(means).of(MemoryTable.of(pl.DataFrame({"x": values})))["x"]


def test_root_when_the_square_is_no_float_then_still_right():
    assert root(Fraction(10) ** 600) == pytest.approx(1e300)
    assert root(Fraction(0)) == 0


@pytest.mark.parametrize("method", ["iqr", "percentiles"])
def test_outliers_when_found_then_clipped_made_missing_or_dropped(method):
    frame = pl.DataFrame({"n": [1, 2, 5, 6, 7, None, 1000, -10, 3], "x": [float("nan"), INF] + [1.0] * 7})
    after, facts = told("outliers", frame, columns=["n", "x"], method=method)
    low, high = facts["bounds"]["n"].values()
    assert after["n"].to_list() == frame["n"].clip(math.ceil(low), math.floor(high)).to_list()
    assert after["n"].max() < 1000
    assert math.isnan(after["x"][0])
    assert after["x"].to_list()[1:] == [1.0] * 8
    assert done("outliers", frame, columns=["n"], method=method, action="missing")["n"].null_count() > 1
    assert len(done("outliers", frame, columns=["n"], method=method, action="drop")) == 7


def test_outliers_when_squares_overflow_then_deviation_is_right():
    frame = pl.DataFrame({"x": [1e300, 1.0, 2.0, -1.7e308, 1.7e308, 4.0]})
    _after, facts = told("outliers", frame, columns=["x"], method="zscore", deviations=1)
    assert facts["outliers"] == {"x": 2}
