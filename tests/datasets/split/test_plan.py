"""Where rows fall: by their key alone, or exactly by class."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.hashing import key_texts, places, positions
from datasets.splitting.plan import Leaks, Plan, exact_places, longest_text

SHARES = (("train", 80.0), ("validation", 10.0), ("test", 10.0))


def test_position_when_a_key_is_given_is_that_of_the_documented_hash() -> None:
    wanted = [int.from_bytes(blake2b(key.encode(), digest_size=8, key=b"7").digest(), "big") for key in ("1", "가나")]
    assert positions(pl.Series(["1", "가나"]), 7).to_list() == wanted
    # Written down: a later version of any library must not move a row.
    assert positions(pl.Series(["1", "2"]), 0).to_list() == [5061592128330581770, 16183598969868284219]


def test_key_when_it_is_of_several_columns_tells_missing_from_empty() -> None:
    frame = pl.DataFrame({"a": ["", None, None, "x"], "b": [1, 1, None, 2], "c": [["p", "q"], None, None, []]})
    assert key_texts(frame, ["a", "b", "c"]).to_list() == ["\x1f1\x1fp\x1eq", "\x00\x1f1\x1f\x00", None, "x\x1f2\x1f"]
    assert key_texts(frame, ["b"]).to_list() == ["1", "1", None, "2"]


def test_places_when_there_are_many_keys_follow_the_shares() -> None:
    at = positions(pl.Series([f"글 {n}" for n in range(20_000)]), 0)
    counts = Counter(places(at, [80, 10, 10]).to_list())
    assert all(abs(counts[n] / 20_000 - share) < 0.01 for n, share in enumerate((0.8, 0.1, 0.1)))


def test_rows_when_others_come_and_go_stay_in_their_split() -> None:
    plan = Plan(SHARES, together=("id",))
    first = pl.DataFrame({"id": range(1000), "text": "가"})
    later = pl.DataFrame({"id": range(2000, 500, -1), "text": "나", "more": 1})
    was = dict(zip(first["id"], plan.places(first), strict=True))
    now = dict(zip(later["id"], plan.places(later), strict=True))
    assert all(was[key] == now[key] for key in was.keys() & now.keys())


def test_rows_when_they_have_no_key_are_placed_by_all_that_they_hold() -> None:
    plan = Plan(SHARES, together=("id",))
    rows = pl.DataFrame({"id": pl.Series([None] * 300, dtype=pl.Int64), "text": [f"글 {n}" for n in range(300)]})
    assert len(set(plan.places(rows))) == 3


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=120),
    st.lists(st.integers(1, 50), min_size=2, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_classes_when_divided_exactly_keep_rows_of_one_key_together(rows: list[Any], percents: list[int]) -> None:
    at = np.array([key * 1000 for key, _one in rows], np.uint64)
    classes = np.array([one for _key, one in rows], np.int32)
    found = exact_places(at, classes, percents)
    by_key: dict[int, set[int]] = {}
    for (key, _one), place in zip(rows, found, strict=True):
        by_key.setdefault(key, set()).add(int(place))
    assert all(len(splits) == 1 for splits in by_key.values())


@given(st.lists(st.integers(0, 3), max_size=300), st.lists(st.integers(1, 50), min_size=2, max_size=5))
@settings(max_examples=150, deadline=None)
def test_classes_when_all_keys_differ_are_divided_within_one_row(given_classes: list[int], percents: list[int]) -> None:
    at = positions(pl.Series([str(n) for n in range(len(given_classes))], dtype=pl.String), 3).to_numpy()
    classes = np.array(given_classes, np.int32)
    found = exact_places(at, classes, percents)
    for one in set(given_classes):
        rows = int((classes == one).sum())
        for number, percent in enumerate(percents):
            got = int(((classes == one) & (found == number)).sum())
            assert abs(got - rows * percent / sum(percents)) <= 1


def test_leaks_when_a_text_is_in_two_splits_are_found_and_missing_ones_are_not() -> None:
    frame = pl.DataFrame({"text": ["같은 글", "다른 글", None, "같은 글", None]})
    leaks = Leaks("text")
    leaks.add(frame[:3], pl.Series([0, 0, 0]))
    leaks.add(frame[3:], pl.Series([1, 1]))
    assert leaks.rows_of(frame, leaks.found()).to_list() == ["같은 글", "같은 글"]


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        ({"label": ["a"], "본문": ["긴 글입니다"], "n": [1]}, "본문"),
        ({"n": [1]}, ""),
        ({"text": pl.Series([None], dtype=pl.String)}, "text"),
    ],
)
def test_text_column_when_none_is_named_is_the_longest(frame: Any, wanted: str) -> None:
    assert longest_text(pl.DataFrame(frame)) == wanted
