"""Filters and orders, read."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from registry.mlflow.filters import MODELS, VERSIONS, Condition, parse_filter, parse_order


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("  ", []),
        ("name = 'a'", [Condition("name", "=", "a")]),
        ('name="a"', [Condition("name", "=", "a")]),
        ("attribute.name != 'a'", [Condition("name", "!=", "a")]),
        ("name like 'a%'", [Condition("name", "LIKE", "a%")]),
        ("name ILike '%B'", [Condition("name", "ILIKE", "%B")]),
        ("name IN ('a', \"b\",)", [Condition("name", "IN", ("a", "b"))]),
        ("run_id not  in('a')", [Condition("run_id", "NOT IN", ("a",))]),
        ("version_number >= 3", [Condition("version_number", ">=", 3)]),
        ("version_number<-3", [Condition("version_number", "<", -3)]),
        ("source_path = 's3://a b'", [Condition("source_path", "=", "s3://a b")]),
        ("tags.k = ''", [Condition("k", "=", "", is_tag=True)]),
        ("tag.a.b-c/d = 'x'", [Condition("a.b-c/d", "=", "x", is_tag=True)]),
        ("tag.`mlflow.prompt.is_prompt` != 'true'", [Condition("mlflow.prompt.is_prompt", "!=", "true", is_tag=True)]),
        ("tags.`a 'quoted' = key` = 'x'", [Condition("a 'quoted' = key", "=", "x", is_tag=True)]),
        ("tags.\"a key\" = 'x'", [Condition("a key", "=", "x", is_tag=True)]),
        ("name = 'it''s'", [Condition("name", "=", "it's")]),
        ("name = 'a AND b' and name != '='", [Condition("name", "=", "a AND b"), Condition("name", "!=", "=")]),
        ("name = '가'", [Condition("name", "=", "가")]),
    ],
)
def test_filter_when_good_then_its_conditions(text: str, wanted: list[Condition]) -> None:
    assert parse_filter(text, VERSIONS) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name", "Invalid clause(s) in filter string: name"),
        ("name =", "Expected a quoted string value for attribute 'name'"),
        ("name = a", "Expected a quoted string value for attribute 'name' (e.g. 'my-value'). Got value a"),
        ("name = 5", "Expected a quoted string value"),
        ("tags.k = 5", "Expected a quoted string value for tag 'k'"),
        ("name = 'a' OR name = 'b'", "Invalid clause(s) in filter string: OR"),
        ("name = 'a' name = 'b'", "Invalid clause(s)"),
        ("name = 'a' AND", "Invalid clause(s) in filter string: a condition is missing"),
        ("AND name = 'a'", "Invalid attribute key 'AND' specified"),
        ("'a' = name", "Invalid clause(s)"),
        ("name = 'a", "Invalid clause(s) in filter string: 'a"),
        ("(name = 'a')", "Invalid clause(s)"),
        ("name = 'a';", "Invalid clause(s)"),
        ("name < 'a'", "Invalid comparator '<' for attribute 'name', expected one of !=, =, LIKE, ILIKE, IN, NOT IN"),
        ("name == 'a'", "Expected a quoted string"),
        ("name <> 'a'", "Invalid comparator '<'"),
        ("tags.k IN ('a')", "Invalid comparator 'IN' for tag"),
        ("version_number LIKE '1'", "Invalid comparator 'LIKE' for attribute 'version_number'"),
        ("version_number = '1'", "Expected an integer value for attribute 'version_number'. Got value '1'"),
        ("version_number = 1.5", "Expected an integer value"),
        ("version_number = 9999999999999999999", "Expected an integer value"),
        ("run_id IN ()", "Expected a non-empty list of quoted strings"),
        ("run_id IN 'a'", "Expected a non-empty list"),
        ("run_id IN ('a' 'b')", "Expected a non-empty list"),
        ("run_id IN (1)", "Expected a non-empty list"),
        ("status = 'READY'", "Invalid attribute key 'status' specified. Valid keys are name, run_id"),
        ("params.x = 'a'", "Invalid entity type 'params'. Valid entity types are attribute, tag, tags"),
        ("tags. = 'a'", "Invalid clause(s)"),
        ("name = 'a' AND AND name = 'b'", "Invalid"),
    ],
)
def test_filter_when_bad_then_refused_with_what_it_stumbles_over(text: str, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_filter(text, VERSIONS)
    assert told in refused.value.message


def test_filter_when_it_asks_models_for_a_version_then_refused() -> None:
    with pytest.raises(Invalid, match="Invalid attribute key 'version_number'"):
        parse_filter("version_number = 1", MODELS)


@pytest.mark.parametrize(
    "text",
    [
        " AND ".join(["name = 'a'"] * 10_000),
        " AND ".join(["name = 'a'"] * 101),
        "name = '" + "''" * 9000 + "'",
        "name = " + "'" * 19_999,
        "tags." + "`" * 19_000 + " = 'a'",
        "name IN (" + "'a'," * 1500 + "'a')",
        "name = '" + "%a" * 4000 + "'",
        "(" * 19_000,
        "name" + " " * 19_000 + "x",
        "tags." + '"`' * 9000,
        "name = 'a' " * 1500,
        "=" * 19_000,
        "\u202e" * 9000,
    ],
    ids=lambda text: f"{len(text)} {text[:12]!r}",
)
def test_filter_when_hostile_then_refused_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(Invalid):
        parse_filter(text, MODELS)
    assert time.process_time() - begun < 0.5


@given(st.text(alphabet=st.sampled_from("name tagsk.=!<>'\"`(),%LIKEANDORIN15 "), max_size=60))
def test_filter_when_anything_then_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert isinstance(parse_filter(text, VERSIONS), list)


@pytest.mark.parametrize(
    ("clauses", "wanted"),
    [
        ([], []),
        (["name"], [("name", False)]),
        (["name ASC", " version_number  desc "], [("name", False), ("version_number", True)]),
        (["attribute.creation_timestamp DESC"], [("creation_timestamp", True)]),
        (["`last_updated_timestamp` asc"], [("last_updated_timestamp", False)]),
    ],
)
def test_order_when_good_then_its_columns(clauses: list[str], wanted: list[tuple[str, bool]]) -> None:
    assert parse_order(clauses, VERSIONS) == wanted


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        ("", "Invalid order_by clause ''"),
        ("name UP", "Invalid order_by clause 'name UP'. Could not be parsed."),
        ("name ASC DESC", "Invalid order_by clause"),
        ("run_id", "Invalid order_by key 'run_id' specified. Valid keys are name, version_number"),
        ("tags.k", "Invalid order_by key 'k'"),
        ("params.k", "Invalid entity type 'params'"),
        ("name; DROP TABLE x", "Invalid order_by"),
        ("x" * 100_000, "Invalid order_by"),
    ],
)
def test_order_when_bad_then_refused(clause: str, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_order([clause], VERSIONS)
    assert told in refused.value.message


def test_order_when_a_key_comes_twice_then_refused() -> None:
    with pytest.raises(Invalid, match="contains duplicate fields: name"):
        parse_order(["name", "name DESC"], MODELS)
