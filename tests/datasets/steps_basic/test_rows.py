from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from common.errors import Invalid
from datasets.steps import sorting
from datasets.steps.chance import permuted, scattered
from tests.datasets.steps_basic.stepping import done, told

FRAME = pl.DataFrame(
    {
        "t": ["b", None, "a", " ", "b", "b", None, "c", "a", "z", "y"],
        "x": [None, 1.0, float("nan"), float("inf"), 3.0, None, 0.1, 0.2, -5.0, 100.0, 1e300],
        "l": [[1, 2], [], None, [None], [3], [4, 5, 6], [], [], [7], [8], [9]],
        "i": range(11),
    }
)
OTHER = pl.DataFrame(
    {"t": ["b", "a", "a", None, "q"], "i": ["B", "A1", "A2", "N", "Q"], "w": [[1], [2], None, [4], []]}
)


def test_sort_when_in_buckets_then_stable_and_missing_last(monkeypatch):
    monkeypatch.setattr(sorting, "BUCKET_ROWS", 3)
    monkeypatch.setattr(sorting, "SAMPLED", 5)
    assert done("sort", FRAME, columns=["t"])["i"].to_list() == [3, 2, 8, 0, 4, 5, 7, 10, 9, 1, 6]
    down = done("sort", FRAME, columns=["t", "i"], descending=["i"])["i"].to_list()
    assert down == [3, 8, 2, 5, 4, 0, 7, 10, 9, 6, 1]
    assert done("sort", FRAME, columns=["x"], descending=["x"])["i"].to_list() == [2, 3, 10, 9, 4, 1, 7, 6, 8, 0, 5]


def test_shuffle_when_seeded_then_the_same_again_and_another_with_another():
    one, two = (done("shuffle", FRAME, seed=seed)["i"].to_list() for seed in (0, 1))
    assert sorted(one) == sorted(two) == list(range(11))
    assert one != two != list(range(11))


@pytest.mark.parametrize("largest", [0, 1, 10, 65_535, 65_536, 100_000, 2**40])
def test_chance_when_many_rows_then_no_two_share_a_place(largest):
    rows = pl.Series(range(max(0, largest - 70_000), largest + 1))
    places = permuted(rows, 7, largest)
    assert places.n_unique() == len(rows)
    assert places.min() >= 0
    assert len(set(scattered(rows, 7).tolist())) == len(rows)


def test_sample_when_counted_then_exact_and_in_order():
    assert len(done("sample", FRAME, rows=4)) == 4
    kept = done("sample", FRAME, share=50)["i"].to_list()
    assert len(kept) == 6
    assert kept == sorted(kept)
    assert len(done("sample", FRAME, rows=400)) == 11
    for params in ({}, {"rows": 1, "share": 1}):
        with pytest.raises(Invalid):
            done("sample", FRAME, **params)
    assert done("limit", FRAME, rows=3)["i"].to_list() == [0, 1, 2]
    assert len(done("limit", FRAME, rows=300)) == 11


def test_split_column_when_keys_are_equal_then_they_stay_together():
    frame = pl.DataFrame({"k": [*range(1000), *range(1000)]})
    after = done("split_column", frame, keys=["k"])
    assert after["split"][:1000].to_list() == after["split"][1000:].to_list()
    counts = Counter(after["split"].to_list())
    assert counts["train"] > 1500
    assert 100 < counts["test"] < 300
    assert done("split_column", pl.DataFrame({"k": [None, None]}), keys=["k"])["split"].n_unique() == 1
    with pytest.raises(Invalid):
        done("split_column", frame, keys=["k"], train=50)


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        ("keep", ["c", None, "A", " ", "c", "c", None, "c", "A", "z", "y"]),
        ("missing", ["c", None, "A", None, "c", "c", None, None, "A", None, None]),
        ("other", ["c", None, "A", "other", "c", "c", None, "other", "A", "other", "other"]),
        ("drop", ["c", None, "A", "c", "c", None, "A"]),
    ],
)
def test_labels_when_unknown_then_as_said(unknown, expected):
    after, facts = told("label_map", FRAME, column="t", labels={"a": "A", "b": "c"}, unknown=unknown)
    assert after["t"].to_list() == expected
    assert facts == {"labels": {"a": 2, "b": 3}, "unknown": {" ": 1, "c": 1, "y": 1, "z": 1}, "missing": 2}
    with pytest.raises(Invalid) as caught:
        done("label_map", FRAME, column="t", labels={"a": "A"}, unknown="fail")
    assert "labels" in caught.value.fields


def test_balance_when_labels_are_rare_then_fewer_of_the_others_or_copies():
    labels = FRAME["t"].drop_nulls().unique().to_list()
    for method, rows in (("down", 1), ("over", 3), ("number", 2)):
        after = done("balance", FRAME, column="t", method=method, rows=2)
        assert Counter(after["t"].to_list()) == dict.fromkeys(labels, rows)
    with pytest.raises(Invalid, match="1024"):
        done("balance", FRAME, column="t", method="number", rows=5000)
    with pytest.raises(Invalid) as caught:
        done("balance", FRAME, column="x")
    assert "column" in caught.value.fields


def test_lists_when_unfolded_then_a_row_each_and_back():
    after = done("explode", FRAME, column="l")
    assert after["l"].to_list() == [1, 2, None, None, None, 3, 4, 5, 6, None, None, 7, 8, 9]
    assert after["i"].to_list() == [0, 0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10]
    assert done("explode", FRAME, column="l", empty="drop")["i"].to_list() == [0, 0, 3, 4, 5, 5, 5, 8, 9, 10]
    with pytest.raises(Invalid, match="row 2"):
        done("explode", pl.DataFrame({"l": [[1], [1] * 1025]}), column="l")
    nested = done("nest", FRAME.select("t", "i"), keys=["t"], columns=["i"])
    assert nested.rows()[:3] == [("b", [0, 4, 5]), (None, [1, 6]), ("a", [2, 8])]


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        (
            "left",
            [
                (0, "B"),
                (1, None),
                (2, "A1"),
                (3, None),
                (4, "B"),
                (5, "B"),
                (6, None),
                (7, None),
                (8, "A1"),
                (9, None),
                (10, None),
            ],
        ),
        ("inner", [(0, "B"), (2, "A1"), (4, "B"), (5, "B"), (8, "A1")]),
    ],
)
def test_join_when_keys_meet_then_the_first_of_the_other_version(how, rows):
    after, facts = told("join", FRAME, OTHER, version="v", keys=["t"], how=how)
    assert after.select("i", "i_2").rows() == rows
    assert after["w"].to_list()[0] == [1]
    assert facts == {"rows_found": 5}


def test_join_when_only_asked_then_rows_with_and_without():
    assert done("join", FRAME, OTHER, version="v", keys=["t"], how="semi")["i"].to_list() == [0, 2, 4, 5, 8]
    assert done("join", FRAME, OTHER, version="v", keys=["t"], how="anti")["i"].to_list() == [1, 3, 6, 7, 9, 10]


def test_join_when_zero_is_negative_then_equal_however_cut():
    ours, theirs = pl.DataFrame({"x": [0.0, -0.0, 1.0]}), pl.DataFrame({"x": [-0.0, 5.0, 6.0], "y": [1, 2, 3]})
    assert done("join", ours, theirs, version="v", keys=["x"])["y"].to_list() == [1, 1, None]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"keys": ["i"]}, "keys"),
        ({"keys": ["q"]}, "keys"),
        ({"keys": ["t"], "other_keys": ["q"]}, "other_keys"),
        ({"keys": ["t"], "other_keys": ["t", "i"]}, "other_keys"),
        ({"keys": ["t"], "take": ["q"]}, "take"),
        ({"keys": ["t"], "several": "fail"}, "several"),
    ],
)
def test_join_when_impossible_then_refused_by_parameter(params, field):
    with pytest.raises(Invalid) as caught:
        done("join", FRAME, OTHER, version="v", **params)
    assert list(caught.value.fields) == [field]


def test_append_when_columns_differ_then_missing_or_left_out():
    other = OTHER.drop("i")
    after = done("append", FRAME.select("t", "i"), other, version="v", origin="from")
    assert after.columns == ["t", "i", "w", "from"]
    assert after["from"].to_list() == ["this"] * 11 + ["v"] * 5
    assert done("append", FRAME, other, version="v", columns="common").columns == ["t"]
    with pytest.raises(Invalid) as caught:
        done("append", FRAME, OTHER, version="v")
    assert "version" in caught.value.fields


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("sort", {"columns": ["t"]}),
        ("shuffle", {}),
        ("sample", {"rows": 3}),
        ("sample", {"share": 3}),
        ("limit", {"rows": 3}),
        ("outliers", {"columns": ["x"]}),
        ("split_column", {"keys": ["t"]}),
        ("label_map", {"column": "t", "labels": {"a": "b"}}),
        ("balance", {"column": "t"}),
        ("explode", {"column": "l"}),
        ("nest", {"keys": ["t"], "columns": ["x"]}),
        ("filter_quality", {"column": "t"}),
        ("fill_missing", {"columns": ["x"], "method": "mean", "groups": ["t"]}),
        ("join", {"version": "v", "keys": ["t"]}),
        ("append", {"version": "v", "columns": "common"}),
    ],
)
def test_steps_when_there_are_no_rows_then_no_rows(kind, params):
    assert len(done(kind, FRAME.clear(), OTHER.select("t").clear(), **params)) == 0
