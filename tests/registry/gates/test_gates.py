"""What a version lacks: each reason, from finished evaluations of the right data; gates as forms and by REST."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts.services import create_api_key
from audit.models import AuditEvent
from common.errors import Invalid
from inference.evaluating.services import run_missing
from inference.models import Deployment, Route
from registry.models import Evaluation, GatePolicy, ModelVersion
from registry.services.gates import failures, set_policy
from tests.admin.making import log_in
from tests.datasets.making import make_owner
from tests.inference.evaluating.making import (
    beside,
    evaluate,
    label_table,
    make_model_version,
    make_rows,
    scores_for,
)
from tests.inference.evaluating.making import finish as finish_plain

pytestmark = pytest.mark.django_db(transaction=True)


def rule(data, kind="metric", **more):
    usual = {"metric": {"at_least": 0.5}, "live": {}, "slices": {"column": "channel", "at_least": 0.5, "rows": 10}}
    return {"kind": kind, "dataset": str(data.dataset_id), "metric": "accuracy", **usual[kind], **more}


def ask(version, *rules):
    """Give what a version lacks where these rules stand."""
    set_policy(model=version.model, requirements=list(rules), actor=None)
    return failures(version=version)


def test_metric_when_missing_low_high_or_stale_then_its_reason():
    version = make_model_version()
    assert failures(version=version) == []
    data, right = make_rows()
    (missing,) = ask(version, rule(data))
    assert (missing.code, missing.data, missing.evaluation) == ("not_evaluated", data, None)
    found = evaluate(version, data, right, 0.8)
    assert ask(version, rule(data)) == []
    (low,) = ask(version, rule(data, at_least=0.95))
    assert (low.code, low.figure, low.wanted, low.evaluation) == ("limit", found.metrics["accuracy"], 0.95, found.pk)
    (high,) = ask(version, rule(data, metric="log_loss", at_least=None, at_most=0.01))
    assert (high.code, high.wanted) == ("limit", 0.01)
    (unknown,) = ask(version, rule(data, metric="mae", at_least=None, at_most=1))
    assert unknown.code == "no_figure"
    (elsewhere,) = ask(version, rule(data, split="test"))
    assert elsewhere.code == "not_evaluated"
    newer, _ = make_rows(30, seed=2)
    (stale,) = ask(version, rule(data))
    assert (stale.code, stale.data, stale.evaluation) == ("stale_data", newer, found.pk)
    assert "v1" in stale.words
    assert "v2" in stale.words
    assert ask(version, rule(data, version=1)) == []
    assert [one.code for one in ask(version, rule(data, version=9))] == ["no_data"]
    json.dumps([one.as_dict() for one in failures(version=version)])


def test_metric_when_a_column_of_right_answers_is_named_then_only_evaluations_by_it_count():
    version = make_model_version()
    data, right = make_rows()
    by_others = evaluate(version, data, right, 0.99)
    by_others.options["label"] = "guessed"
    by_others.save(update_fields=["options"])
    assert ask(version, rule(data)) == []
    (missing,) = ask(version, rule(data, label="label"))
    assert (missing.code, missing.data) == ("not_evaluated", data)
    assert "label" in missing.words
    evaluate(version, data, right, 0.9)
    by_others = evaluate(version, data, right, 0.1)
    by_others.options["label"] = "guessed"
    by_others.save(update_fields=["options"])
    assert failures(version=version) == []
    newer, _ = make_rows(30, seed=2)
    assert [(one.code, one.data) for one in failures(version=version)] == [("stale_data", newer)]
    assert [one.code for one in ask(version, rule(newer, label="channel"))] == ["not_evaluated"]
    (begun,) = run_missing(version=ModelVersion.objects.get(pk=version.pk), actor=make_owner())
    assert (begun.options["label"], begun.dataset_version) == ("channel", newer)


def test_metric_when_evaluated_again_then_the_newest_counts_and_an_unfinished_one_does_not():
    version = make_model_version()
    data, right = make_rows()
    evaluate(version, data, right, 0.95)
    evaluate(version, data, right, 0.3)
    assert [one.code for one in ask(version, rule(data))] == ["limit"]
    last = evaluate(version, data, right, 0.95)
    type(last).objects.filter(pk=last.pk).update(finished_at=None)
    assert [one.code for one in failures(version=version)] == ["limit"]
    other = make_model_version()
    assert [one.code for one in failures(version=other)] == ["not_evaluated"]


def test_live_when_worse_by_more_than_allowed_then_refused():
    live, new = make_model_version(), make_model_version()
    data, right = make_rows(400)
    own = evaluate(new, data, right, 0.80, seed=2)
    assert ask(new, rule(data, "live")) == []  # nothing is live yet
    deployment = Deployment.objects.create(name="intent")
    Route.objects.create(deployment=deployment, version=live)
    (missing,) = failures(version=new)
    assert (missing.code, missing.data) == ("live_not_evaluated", data)
    base = evaluate(live, data, right, 0.9)
    (worse,) = failures(version=new)
    assert worse.code == "worse_than_live"
    assert worse.figure == pytest.approx(own.metrics["accuracy"] - base.metrics["accuracy"])
    assert ask(new, rule(data, "live", most_worse=0.3)) == []
    assert ask(live, rule(data, "live")) == []
    surely = rule(data, "live", most_worse=0.3, is_significant=True)
    assert [one.code for one in ask(new, surely)] == ["not_compared"]
    beside(own, base)
    assert ask(new, surely) == []
    near = rule(data, "live", most_worse=abs(worse.figure) + 0.001)
    assert ask(new, near) == []
    assert [one.code for one in ask(new, {**near, "is_significant": True})] == ["worse_than_live"]


def test_live_when_surely_of_a_number_without_interval_then_no_figure_and_nothing_is_run():
    live, new = make_model_version(), make_model_version()
    Route.objects.create(deployment=Deployment.objects.create(name="intent"), version=live)
    data, right = make_rows()
    base, own = evaluate(live, data, right, 0.9), evaluate(new, data, right, 0.9)
    set_policy(model=new.model, requirements=[rule(data, "live", metric="roc_auc")], actor=None)
    stored = rule(data, "live", metric="roc_auc", is_significant=True)  # as policies could say once
    for one in (stored, rule(data, "live", metric="log_loss", is_significant=True)):
        GatePolicy.objects.update(requirements=[one])
        if one is not stored:
            assert [each.code for each in failures(version=new)] == ["not_compared"]
            beside(own, base)
            own.report["comparison"]["metrics"].pop("log_loss")  # a comparison that could not tell it
            own.save(update_fields=["report"])
        (reason,) = failures(version=new)
        assert (reason.code, reason.data, reason.evaluation) == ("no_figure", None, own.pk)
        assert run_missing(version=ModelVersion.objects.get(pk=new.pk), actor=make_owner()) == []


def test_live_when_compared_with_an_older_evaluation_of_it_then_that_counts():
    live, new = make_model_version(), make_model_version()
    Route.objects.create(deployment=Deployment.objects.create(name="intent"), version=live)
    data, right = make_rows()
    by_channel = evaluate(live, data, right, 0.8)
    newer = evaluate(live, data, right, 0.8)
    newer.options["slices"] = []
    newer.save(update_fields=["options"])
    rules = [rule(data, "slices"), rule(data, "live", most_worse=0.1, is_significant=True)]
    assert {one.code for one in ask(new, *rules)} == {"not_evaluated"}
    (begun,) = run_missing(version=ModelVersion.objects.get(pk=new.pk), actor=make_owner())
    used = Evaluation.objects.get(pk=begun.job.payload["baseline"])
    own = beside(evaluate(new, data, right, 0.9), used)  # as the job does
    assert failures(version=new) == []
    Evaluation.objects.filter(pk=by_channel.pk).update(options={**by_channel.options, "inputs": {"text": "easier"}})
    assert [one.code for one in failures(version=new)] == ["not_compared"]
    beside(own, newer)
    assert failures(version=new) == []


def test_slices_when_one_is_worse_than_the_limit_then_it_is_named():
    version = make_model_version()
    data, right = make_rows(400)
    scores = scores_for(right, 1.0)
    scores[::4] = scores[::4][:, [2, 0, 1]]  # every fourth call comes by telephone, and is wrong
    channels = ["전화" if number % 4 == 0 else "앱" for number in range(400)]
    finish_plain(version, data, label_table(right, scores, **{"slice:channel": channels}), slices=["channel"])
    (bad,) = ask(version, rule(data, "slices"))
    assert (bad.code, bad.figure, bad.wanted) == ("slice", 0.0, 0.5)
    assert "전화" in bad.words
    assert ask(version, rule(data, "slices", rows=101)) == []
    assert [one.code for one in ask(version, rule(data, "slices", column="hour"))] == ["no_slices"]


def test_policy_when_changed_then_audited_once_and_wrong_ones_refused_by_field():
    version = make_model_version()
    data, _ = make_rows(9)
    for _again in range(2):
        set_policy(model=version.model, requirements=[rule(data)], actor=make_owner(), reason="so")
    assert AuditEvent.objects.filter(action="registry.gate_changed").count() == 1
    bad = {
        "requirements[0].dataset": {"requirements": [{**rule(data), "dataset": str(version.pk)}]},
        "approvals": {"requirements": [], "approvals": 99},
        "canary_plan.error_rate": {"requirements": [], "canary_plan": {"error_rate": 7}},
        "canary_plan": {"requirements": [], "canary_plan": {"steps": ["a"]}},
    }
    for field, values in bad.items():
        with pytest.raises(Invalid) as caught:
            set_policy(model=version.model, actor=None, **values)
        assert list(caught.value.fields) == [field]
    set_policy(model=version.model, requirements=[], canary_plan={"steps": [5, 100]}, actor=None)
    assert GatePolicy.objects.get().canary_plan["steps"] == [5, 100]


def test_gate_when_asked_and_set_by_rest_then_by_name_and_only_by_administrators():
    version = make_model_version()
    data, right = make_rows(60)
    owner = make_owner("root", "administrator")
    key, operator = (
        create_api_key(user=user, name="k", scopes=["read", "manage"], actor=None)[1]
        for user in (owner, make_owner("op", "operator"))
    )
    client, url = Client(), "/api/v1/models/intent/gate"
    wanted = {"requirements": [{**rule(data), "dataset": data.dataset.name}], "approvals": 1}

    def put(body, by=key):
        return client.put(url, json.dumps(body), content_type="application/json", headers={"x-api-key": by})

    assert put(wanted, operator).status_code == 403
    answer = put(wanted)
    assert answer.status_code == 200, answer.content
    assert answer.json()["requirements"][0]["dataset"] == data.dataset.name
    assert put({"requirements": [{**wanted["requirements"][0], "dataset": "nothing"}]}).status_code == 400
    assert put({"requirements": [{"kind": "metric"}]}).status_code == 400
    told = client.get("/api/v1/models/intent/versions/1/gate", headers={"x-api-key": key}).json()
    assert told["is_passed"] is False
    assert told["reasons"][0]["code"] == "not_evaluated"
    evaluate(version, data, right, 0.9)
    assert client.get("/api/v1/models/intent/versions/1/gate", headers={"x-api-key": key}).json()["is_passed"]


def test_form_when_cards_are_added_filled_in_and_taken_away_then_saved_as_they_stand():
    version = make_model_version()
    data, _ = make_rows(9)
    client = log_in("administrator")
    url = reverse("admin:registry_gatepolicy_edit", args=[version.model_id])
    sent = {"guards_serving": "on", "approvals": "0", "steps": "5, 100", "kinds": ["metric"]}
    sent |= {"r0-dataset": str(data.dataset_id), "r0-metric": "accuracy", "r0-at_least": "0.9"}
    more = client.post(url, {**sent, "add": "slices"})
    assert more.status_code == 200
    assert more.content.count(b'name="kinds"') == 2
    assert not GatePolicy.objects.exists()
    both = {**sent, "kinds": ["metric", "slices"], "r1-dataset": str(data.dataset_id), "r1-metric": "accuracy"}
    both |= {"r1-column": "channel", "r1-at_least": "0.5", "r1-rows": "30"}
    less = client.post(url, {**both, "remove": "0"})
    assert b'name="r0-column"' in less.content
    empty = client.post(url, {**sent, "r0-at_least": "", "save": "1"}, headers={"accept-language": "ko"})
    assert empty.status_code == 200
    assert b"fm-wrong" in empty.content
    assert "최솟값과 최댓값 가운데" in empty.content.decode()
    surely = {**sent, "kinds": ["live"], "r0-metric": "roc_auc", "r0-most_worse": "0", "r0-is_significant": "on"}
    refused = client.post(url, {**surely, "save": "1"}, headers={"accept-language": "ko"}).content.decode()
    assert "차이에 구간이 있는 수치에만 됩니다: accuracy" in refused
    assert not GatePolicy.objects.exists()
    assert client.post(url, {**both, "save": "1"}).status_code == 302
    saved = GatePolicy.objects.get()
    assert [one["kind"] for one in saved.requirements] == ["metric", "slices"]
    assert saved.canary_plan["steps"] == [5, 100]
    assert client.get(url).status_code == 200
    assert log_in("operator").post(url, {**both, "save": "1"}).status_code == 403
    lacks = client.get(reverse("admin:registry_gatepolicy_lacks", args=[version.pk]))
    assert lacks.content.count(b">missing<") == 2
