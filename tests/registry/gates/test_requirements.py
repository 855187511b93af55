"""Rules of a gate: read from plain data, and refused by field."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Invalid
from registry.measures.catalogue import COMPARED_METRICS, METRICS
from registry.requirements import parse_requirements, read_requirements

DATASET = "0190a000-0000-7000-8000-000000000001"
GOOD = {"kind": "metric", "dataset": DATASET, "metric": "accuracy", "at_least": 0.9}


@pytest.mark.parametrize(
    "one",
    [
        GOOD,
        {**GOOD, "version": 3, "split": "test", "label": "정답", "at_most": 1},
        {"kind": "live", "dataset": DATASET, "metric": "mae", "most_worse": 0.5, "is_significant": True},
        {"kind": "slices", "dataset": DATASET, "metric": "accuracy", "column": "채널", "at_least": 0.8, "rows": 30},
    ],
)
def test_requirement_when_read_and_written_then_the_same(one):
    (parsed,) = parse_requirements([one])
    assert parse_requirements([parsed.as_dict()]) == [parsed]
    assert one.items() <= parsed.as_dict().items()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "other"}, "kind"),
        ({"kind": None}, "kind"),
        ({"metric": "beauty"}, "metric"),
        ({"metric": ["accuracy"]}, "metric"),
        ({"dataset": "sentences"}, "dataset"),
        ({"at_least": None}, "at_least"),
        ({"at_least": "0.9"}, "at_least"),
        ({"at_least": True}, "at_least"),
        ({"at_least": float("nan")}, "at_least"),
        ({"at_least": 0.9, "at_most": 0.5}, "at_most"),
        ({"version": 0}, "version"),
        ({"version": 1.5}, "version"),
        ({"version": True}, "version"),
        ({"split": "x" * 60}, "split"),
        ({"split": "a\0b"}, "split"),
        ({"label": ["정답"]}, "label"),
        ({"most_worse": 0.1}, "most_worse"),
        ({"kind": "live", "at_least": 0.9}, "at_least"),
        ({"kind": "slices"}, "column"),
        ({"kind": "slices", "column": "c", "metric": "f1_macro"}, "metric"),
    ],
)
def test_requirement_when_wrong_in_one_field_then_that_is_named(change, field):
    with pytest.raises(Invalid) as caught:
        parse_requirements([GOOD, {**GOOD, **change}])
    assert list(caught.value.fields) == [f"requirements[1].{field}"]


@pytest.mark.parametrize("value", ["text", {"a": 1}, None, 3, [3], [GOOD] * 51, [GOOD, GOOD]])
def test_requirements_when_no_list_of_rules_then_refused(value):
    with pytest.raises(Invalid):
        parse_requirements(value)


@pytest.mark.parametrize("metric", METRICS)
def test_requirement_when_surely_of_a_number_without_interval_then_refused_and_read_where_it_stands(metric):
    one = {"kind": "live", "dataset": DATASET, "metric": metric, "is_significant": True}
    (read,) = read_requirements([one])
    assert read.is_significant
    assert parse_requirements([{**one, "is_significant": False}])
    if metric in COMPARED_METRICS:
        assert parse_requirements([one]) == [read]
        return
    with pytest.raises(Invalid) as caught:
        parse_requirements([one])
    assert list(caught.value.fields) == ["requirements[0].is_significant"]


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, json)) | json, max_size=3))
def test_requirements_when_anything_then_read_or_invalid(value):
    with suppress(Invalid):
        parse_requirements(value)
