"""Figures stand beside each other only where the rows, and what is right there, are the same."""

from __future__ import annotations

from uuid import UUID

import pytest

from inference.models import Deployment, Route
from registry.comparison import compare
from registry.models import Evaluation
from registry.services.evidence import gather
from registry.services.gates import failures, set_policy
from registry.services.promotion import Wish
from tests.inference.evaluating.making import evaluate, make_model_version, make_rows

pytestmark = pytest.mark.django_db


def put_live(version):
    deployment = Deployment.objects.create(name=version.model.name)
    Route.objects.create(deployment=deployment, version=version, kind="live", weight=100)


def pairs(live, new):
    """Give the evaluations that stand beside each other."""
    return [(UUID(one["a"]), UUID(one["b"])) for one in compare(live, new)["evaluations"]]


def figure_before(new):
    """Give the accuracy that the evidence names for the version before."""
    (over,) = gather(Wish(new, deployment="intent"))["evaluations"]
    return {row["name"]: row["before"] for row in over["figures"]}["accuracy"]


def test_evidence_when_splits_differ_then_each_beside_its_own():
    live, new = make_model_version(), make_model_version()
    put_live(live)
    data, right = make_rows(60)
    evaluate(new, data, right, 0.9)
    evaluate(new, data, right, 0.5, split="test")
    evaluate(live, data, right, 0.8)
    found = {one["data"]: one for one in gather(Wish(new, deployment="intent"))["evaluations"]}
    assert sorted(found) == [str(data), f"{data} (test)"]
    figures = {name: {row["name"]: row for row in one["figures"]} for name, one in found.items()}
    assert figures[str(data)]["accuracy"]["before"] is not None
    assert figures[f"{data} (test)"]["accuracy"]["before"] is None  # the live version has no answer to these


def test_comparison_when_the_right_answers_are_of_other_columns_then_none():
    live, new = make_model_version(), make_model_version()
    put_live(live)
    data, right = make_rows(60)
    evaluate(live, data, right, 0.9)
    own = evaluate(new, data, right, 0.95)
    set_policy(
        model=new.model,
        requirements=[{"kind": "live", "dataset": str(data.dataset_id), "metric": "accuracy", "most_worse": 0.2}],
        actor=None,
    )
    assert failures(version=new) == []
    assert len(compare(live, new)["evaluations"]) == 1
    Evaluation.objects.filter(pk=own.pk).update(options={**own.options, "label": "what_the_model_said"})
    assert [one.code for one in failures(version=new)] == ["live_not_evaluated"]
    assert compare(live, new)["evaluations"] == []


def test_gate_when_the_inputs_are_of_other_columns_then_nothing_is_compared():
    live, new = make_model_version(), make_model_version()
    put_live(live)
    data, right = make_rows(60)
    before = evaluate(live, data, right, 0.8)
    own = evaluate(new, data, right, 0.95)
    rule = {"kind": "live", "dataset": str(data.dataset_id), "metric": "accuracy"}
    set_policy(model=new.model, requirements=[rule], actor=None)
    assert failures(version=new) == []
    assert pairs(live, new) == [(before.pk, own.pk)]
    Evaluation.objects.filter(pk=own.pk).update(options={**own.options, "inputs": {"text": "easier"}})
    assert [one.code for one in failures(version=new)] == ["live_not_evaluated"]
    assert pairs(live, new) == []
    assert figure_before(new) is None
    same = evaluate(live, data, right, 0.7)
    Evaluation.objects.filter(pk=same.pk).update(options={**same.options, "inputs": {"text": "easier"}})
    evaluate(live, data, right, 0.6)  # newer, but over the other column
    assert pairs(live, new) == [(same.pk, own.pk)]
    assert figure_before(new) == same.metrics["accuracy"]
    Evaluation.objects.filter(version=live).exclude(pk=before.pk).delete()
    Evaluation.objects.filter(pk=before.pk).update(options={**before.options, "inputs": {"question": "text"}})
    assert pairs(live, new) == [(before.pk, own.pk)]
    assert figure_before(new) == before.metrics["accuracy"]
    assert failures(version=new) == []  # inputs of other names have columns of their own


def test_gate_of_slices_when_not_all_that_count_are_told_then_refused():
    version = make_model_version()
    data, right = make_rows(60)
    found = evaluate(version, data, right, 0.99)
    rule = {"kind": "slices", "dataset": str(data.dataset_id), "metric": "accuracy", "column": "channel"}
    set_policy(model=version.model, requirements=[{**rule, "at_least": 0.1, "rows": 30}], actor=None)
    assert failures(version=version) == []
    told = [{"value": str(number), "rows": 230 - number, "accuracy": 0.9} for number in range(200)]
    for slices, cut, codes in (
        (told, [], ["cut_slices"]),
        ([*told[:-1], {**told[-1], "rows": 29}], [], []),
        (told[:5], ["channel"], ["cut_slices"]),
    ):
        report = {**found.report, "slices": {"channel": slices}, "cut_slices": cut}
        Evaluation.objects.filter(pk=found.pk).update(report=report)
        assert [one.code for one in failures(version=version)] == codes
