"""Evaluations as people see them: the page, its figures' rows, the form; REST and the command."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts.services import create_api_key
from inference.models import Deployment, Route
from jobs.models import Job
from registry.models import Evaluation, ModelVersion
from tests.admin.making import log_in
from tests.datasets.making import make_owner
from tests.inference.evaluating.making import beside, evaluate, make_model_version, make_rows

pytestmark = pytest.mark.django_db(transaction=True)


def make_pair(rows=400):
    """Give a better version's evaluation beside that of the live one."""
    live, new = make_model_version(), make_model_version()
    data, right = make_rows(rows)
    base, own = evaluate(live, data, right, 0.8, seed=3), evaluate(new, data, right, 0.95)
    return beside(own, base)


def test_page_when_opened_then_answers_first_and_each_figure_leads_to_its_rows():
    own = make_pair()
    client = log_in("reviewer")
    page = client.get(reverse("admin:registry_evaluation_change", args=[own.pk])).content.decode()
    assert re.search(r"intent v2: 9\d\.\d % right over 400 rows of 문장 v1, 1\d\.\d points better than intent v1", page)
    rows_url = reverse("admin:registry_evaluation_rows", args=[own.pk])
    addresses = set(re.findall(rf'href="({re.escape(rows_url)}\?[^"]+)"', page))
    assert len(addresses) > 8
    for address in sorted(addresses)[:6]:
        answer = client.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200
        assert b"ev-rows" in answer.content
    wrong = client.get(f"{rows_url}?kind=wrong&limit=200").content.decode()
    assert wrong.count("ev-bad") == own.wrong_rows
    assert b"No row is like that" in client.get(f"{rows_url}?q=nothing+like+it").content
    assert b'role="alert"' in client.get(f"{rows_url}?kind=other").content
    assert b'role="alert"' in client.get(f"{rows_url}?place=-1").content


def test_page_when_in_korean_then_no_english_sentence_is_left():
    own = make_pair(60)
    page = log_in("operator", language="ko").get(reverse("admin:registry_evaluation_change", args=[own.pk]))
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", page.content.decode(), flags=re.DOTALL)
    for said in ("right over", "points", "Which label", "All differences", "Better by", "Rows"):
        assert said not in text


def test_list_when_it_grows_then_no_more_queries_and_no_reports():
    make_pair(30)
    client, url = log_in("auditor"), reverse("admin:registry_evaluation_changelist")
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(url)
    make_pair(30)
    with CaptureQueriesContext(connection) as more:
        client.get(url)
    assert len(more) <= len(few)
    assert not any('"registry_evaluation"."report"' in one["sql"] for one in more)


def test_form_when_filled_in_then_begins_and_refuses_what_does_not_fit():
    version, (data, _) = make_model_version(), make_rows(30)
    client, url = log_in("operator"), reverse("admin:registry_evaluation_add")
    page = client.get(url, {"version": str(version.pk), "data": str(data.pk)}).content.decode()
    assert re.search(r'<option value="label" selected>', page)
    chosen = {"version": str(version.pk), "data": str(data.pk), "input_0": "text", "label": "label", "baseline": "live"}
    bad = client.post(url, {**chosen, "label": "text"})
    assert bad.status_code == 200
    assert b'role="alert"' in bad.content
    assert not Evaluation.objects.exists()
    answer = client.post(url, {**chosen, "slices": ["channel"]})
    made = Evaluation.objects.get()
    assert answer.url == reverse("admin:registry_evaluation_change", args=[made.pk])
    assert made.options["slices"] == ["channel"]
    assert client.get(answer.url).status_code == 200
    assert client.get(reverse("admin:registry_evaluation_live", args=[made.pk])).status_code == 200
    assert log_in("reviewer").get(url).status_code == 403


def test_rest_when_begun_read_cancelled_and_forgotten_then_each_answers():
    own = make_pair(60)
    key = create_api_key(user=make_owner(), name="k", scopes=["read", "manage"], actor=None)[1]
    client = Client(headers={"x-api-key": key})

    def post(path, body):
        return client.post(f"/api/v1/evaluations{path}", json.dumps(body), content_type="application/json")

    assert {one["state"] for one in client.get("/api/v1/evaluations?model=intent").json()["results"]} == {"succeeded"}
    told = client.get(f"/api/v1/evaluations/{own.pk}").json()
    assert told["report"]["comparison"]["version"] == "intent v1"
    assert told["metrics"]["accuracy"] > 0.8
    rows = client.get(f"/api/v1/evaluations/{own.pk}/rows?kind=wrong&limit=2").json()
    assert all(row["is_wrong"] and row["values"]["text"] for row in rows["results"])
    assert client.get(f"/api/v1/evaluations/{own.pk}/rows?slice=hour%3D1").status_code == 400
    made = post("", {"model": "intent", "version": 2, "dataset": "문장", "slices": ["channel"], "baseline": 0})
    assert made.status_code == 202, made.content
    assert made["Location"].endswith(made.json()["id"])
    assert post(f"/{made.json()['id']}/cancel", {}).json()["state"] == "cancelled"
    assert post(f"/{made.json()['id']}/retry", {}).json()["state"] == "queued"
    assert client.delete(f"/api/v1/evaluations/{made.json()['id']}").status_code == 409
    assert client.delete(f"/api/v1/evaluations/{own.pk}").status_code == 204
    for wrong in ({"version": 9}, {"dataset": "nothing"}, {"model": "nothing"}, {"dataset_version": 7}):
        assert post("", {"model": "intent", "version": 2, "dataset": "문장", **wrong}).status_code == 404
    assert post("", {"model": "intent", "version": 2, "dataset": "문장", "label": "nothing"}).status_code == 400
    assert post("/missing", {"model": "intent", "version": 2}).json() == []
    limited = create_api_key(user=make_owner(), name="l", scopes=["read", "manage"], allowed_models=["x"], actor=None)[
        1
    ]
    client = Client(headers={"x-api-key": limited})
    assert post("", {"model": "intent", "version": 2, "dataset": "문장"}).status_code == 403


@translation.override("en")
def test_command_when_called_twice_then_begun_once(capsys):
    version, _ = make_model_version(), make_rows(30)
    make_owner()
    wanted = ["evaluate_version", "intent", "-n", "1", "--data", "문장", "--user", "owner"]
    call_command(*wanted, "--no-wait")
    call_command(*wanted, "--no-wait")
    assert Evaluation.objects.count() == 1
    call_command(*wanted, "--no-wait", "--again")
    assert Evaluation.objects.count() == 2
    assert "waits for a worker" in capsys.readouterr().out
    Evaluation.objects.update(finished_at=timezone.now())
    Job.objects.update(state="failed", error="no disk")
    with pytest.raises(CommandError, match="no disk"):
        call_command(*wanted)
    Job.objects.update(state="succeeded")
    call_command(*wanted)
    assert "nothing that can be judged" in capsys.readouterr().out
    call_command(*[unicodedata.normalize("NFD", one) for one in wanted])  # as a Mac completes file names
    for wrong in (
        ["-n", "7"],
        ["--data", "nothing"],
        ["--data", "문장:9"],
        ["--data", "문장:x"],
        ["--user", "nobody", "--again"],
    ):
        with pytest.raises(CommandError):
            call_command(*wanted, *wrong)
    assert version.evaluations.count() == 2


def test_command_when_another_baseline_is_wanted_then_begun_beside_it(capsys):
    live, new, third = make_model_version(), make_model_version(), make_model_version()
    Route.objects.create(deployment=Deployment.objects.create(name="intent"), version=live)
    data, right = make_rows(60)
    own = beside(evaluate(new, data, right, 0.9), evaluate(live, data, right, 0.8))
    wanted = [
        "evaluate_version",
        "intent",
        "-n",
        "2",
        "--data",
        "문장",
        "--user",
        "owner",
        "--slice",
        "channel",
        "--no-wait",
    ]

    def begun(*more):
        """Give the versions that a call begins to evaluate."""
        known = set(Evaluation.objects.values_list("pk", flat=True))
        call_command(*wanted, *more)
        return sorted(Evaluation.objects.exclude(pk__in=known).values_list("version__number", flat=True))

    assert begun() == begun("--baseline", "1") == []
    assert str(own.pk) in capsys.readouterr().out
    assert begun("--baseline", "3") == [2, 3]
    assert begun("--baseline", "3") == []  # it goes on
    assert begun("--baseline", "0") == [2]
    assert begun("--baseline", "0") == begun("--baseline", "3") == begun("--baseline", "1") == begun() == []
    Job.objects.all().update(state="succeeded")
    assert begun("--baseline", "3") == [2, 3]  # that came to nothing
    Route.objects.update(version=third)
    assert begun() == []
    ModelVersion.objects.filter(pk=third.pk).update(state="archived")  # so that no other can be beside it
    assert begun() == [2]
    assert begun() == []
    Route.objects.update(version=new)
    assert begun() == []  # the live one has no other to be compared with
