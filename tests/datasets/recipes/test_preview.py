"""Steps tried on a few rows, in a process of its own: bounded, walled in, and told step by step."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from django.utils.translation import override

from common.errors import Invalid
from datasets.models import DatasetVersion
from datasets.previewing import helper, sample
from datasets.previewing.asking import preview
from datasets.ready import READY, steps_for
from datasets.services.recipes import run_recipe
from tests.datasets.making import make_owner, make_version, rows_of
from tests.datasets.recipes.making import ONCE, ROWS, TRIM, make_recipe
from tests.datasets.running.making import work

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


def test_preview_when_a_step_takes_too_long_then_it_says_so_and_the_next_question_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(pl.DataFrame({"text": ["아버지가방에들어가신다"] * 50}))
    tried(version, TRIM)
    monkeypatch.setattr(helper, "DEADLINE_S", 0.4)  # less than its dictionary takes to load
    with suppress(Invalid):  # a machine so busy that not even the first step was reached
        seen = tried(version, TRIM, {"kind": "spacing", "params": {}}, TRIM)
        assert [one["state"] for one in seen["steps"]] == ["done", "failed", "waiting"]
    monkeypatch.setattr(helper, "DEADLINE_S", 120.0)
    assert tried(version, TRIM)["steps"][0]["state"] == "done"


def test_preview_when_a_step_needs_a_dictionary_then_it_finds_it_behind_the_walls() -> None:
    version = make_version(pl.DataFrame({"text": ["아버지가방에들어가신다", None, ""]}))
    seen = tried(version, *({"kind": kind, "params": {}} for kind in ("spacing", "particles", "stop_words")))
    assert {one["state"] for one in seen["steps"]} == {"done"}, seen["steps"]


def replacing(pattern: str) -> dict[str, Any]:
    return {"kind": "replace_pattern", "params": {"pattern": pattern}}


def test_preview_when_a_pattern_is_hostile_then_it_is_refused_or_quick() -> None:
    version = make_version(pl.DataFrame({"text": ["a" * 50_000 + "!"]}))
    seen = tried(version, replacing("(a+)+$"))
    assert (seen["errors"], seen["steps"][0]["state"]) == ({}, "done")
    for pattern in ("(?=a)a", "(a{1,1000}){1,1000}", "\\1(a)", "[", "(" * 500 + ")" * 500):
        seen = tried(version, replacing(pattern))
        assert (list(seen["errors"]), seen["steps"][0]["state"]) == (["steps.0.pattern"], "waiting"), pattern


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


def test_preview_when_steps_name_another_version_then_its_rows_are_there() -> None:
    other = make_version(pl.DataFrame({"text": ["잘 가"], "label": ["작별"]}), "라벨")
    join = {"kind": "join", "params": {"version": str(other.pk), "keys": ["text"]}}
    near = {"kind": "near_duplicates", "params": {"column": "text", "against": str(other.pk)}}
    seen = tried(make_version(ROWS), join, near, selected=0)
    assert seen["errors"] == {}
    assert [one["state"] for one in seen["steps"]] == ["done", "done"], seen["steps"]
    assert [one["name"] for one in seen["schemas"][1]] == ["text", "n", "label"]
    gone = {"kind": "join", "params": {"version": "0" * 36, "keys": ["text"]}}
    assert "steps.0.version" in tried(make_version(ROWS), gone)["errors"]


def test_preview_when_a_tokenizer_is_trained_then_the_next_step_may_use_it() -> None:
    train = {"kind": "train_tokenizer", "params": {"columns": ["text"], "size": 500, "least": 1}}
    count = {"kind": "tokenize", "params": {"column": "text", "tokenizer": "tokens"}}
    seen = tried(make_version(pl.DataFrame({"text": ["가나다 라마바", "사아자 차카"] * 20})), train, count, selected=1)
    assert [one["state"] for one in seen["steps"]] == ["done", "done"], seen


@pytest.mark.parametrize("key", READY)
def test_ready_recipe_when_tried_on_texts_then_every_step_works(key: str) -> None:
    version = make_version(
        pl.DataFrame({"n": [1, 2], "질문": ["안녕하세요, 제 번호는 010-1234-5678 입니다.", "<b>네</b>"]})
    )
    seen = tried(version, *steps_for(key, version.columns))
    assert seen["errors"] == {}
    assert {one["state"] for one in seen["steps"]} == {"done"}, seen["steps"]


def test_preview_when_a_step_asks_for_an_hour_then_it_is_that_which_the_run_writes() -> None:
    hour = {"kind": "derive", "params": {"name": "h", "expression": "hour(t)"}}
    day = {"kind": "fill_missing", "params": {"columns": ["t"], "value": "2026-02-01T08:00"}}
    moments = pl.Series([datetime(2026, 1, 31, tzinfo=UTC), None], dtype=pl.Datetime("us", "UTC"))
    version = make_version(pl.DataFrame({"t": moments}))
    shown = tried(version, day, hour, selected=1)["steps"][1]["shown"]["rows"]
    run = run_recipe(recipe_version=make_recipe(day, hour), version=version, actor=make_owner())
    assert [row["cells"][1]["after"][0][0] for row in shown] == ["9", "8"]
    assert rows_of(work(run))["h"].to_list() == [9, 8]
