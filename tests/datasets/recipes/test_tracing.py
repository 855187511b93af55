"""What a step did to rows, told from rows before and after."""

from __future__ import annotations

from typing import Any

import polars as pl

from datasets.engines.table import MOST_WIDENED, ROW, widened
from datasets.previewing.tracing import Comparison, TracedTable


def frame(**columns: list[Any]) -> pl.DataFrame:
    rows = pl.DataFrame(columns)
    return rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))


def compared(before: pl.DataFrame, after: TracedTable) -> Comparison:
    return Comparison.of(before, pl.concat(after.frames), after.moves)


def states(found: Comparison) -> list[tuple[int, str]]:
    return [(row["row"], row["state"]) for row in found.shown()["rows"]]


def test_rows_when_dropped_then_they_stand_where_they_were() -> None:
    before = frame(n=[1, 2, 3, 4])
    found = compared(before, TracedTable((before,)).map(lambda rows: rows.filter(pl.col("n") % 2 == 0)))
    assert {name: count for name, count in found.facts().items() if count} == {
        "rows_in": 4,
        "rows_out": 2,
        "dropped": 2,
    }
    assert states(found) == [(0, "dropped"), (1, "same"), (2, "dropped"), (3, "same")]


def test_cells_when_changed_then_the_parts_are_marked() -> None:
    before = frame(text=["하나 둘 셋", "같다", None], n=[1.0, float("nan"), 3.0])
    after = TracedTable((before,)).map(
        lambda rows: rows.with_columns(pl.col("text").str.replace("둘", "2").fill_null(""))
    )
    found = compared(before, after)
    assert found.facts()["changed"] == 2
    first, *_others = found.shown()["rows"]
    assert first["cells"][0]["after"] == [("하나 ", False), ("2", True), (" 셋", False)]
    missing = next(row for row in found.shown()["rows"] if row["row"] == 2)["cells"][0]
    assert (missing["before"], missing["after"]) == ([], [["", True]])


def test_rows_when_in_another_order_then_they_are_known_again() -> None:
    before = frame(n=[3, 1, 2])
    found = compared(before, TracedTable((before,)).reorder(lambda rows: rows["n"].cast(pl.Int64)))
    assert found.facts()["is_reordered"]
    assert (found.facts()["changed"], found.facts()["dropped"], found.facts()["added"]) == (0, 0, 0)


def test_rows_when_one_becomes_several_then_the_others_are_new() -> None:
    before = frame(n=[[1, 2], [3]])

    def explode(rows: pl.DataFrame) -> pl.DataFrame:
        counted = rows.with_columns(pl.int_ranges(pl.col("n").list.len()).alias("i"))
        return widened(counted.explode("n", "i"), "i")

    found = compared(before, TracedTable((before,)).widen(explode))
    assert states(found) == [(0, "changed"), (0, "changed"), (1, "changed")]
    assert (found.facts()["rows_out"], found.facts()["added"], found.facts()["dropped"]) == (3, 1, 0)


def test_rows_when_numbered_anew_to_be_widened_then_they_are_known_again() -> None:
    before = frame(n=[1, 2, 3]).with_columns(pl.col(ROW) + MOST_WIDENED)
    after = TracedTable((before,)).widen(lambda rows: widened(rows.with_columns(pl.lit(1).alias("i")), "i"))
    found = compared(before, after)
    assert {name: count for name, count in found.facts().items() if count} == {"rows_in": 3, "rows_out": 3}


def test_columns_when_made_dropped_or_of_another_type_then_they_are_told() -> None:
    before = frame(a=["1"], b=["x"], c=["y"])
    after = before.drop("b").with_columns(pl.col("a").cast(pl.Int64), pl.lit(True).alias("d"))
    told = {one["name"]: one["state"] for one in Comparison.of(before, after, []).columns}
    assert told == {"a": "changed", "b": "gone", "c": "same", "d": "new"}


def test_text_when_only_its_code_points_changed_then_that_is_said() -> None:
    before = frame(text=["한글"])
    after = before.with_columns(pl.col("text").str.normalize("NFD"))
    (row,) = Comparison.of(before, after, []).shown()["rows"]
    assert row["cells"][0]["note"]


def test_text_when_long_then_it_is_cut_to_where_it_differs() -> None:
    before = frame(text=["가 " * 50_000 + "끝"])
    after = before.with_columns(pl.col("text").str.replace("끝", "처음"))
    (row,) = Comparison.of(before, after, []).shown()["rows"]
    said = "".join(text for text, _marked in row["cells"][0]["after"])
    assert "처음" in said
    assert len(said) < 700


def test_rows_when_very_wide_then_only_some_columns_are_shown() -> None:
    before = pl.DataFrame({f"c{n}": [n] for n in range(3000)}).with_columns(pl.lit(0, pl.Int64).alias(ROW))
    shown = Comparison.of(before, before.with_columns(pl.col("c7") + 1), []).shown()
    assert [one["name"] for one in shown["columns"]] == ["c0", "c1", "c2", "c7"]
    assert shown["hidden_columns"] == 2996
