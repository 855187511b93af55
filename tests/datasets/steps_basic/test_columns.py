from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from common.errors import Invalid
from datasets.steps.params import make_step
from tests.datasets.steps_basic.stepping import done, told

FRAME = pl.DataFrame(
    {"a": ["x,y,z", None, "", "한"], "b": [1, None, 3, 4], "l": [[1], [], None, [2]], "*": [1, 2, 3, 4]}
)


def test_columns_when_renamed_chosen_and_dropped_then_as_said():
    assert done("rename", FRAME, names={"a": "b", "b": "a"}).columns == ["b", "a", "l", "*"]
    assert done("select", FRAME, columns=["*", "a"]).columns == ["*", "a"]
    assert done("select", FRAME, columns=["*", "a"], keeps_others=True).columns == ["*", "a", "b", "l"]
    assert done("drop", FRAME, columns=["*"]).columns == ["a", "b", "l"]
    assert done("constant", FRAME, name="c", value=False)["c"].to_list() == [False] * 4


@pytest.mark.parametrize(
    ("kind", "params", "field"),
    [
        ("rename", {"names": {"a": "b"}}, "names"),
        ("rename", {"names": {"nope": "b"}}, "names"),
        ("rename", {"names": {"a": "__row"}}, "names"),
        ("rename", {"names": {"a": "^a$"}}, "names"),
        ("constant", {"name": "*", "value": 1}, "name"),
        ("drop", {"columns": ["a", "b", "l", "*"]}, "columns"),
        ("constant", {"name": "__row", "value": 1}, "name"),
        ("split_text", {"column": "b", "separator": ",", "names": ["c"]}, "column"),
        ("split_text", {"column": "a", "separator": ",", "names": ["c", "c"]}, "names"),
        ("merge_columns", {"columns": ["l"], "name": "c"}, "columns"),
        ("cast", {"columns": ["l"], "to": "text"}, "columns"),
        ("cast", {"columns": ["a"], "to": "date", "forms": ["%Q"]}, "forms"),
        ("cast", {"columns": ["a"], "to": "integer", "misfit": "fail"}, "columns"),
    ],
)
def test_columns_when_impossible_then_refused_by_parameter(kind, params, field):
    with pytest.raises(Invalid) as caught:
        done(kind, FRAME, **params)
    assert list(caught.value.fields) == [field]


def test_texts_when_cut_and_joined_then_missing_stays_missing():
    cut = done("split_text", FRAME, column="a", separator=",", names=["p", "q"], drops=True)
    assert cut.select("p", "q").rows() == [("x", "y,z"), (None, None), ("", None), ("한", None)]
    joined = done("merge_columns", FRAME, columns=["a", "b"], name="m", separator="|")
    assert joined["m"].to_list() == ["x,y,z|1", None, "|3", "한|4"]


@pytest.mark.parametrize(
    ("to", "values", "expected"),
    [
        (
            "integer",
            [
                "1,234원",
                "₩3,000",
                "3만 5,000",
                "1억",
                "９００",
                "9007199254740993",
                "1e3",
                "1.5",
                "1,23",
                "NaN",
                "",
                None,
            ],
            [1234, 3000, 35000, 10**8, 900, 9007199254740993, 1000, None, None, None, None, None],
        ),
        ("number", ["-1.5", ".5", "2조", "$3", "inf", "1 2", "0x10"], [-1.5, 0.5, 2e12, 3.0, None, None, None]),
        ("truth", ["예", "NO", "1", "참", "maybe"], [True, False, True, True, None]),
        (
            "date",
            [
                "2026-01-31",
                "2026. 1. 31.",
                "2026년 1월 31일",
                "20260131",
                "2026/1/31 15:05",
                "2026-02-30",
                "31/01/2026",
            ],
            [date(2026, 1, 31)] * 5 + [None, None],
        ),
    ],
)
def test_cast_when_people_write_values_then_read(to, values, expected):
    after, facts = told("cast", pl.DataFrame({"a": values}), columns=["a"], to=to)
    assert after["a"].to_list() == expected
    odd = [value for value, one in zip(values, expected, strict=True) if one is None and value]
    assert facts["misfits"]["a"] == {"count": len(odd), "examples": odd[:5]}


def test_cast_when_times_have_no_zone_then_in_the_one_that_is_said():
    values = [
        "2026-1-31 오후 3시 5분",
        "2026-01-31T15:05:00.5+09:00",
        "2026. 1. 31. (토) 오전 12:30",
        "2026-01-31 25:00",
    ]
    frame = pl.DataFrame({"a": values})
    found = [str(one) for one in done("cast", frame, columns=["a"], to="datetime", zone="Asia/Seoul")["a"]]
    assert found == [
        "2026-01-31 06:05:00+00:00",
        "2026-01-31 06:05:00.500000+00:00",
        "2026-01-30 15:30:00+00:00",
        "None",
    ]
    utc = done("cast", frame, columns=["a"], to="datetime", zone="UTC")["a"]
    assert str(utc[0]) == "2026-01-31 15:05:00+00:00"
    assert [str(one) for one in done("cast", frame, columns=["a"], to="datetime")["a"]] == found  # the installation's


def test_cast_when_days_are_wanted_then_those_of_the_calendar_of_the_zone():
    values = ["2026-01-31T08:00:00+09:00", "2026-01-30T23:00:00Z", "2026-01-31 00:10", "2026-01-31"]
    frame = pl.DataFrame({"a": values})
    days = [date(2026, 1, 31)] * 4
    assert done("cast", frame, columns=["a"], to="date")["a"].to_list() == days
    utc = done("cast", frame, columns=["a"], to="date", zone="UTC")["a"].to_list()
    assert utc == [date(2026, 1, 30), date(2026, 1, 30), *days[2:]]
    times = done("cast", frame, columns=["a"], to="datetime")
    assert done("cast", times, columns=["a"], to="date")["a"].to_list() == days
    assert done("cast", times, columns=["a"], to="date", zone="UTC")["a"].to_list() == [date(2026, 1, 30)] * 4


def test_cast_when_clocks_skip_midnight_then_the_day_stays_itself():
    days = pl.DataFrame({"a": pl.date_range(date(1900, 1, 1), date(2030, 12, 31), eager=True)})
    to_time, to_date = (make_step("cast", {"columns": ["a"], "to": to}) for to in ("datetime", "date"))
    assert to_date.apply(to_time.apply(days)).equals(days)
    assert to_date.apply(days.cast(pl.String)).equals(days)


def test_cast_when_forms_are_given_then_only_they_count():
    frame = pl.DataFrame({"a": ["31/01/2026", "1700000000", "2026-01-31"]})
    for zone, day in ("UTC", 14), ("Asia/Seoul", 15):
        days = done("cast", frame, columns=["a"], to="date", forms=["%d/%m/%Y", "unix"], zone=zone)["a"].to_list()
        assert days == [date(2026, 1, 31), date(2023, 11, day), None]


def test_cast_when_numbers_are_odd_then_they_do_not_fit():
    frame = pl.DataFrame({"x": [1.0, 1.5, float("nan"), float("inf"), None, 2.0**63]})
    assert done("cast", frame, columns=["x"], to="integer", misfit="drop")["x"].to_list() == [1, None]
    assert done("cast", frame, columns=["x"], to="truth")["x"].to_list() == [True, None, None, None, None, None]
    with pytest.raises(Invalid, match=r"row 2.*1\.5"):
        done("cast", frame, columns=["x"], to="integer", misfit="fail")
