"""Steps read and checked: what is wrong is said by its place."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from common.errors import Invalid
from datasets.planning import chain, check, columns_of, parse_steps, schema_of, type_name

COLUMNS = [{"name": "text", "type": "text"}, {"name": "n", "type": "integer"}]


def refused(steps: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        check(parse_steps(steps), schema_of(COLUMNS))
    return caught.value.fields


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ("white_space", "steps"),
        ({"kind": "white_space"}, "steps"),
        ([{"kind": "white_space"}] * 101, "steps"),
        ([7], "steps.0"),
        ([{"kind": "no_such"}], "steps.0.kind"),
        ([{"kind": ["white_space"]}], "steps.0.kind"),
        ([{}], "steps.0.kind"),
        ([{"kind": "white_space"}, {"kind": "white_space", "more": 1}], "steps.1.more"),
        ([{"kind": "white_space", "params": []}], "steps.0.params"),
        ([{"kind": "white_space", "params": {"no": 1}}], "steps.0.no"),
        ([{"kind": "white_space", "is_enabled": "yes"}], "steps.0.is_enabled"),
        ([{"kind": "white_space", "note": "x" * 1001}], "steps.0.note"),
        ([{"kind": "drop", "params": {}}], "steps.0.columns"),
        ([{"kind": "white_space", "params": {"columns": ["nope"]}}], "steps.0.columns"),
        ([{"kind": "filter_length", "params": {"column": "text", "least": 10**400}}], "steps.0.least"),
        ([{"kind": "filter_length", "params": {"column": "text", "least": True}}], "steps.0.least"),
    ],
)
def test_steps_when_wrong_then_the_place_is_named(steps: Any, field: str) -> None:
    assert list(refused(steps)) == [field]


def test_steps_when_several_are_wrong_then_all_are_told() -> None:
    fields = refused([{"kind": "drop"}, {"kind": "white_space"}, {"kind": "rename", "params": {"names": 3}}])
    assert list(fields) == ["steps.0.columns", "steps.2.names"]


def test_column_when_renamed_before_then_a_later_step_that_names_it_is_told() -> None:
    steps = [
        {"kind": "rename", "params": {"names": {"text": "질문"}}},
        {"kind": "drop", "params": {"columns": ["text"]}},
    ]
    with pytest.raises(Invalid) as caught:
        check(parse_steps(steps), schema_of(COLUMNS))
    assert caught.value.code == "unknown_column"
    assert "2" in caught.value.message
    assert "질문" in caught.value.fields["steps.1.columns"]


def test_step_when_switched_off_then_it_changes_no_columns() -> None:
    steps = [{"kind": "drop", "params": {"columns": ["text"]}, "is_enabled": False}]
    assert columns_of(check(parse_steps(steps), schema_of(COLUMNS))[-1]) == COLUMNS


def test_column_when_it_gets_one_of_our_names_then_it_is_refused() -> None:
    (field,) = refused([{"kind": "rename", "params": {"names": {"text": "__row"}}}])
    assert field.startswith("steps.0")


def test_chain_when_a_step_cannot_work_then_the_columns_before_it_are_given() -> None:
    steps = [{"kind": "rename", "params": {"names": {"text": "a"}}}, {"kind": "drop", "params": {"columns": ["text"]}}]
    schemas, error = chain(parse_steps(steps), schema_of(COLUMNS))
    assert [list(one) for one in schemas] == [["text", "n"], ["a", "n"]]
    assert error is not None


def test_types_when_named_and_read_back_are_the_same() -> None:
    names = ["text", "integer", "number", "truth", "date", "datetime", "duration", "list[text]", "list[integer]"]
    columns = [{"name": str(n), "type": name} for n, name in enumerate(names)]
    assert columns_of(schema_of(columns)) == columns
    assert type_name(pl.UInt64()) == "integer"
    for kind in (pl.Struct({"a": pl.String}), pl.Binary(), pl.List(pl.List(pl.String)), pl.Null()):
        with pytest.raises(Invalid):
            type_name(kind)
