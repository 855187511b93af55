"""Recipes as YAML: what is written is read again, and nothing but a recipe is."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Invalid, TooLarge
from datasets.recipe_yaml import from_yaml, to_yaml

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.none(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False)
)
PARAMS = st.dictionaries(
    TEXTS, st.one_of(VALUES, st.lists(VALUES, max_size=3), st.dictionaries(TEXTS, TEXTS, max_size=3))
)
ODD = [
    "yes",
    "no",
    "on",
    "~",
    "null",
    "1",
    "1.0",
    "0x10",
    "1e5",
    "12:30:45",
    "2024-01-01",
    "<<",
    "=",
    "- a",
    "#",
    "한글",
    " ",
]


@settings(max_examples=150, deadline=None)
@given(name=TEXTS.filter(bool), params=PARAMS, note=TEXTS)
def test_recipe_when_written_then_it_is_read_as_it_was(name: str, params: object, note: str) -> None:
    steps = [{"kind": "white_space", "params": params, "is_enabled": False, "note": note}]
    read = from_yaml(to_yaml(name, note, steps))
    assert (read.name, read.description) == (name, note)
    assert {"params": {}, "note": "", **read.steps[0]} == steps[0]


@pytest.mark.parametrize("text", ODD)
def test_text_when_it_looks_like_something_else_then_it_stays_a_text(text: str) -> None:
    steps = [{"kind": "replace_texts", "params": {"texts": {text: text}}}]
    assert from_yaml(to_yaml("a", "", steps)).steps == steps


def test_words_when_written_by_hand_then_only_json_has_special_ones() -> None:
    said = from_yaml("name: no\nsteps: [{kind: yes, at: 2024-01-01, on: 010, off: true, n: -1.5, x: null}]")
    assert said.name == "no"
    assert said.steps == [{"kind": "yes", "at": "2024-01-01", "on": "010", "off": True, "n": -1.5, "x": None}]


def test_steps_when_written_then_each_is_told_by_its_label_and_knows_its_line() -> None:
    text = to_yaml("정리", "", [{"kind": "white_space", "params": {}}, {"kind": "no_such", "params": {"a": 1}}])
    assert "# no_such" in text
    read = from_yaml(text)
    told = read.told(Invalid("odd", fields={"steps.1.kind": "odd"}))
    assert str(text.splitlines().index("- kind: no_such") + 1) in told.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "steps: []",
        "name: a",
        "name: [a]\nsteps: []",
        "name: a\nsteps: {}",
        "name: a\nsteps: []\nmore: 1",
        "name: a\nname: b\nsteps: []",
        "name: a\nsteps: &x []\nmore: *x",
        "name: !!python/object/apply:os.system [ls]\nsteps: []",
        "name: !!binary aGk=\nsteps: []",
        "name: a\nsteps: []\n---\nname: b",
        "name: a\nsteps: [[[[[[[[[[]]]]]]]]]]",
        "? [a]\n: b",
        "name: [",
        "name: \x01",
        'name: "\\ud800"\nsteps: []',
        "name: \ud800\nsteps: []",
        "\t- a",
    ],
)
def test_text_when_it_is_no_recipe_then_it_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        from_yaml(text)


def test_text_when_broken_then_line_and_column_are_told() -> None:
    with pytest.raises(Invalid, match=r"Line 3, column \d+"):
        from_yaml("name: a\nsteps:\n  - {kind: [}\n")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "name: a\nsteps: [" + "1," * 120_000 + "1]",
        "name: a\nsteps: [{" + ",".join(f"k{n}: 1" for n in range(20_000)) + "}]",
        "{" + "? " * 100_000,
        "a: " + "'" + "'" * 200_000,
        "name: " + "- " * 100_000,
    ],
)
def test_text_when_made_to_be_slow_then_it_is_not(text: str) -> None:
    begun = time.process_time()
    with suppress(Invalid):
        from_yaml(text)
    assert time.process_time() - begun < 5


def test_text_when_larger_than_any_recipe_then_it_is_not_looked_at() -> None:
    with pytest.raises(TooLarge):
        from_yaml("name: " + "가" * 100_000)
