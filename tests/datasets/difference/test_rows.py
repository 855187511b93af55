"""Differences of rows against a plain count in Python, however the rows are cut."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.difference import rows, spill
from datasets.difference.columns import Columns
from datasets.difference.rows import Side, compare, find_key
from datasets.difference.writing import Writer
from datasets.engines.table import ROW
from datasets.planning import columns_of

CELLS = st.tuples(
    st.one_of(st.none(), st.integers(0, 5)), st.one_of(st.none(), st.sampled_from(["", "가", "나 다", "a"]))
)
ROWS = st.lists(CELLS, max_size=25)
SCHEMA = {"id": pl.Int64, "text": pl.String}


def make_frame(given_rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(given_rows, schema=SCHEMA, orient="row")


def make_side(frame: pl.DataFrame, part_rows: int = 7) -> Side:
    numbered = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))

    def frames(columns: Any) -> Any:
        pieces = list(numbered.iter_slices(part_rows)) or [numbered]
        return (piece.select(*columns, ROW) if columns is not None else piece for piece in pieces)

    return Side(len(frame), frames)


def differ(before: pl.DataFrame, after: pl.DataFrame, folder: Path, key: str = "", part_rows: int = 7) -> Any:
    columns = Columns.of(columns_of(before.schema), columns_of(after.schema))
    sides = make_side(before, part_rows), make_side(after, part_rows)
    return sides, columns, compare(*sides, columns, key=key, folder=folder / "work", tell=lambda _share: None)


@given(ROWS, ROWS, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_rows_when_compared_without_a_key_differ_as_multisets(
    tmp_path_factory: Any, old: Any, new: Any, cut: int
) -> None:
    before, after = make_frame(old), make_frame(new)
    _sides, _columns, found = differ(before, after, tmp_path_factory.mktemp("d"), part_rows=cut)
    surplus = Counter(new) - Counter(old)
    missing = Counter(old) - Counter(new)
    assert Counter(new[row] for row in found.added) == surplus
    assert Counter(old[row] for row in found.removed) == missing
    assert found.same == sum((Counter(old) & Counter(new)).values())
    assert found.changed.is_empty()


@given(
    st.dictionaries(st.integers(0, 9), st.sampled_from("가나다")),
    st.dictionaries(st.integers(0, 9), st.sampled_from("가나다")),
)
@settings(max_examples=60, deadline=None)
def test_rows_when_compared_by_key_are_paired(tmp_path_factory: Any, old: dict[int, str], new: dict[int, str]) -> None:
    before, after = make_frame(list(old.items())), make_frame(list(new.items()))
    _sides, _columns, found = differ(before, after, tmp_path_factory.mktemp("d"), key="id", part_rows=3)
    olds, news = list(old), list(new)
    assert {news[row] for row in found.added} == new.keys() - old.keys()
    assert {olds[row] for row in found.removed} == old.keys() - new.keys()
    changed = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    assert {(olds[a], news[b]) for a, b in found.changed.rows()} == {(key, key) for key in changed}
    assert found.by_column == ({"text": len(changed)} if changed else {})


def test_rows_when_the_buckets_are_many_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_frame([(n, f"{n}") for n in range(1000)])
    after = make_frame([(n, f"{n}" if n % 7 else "다른 글") for n in range(100, 1100)])
    monkeypatch.setattr(spill, "BUCKET_BYTES", 1000)
    _sides, _columns, found = differ(before, after, tmp_path, key="id", part_rows=64)
    assert (len(found.added), len(found.removed), found.same) == (100, 100, 900 - len(found.changed))
    assert found.changed["row"].to_list() == [n for n in range(100, 1000) if n % 7 == 0]
    assert not list((tmp_path / "work").rglob("*.arrow"))


def test_rows_when_a_key_is_doubled_are_paired_in_their_order(tmp_path: Path) -> None:
    before = make_frame([(1, "a"), (1, "b"), (None, "c")])
    after = make_frame([(1, "a"), (1, "B"), (1, "d"), (None, "c")])
    _sides, _columns, found = differ(before, after, tmp_path, key="id")
    assert found.changed.rows() == [(1, 1)]
    assert (found.added.to_list(), found.removed.to_list(), found.same) == ([2], [], 2)
    assert found.doubled_keys == 3


def test_columns_when_types_change_are_compared_as_numbers_or_as_text(tmp_path: Path) -> None:
    before = pl.DataFrame({"id": [1, 2], "n": [1, 2], "old": ["x", "y"], "tags": [["a"], None]})
    after = pl.DataFrame({"id": ["1", "2"], "n": [1.0, 2.5], "new": [True, False], "tags": [["a"], ["b"]]})
    _sides, columns, found = differ(before, after, tmp_path)
    assert columns.as_dict() == {
        "added": ["new"],
        "removed": ["old"],
        "retyped": [
            {"name": "id", "before": "integer", "after": "text"},
            {"name": "n", "before": "integer", "after": "number"},
        ],
    }
    assert (found.added.to_list(), found.removed.to_list(), found.same) == ([1], [1], 1)


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ({"번호": [1, 2, 3], "text": ["a", "a", "b"]}, "번호"),
        ({"id": [1, 1, 3], "user_id": [4, 5, 6]}, "user_id"),
        ({"id": [1, None, 3]}, ""),
        ({"text": ["a", "b", "c"]}, ""),
    ],
)
def test_key_when_it_is_looked_for_is_unique_and_has_no_gap(before: dict[str, Any], wanted: str) -> None:
    frame = pl.DataFrame(before)
    columns = Columns.of(columns_of(frame.schema), columns_of(frame.schema))
    assert find_key(make_side(frame, 2), make_side(frame, 1), columns) == wanted


def test_file_when_written_holds_every_difference_and_examples_of_each(tmp_path: Path) -> None:
    long = "가" * 5000
    before = pl.DataFrame({"id": [1, 2, 3, 4], "text": ["a", "b", long + "x", "d"], "old": [1, 2, 3, 4]})
    after = pl.DataFrame({"id": [5, 4, 3, 1], "text": ["e", "d", long + "y", "A"], "new": [True] * 4})
    sides, columns, found = differ(before, after, tmp_path, key="id", part_rows=2)
    examples = Writer(*sides, found, columns).write(tmp_path / "all.parquet", lambda _share: None)
    lines = pl.read_parquet(tmp_path / "all.parquet")
    assert lines.columns == ["__change", "__row", "__other_row", "id", "text", "new", "old"]
    assert lines.select("__change", "__row", "__other_row", "id").rows() == [
        ("changed from", 0, 3, 1), ("removed", 1, None, 2), ("changed from", 2, 2, 3),
        ("added", 0, None, 5), ("changed to", 2, 2, 3), ("changed to", 3, 0, 1),
    ]  # fmt: skip
    assert [one["values"]["text"] for one in examples["removed"]] == ["b"]
    first, second = examples["changed"]
    assert (first["row_before"], first["row"]) == (2, 2)
    assert first["before"]["text"].endswith("x")
    assert first["after"]["text"].endswith("y")
    assert len(first["after"]["text"]) < 700
    assert (second["before"]["text"], second["after"]["text"]) == ("a", "A")


def test_file_when_nothing_differs_is_empty_and_readable(tmp_path: Path) -> None:
    frame = make_frame([(1, "a")])
    sides, columns, found = differ(frame, frame, tmp_path)
    examples = Writer(*sides, found, columns).write(tmp_path / "all.parquet", lambda _share: None)
    assert pq.read_metadata(tmp_path / "all.parquet").num_rows == 0
    assert examples == {"removed": [], "added": [], "changed": []}


def test_rows_when_there_are_very_many_columns_are_compared_as_one(tmp_path: Path) -> None:
    many = {f"c{n}": [1, 2] for n in range(rows.COMPARED_APART + 5)}
    before, after = pl.DataFrame({"id": [1, 2], **many}), pl.DataFrame({"id": [1, 2], **many, "c3": [1, 9]})
    _sides, _columns, found = differ(before, after, tmp_path, key="id")
    assert found.changed.rows() == [(1, 1)]
    assert not found.by_column
