"""Which column is which: guessed by name, refused by field."""

from __future__ import annotations

import pytest

from common.errors import Invalid
from inference.evaluating.plan import Outputs, guess_plan, outputs_of
from registry.signature import parse_signature
from tests.inference.evaluating.making import NUMBERS, SIGNATURE

TEXTS = parse_signature(SIGNATURE)
TYPES = {"id": "integer", "text": "text", "label": "text", "channel": "text", "tags": "list[text]"}


def signature(*outputs, inputs=(("x", "FP32", [-1, 4]),)):
    names = ("name", "datatype", "shape")
    told = {"inputs": inputs, "outputs": outputs}
    return parse_signature({key: [dict(zip(names, one, strict=True)) for one in told[key]] for key in told})


@pytest.mark.parametrize(
    ("outputs", "labels", "wanted"),
    [
        ([("label", "BYTES", [-1]), ("score", "FP32", [-1])], 2, Outputs("classification", "label", "score")),
        ([("note", "BYTES", [-1]), ("label", "BYTES", [-1])], 0, Outputs("classification", "label")),
        ([("scores", "FP32", [-1, 3])], 3, Outputs("classification", scores="scores")),
        ([("y", "FP32", [-1, 3])], 0, Outputs("classification", scores="y")),
        ([("class", "INT64", [-1])], 0, Outputs("classification", "class")),
        ([("y", "FP32", [-1])], 0, Outputs("regression", "y")),
        ([("y", "FP64", [-1, 1])], 0, Outputs("regression", "y")),
        ([("label", "BYTES", [-1]), ("scores", "FP32", [-1, 4])], 3, Outputs("classification", "label")),
    ],
)
def test_outputs_when_of_a_kind_then_that_is_judged(outputs, labels, wanted):
    assert outputs_of(signature(*outputs), labels) == wanted


@pytest.mark.parametrize("output", [("v", "FP32", [-1, -1]), ("t", "BYTES", [-1, 2]), ("y", "FP32", [-1, 2, 2])])
def test_outputs_when_nothing_can_be_judged_then_refused(output):
    with pytest.raises(Invalid) as caught:
        outputs_of(signature(output), 0)
    assert "version" in caught.value.fields


def test_plan_when_names_say_it_then_guessed():
    plan = guess_plan(TEXTS, "classification", TYPES, {})
    assert (dict(plan.inputs), plan.label) == ({"text": "text"}, "label")
    own = guess_plan(TEXTS, "classification", {"sentence": "text", "y": "integer"}, {})
    assert (dict(own.inputs), own.label) == ({"text": "sentence"}, "y")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"label": "nothing"}, "label"),
        ({"label": "text"}, "label"),
        ({"label": "tags"}, "label"),
        ({"inputs": {"text": "nothing"}}, "inputs"),
        ({"slices": ["tags"]}, "slices"),
        ({"slices": ["nothing"]}, "slices"),
        ({"slices": ["channel", "channel"]}, "slices"),
    ],
)
def test_plan_when_a_column_does_not_fit_then_its_field_is_named(given, field):
    with pytest.raises(Invalid) as caught:
        guess_plan(TEXTS, "classification", TYPES, {"inputs": {"text": "text"}, **given})
    assert list(caught.value.fields) == [field]


def test_plan_when_nothing_fits_then_told_what_is_missing():
    with pytest.raises(Invalid) as caught:
        guess_plan(TEXTS, "classification", {"a": "text", "b": "text"}, {})
    assert list(caught.value.fields) == ["inputs"]
    with pytest.raises(Invalid) as caught:
        guess_plan(parse_signature(NUMBERS), "regression", {"x": "number"}, {})
    assert list(caught.value.fields) == ["label"]
