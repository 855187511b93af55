"""Steps tried on a few rows, in a process of its own: bounded, walled in, and told step by step."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from django.utils.translation import override

from common.errors import Invalid
from datasets.models import DatasetVersion
from datasets.previewing import helper, sample
from datasets.previewing.asking import preview
from tests.datasets.making import make_version
from tests.datasets.recipes.making import ONCE, ROWS, TRIM

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    helper.end()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    sample._sample.cache_clear()


def tried(version: DatasetVersion, *steps: Any, selected: int = -1) -> dict[str, Any]:
    return preview(version=version, steps=list(steps), person=None, selected=selected)


def test_preview_when_steps_work_then_each_tells_rows_and_the_selected_shows_them() -> None:
    seen = tried(make_version(ROWS), TRIM, ONCE, selected=0)
    assert seen["errors"] == {}
    assert [(one["state"], one["rows_in"], one["rows_out"]) for one in seen["steps"]] == [
        ("done", 4, 4),
        ("done", 4, 3),
    ]
    assert seen["steps"][0]["changed"] == 1
    assert seen["steps"][0]["shown"]["rows"][0]["cells"][0]["after"] == [["안녕", False]]
    assert "shown" not in seen["steps"][1]
    assert [[one["name"] for one in schema] for schema in seen["schemas"]] == [["text", "n"]] * 3


def test_preview_when_a_step_is_half_done_then_those_before_it_work() -> None:
    drop = {"kind": "drop", "params": {}}
    with override("ko"):
        seen = tried(make_version(ROWS), TRIM, drop, ONCE)
    assert [one["state"] for one in seen["steps"]] == ["done", "waiting", "waiting"]
    assert list(seen["errors"]) == ["steps.1.columns"]
    assert len(seen["schemas"]) == 2


def test_preview_when_a_step_is_off_then_rows_pass_it_by() -> None:
    seen = tried(make_version(ROWS), {**ONCE, "is_enabled": False}, TRIM)
    assert [one["state"] for one in seen["steps"]] == ["off", "done"]


def test_preview_when_columns_are_renamed_then_the_next_form_knows() -> None:
    rename = {"kind": "rename", "params": {"names": {"text": "질문"}}}
    gone = {"kind": "white_space", "params": {"columns": ["text"]}}
    seen = tried(make_version(ROWS), rename, gone)
    assert [one["name"] for one in seen["schemas"][1]] == ["질문", "n"]
    assert "질문" in seen["errors"]["steps.1.columns"]


def test_preview_when_its_process_was_killed_then_another_answers() -> None:
    version = make_version(ROWS)
    tried(version, TRIM)
    assert helper._helper is not None
    os.kill(helper._helper._process.pid, signal.SIGKILL)
    assert tried(version, TRIM)["steps"][0]["state"] == "done"


def test_preview_when_it_takes_too_long_then_the_step_says_so_and_the_next_question_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(pl.DataFrame({"text": ["가나다라마바사" * 200_000] * 4}))
    tried(version, TRIM)
    monkeypatch.setattr(helper, "DEADLINE_S", 0.05)
    slow = [{"kind": "near_duplicates", "params": {"column": "text"}}] * 3
    seen = tried(version, *slow)
    assert "failed" in [one["state"] for one in seen["steps"]]
    monkeypatch.undo()
    assert tried(make_version(ROWS, "klein"), TRIM)["steps"][0]["state"] == "done"


def test_preview_when_a_pattern_is_hostile_then_it_is_refused_or_quick() -> None:
    version = make_version(pl.DataFrame({"text": ["a" * 50_000 + "!"]}))
    for pattern in ("(a+)+$", "(?=a)a", "(a{1,1000}){1,1000}", "\\1(a)", "[", "(" * 500 + ")" * 500):
        seen = tried(version, {"kind": "replace_pattern", "params": {"pattern": pattern}})
        assert seen["errors"] or seen["steps"][0]["state"] in ("done", "failed"), pattern


@dataclass(frozen=True)
class Shape:
    """A version and what is looked at of it."""

    rows: int
    part_rows: int
    looked_at: int


@pytest.mark.parametrize("shape", [Shape(0, 0, 0), Shape(1, 1, 1), Shape(200, 7, 200), Shape(5000, 333, 200)])
def test_sample_when_taken_then_first_rows_and_some_from_elsewhere_the_same_each_time(shape: Shape) -> None:
    frame = pl.DataFrame({"n": range(shape.rows)}, schema={"n": pl.Int64})
    version = make_version(frame, part_rows=shape.part_rows)
    one = pl.read_ipc(sample.sample_of(version, ["n"]))
    sample._sample.cache_clear()
    assert one.equals(pl.read_ipc(sample.sample_of(version, ["n"])))
    assert len(one) == shape.looked_at
    assert one["n"].to_list() == one["__row"].to_list()
    assert one["n"].to_list()[:100] == list(range(min(100, shape.rows)))
    assert shape.rows < 5000 or one["n"].max() > 200


def test_sample_when_cells_are_huge_then_it_stays_small() -> None:
    version = make_version(pl.DataFrame({"text": ["가" * 100_000] * 150}))
    assert len(sample.sample_of(version, ["text"])) < 2 * sample.MOST_BYTES


def test_preview_when_there_are_very_many_columns_then_the_first_and_those_named_are_looked_at() -> None:
    version = make_version(pl.DataFrame({f"c{n}": ["x "] for n in range(600)}))
    seen = tried(version, {"kind": "white_space", "params": {"columns": ["c555"]}}, selected=0)
    assert seen["steps"][0]["changed"] == 1
    assert seen["hidden_columns"] == 399


@pytest.mark.parametrize("steps", ["x", {"kind": "a"}, [TRIM] * 101])
def test_preview_when_asked_with_no_list_of_steps_then_refused(steps: Any) -> None:
    with pytest.raises(Invalid):
        preview(version=make_version(ROWS), steps=steps, person=None)


def test_preview_when_steps_are_odd_values_then_each_is_told_by_its_place() -> None:
    seen = tried(make_version(ROWS), 3, None, {"kind": 1}, {"kind": "white_space", "params": 3}, {})
    assert {field.split(".")[1] for field in seen["errors"]} == set("01234")
