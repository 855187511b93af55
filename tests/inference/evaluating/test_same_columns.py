"""Versions that are compared take inputs of the same names from the same columns."""

from __future__ import annotations

import polars as pl
import pytest

from inference.evaluating.services import start_evaluations
from inference.models import Deployment, Route
from registry.models import Evaluation
from tests.datasets.making import make_owner
from tests.datasets.making import make_version as make_data
from tests.inference.evaluating.making import evaluate, make_model_version

pytestmark = pytest.mark.django_db
TEXT, EASY = {"text": "text"}, {"text": "easy"}


def make_pair():
    """Give a live version, a newer one and rows with two columns of text."""
    live, new = make_model_version(), make_model_version()
    Route.objects.create(deployment=Deployment.objects.create(name="intent"), version=live, kind="live", weight=100)
    right = ["인사", "주문", "작별"] * 10
    words = [f"문장 {number}" for number in range(30)]
    frame = pl.DataFrame({"text": words, "easy": right, "label": right, "channel": ["앱"] * 30})
    return live, new, make_data(frame, "문장"), right


def columns_of(made):
    return [(one.version, one.options["inputs"]) for one in made]


def test_baseline_when_columns_are_chosen_then_the_same_are_its_own():
    live, new, data, _right = make_pair()
    made = start_evaluations(versions=[new], data=data, actor=make_owner(), given={"inputs": EASY})
    assert columns_of(made) == [(live, EASY), (new, EASY)]
    other = make_model_version("other")
    made = start_evaluations(versions=[new, other], data=data, actor=make_owner(), baseline=other)
    assert columns_of(made) == [(other, EASY), (new, EASY)]  # as last time for the first


def test_baseline_when_evaluated_already_then_used_again_only_over_the_same_columns():
    live, new, data, right = make_pair()
    evaluate(live, data, right, 0.9)
    made = start_evaluations(versions=[new], data=data, actor=make_owner(), given={"inputs": EASY})
    assert columns_of(made) == [(live, EASY), (new, EASY)]
    made = start_evaluations(versions=[new], data=data, actor=make_owner(), given={"inputs": TEXT})
    assert columns_of(made) == [(new, TEXT)]
    assert Evaluation.objects.filter(version=live).count() == 2
