import polars as pl
import pytest
from django.urls import reverse
from django.utils import timezone

from inference.models import MetricWindow, RunnerState
from inference.services import deploy
from registry.models import Evaluation
from registry.services import delete_version, update_version
from tests.accounts.making import make_client, make_user
from tests.datasets.making import make_version as make_data
from tests.registry.make import make_ready, make_version
from tests.registry.pages import log_in

pytestmark = pytest.mark.django_db


def page_of(model):
    return reverse("admin:registry_registeredmodel_compare", args=[model.pk])


TEST = {"became_right": 7, "became_wrong": 3, "test": {"name": "mcnemar_exact", "p": 0.0123}}


def evaluate(version, data, accuracy, wrong, **report):
    told = {
        "labels": ["가", "<b>나</b>"],
        "confusion": [[0, 0, 50], [0, 1, wrong], [1, 1, 40]],
        "slices": {"city": [{"value": "서울", "rows": 60, "accuracy": accuracy, "low": 0.1, "high": 0.9}]},
        **report,
    }
    metrics = {"accuracy": accuracy, "log_loss": 1 - accuracy, "p95_ms": 3.0}
    return Evaluation.objects.create(
        version=version, dataset_version=data, task="classification", metrics=metrics, report=told,
        rows=100, wrong_rows=wrong, finished_at=timezone.now(),
    )  # fmt: skip


def make_two(tmp_path):
    data = make_data(pl.DataFrame({"text": ["a"]}))
    one = make_ready(make_version(tmp_path, metrics={"f1": 0.8, "widgets": 3}, trained_on=[data]))
    two = make_ready(make_version(tmp_path, value=0.1, metrics={"f1": 0.9, "widgets": 5}))
    return one, two, data


def test_compare_when_both_were_evaluated_over_the_same_then_the_test_decides(tmp_path):
    one, two, data = make_two(tmp_path)
    first = evaluate(one, data, 0.90, 10)
    gain = {"value": 0.04, "low": 0.01, "high": 0.07}
    gains = {"accuracy": gain, "log_loss": gain}  # which is a change downwards of the loss
    evaluate(two, data, 0.94, 6, comparison={"evaluation": str(first.pk), "metrics": gains, **TEST})
    text = log_in().get(f"{page_of(one.model)}?a=1&b=2").content.decode()
    assert "numbers v2 is better than v1: accuracy +4.0 points (95 %: 1.0 points to 7.0 points)" in text
    assert "<b>나</b>" not in text
    assert "&lt;b&gt;나" in text
    assert "95 %: -0.0700 to -0.0100" in text
    assert "McNemar p = 0.0123" in text
    back = make_client(make_user("reviewer")).get("/api/v1/models/numbers/compare?a=2&b=1").json()
    assert back["verdict"]["result"] == "worse"
    assert [back["evaluations"][0]["test"][name] for name in ("became_right", "became_wrong")] == [3, 7]
    assert back["verdict"]["by"]["gain"] == {"value": -0.04, "low": -0.07, "high": -0.01}


def test_compare_when_only_authors_measured_then_their_number_decides(tmp_path):
    one, _two, _data = make_two(tmp_path)
    found = make_client(make_user("auditor")).get("/api/v1/models/numbers/compare?a=1&b=2").json()
    assert found["verdict"]["result"] == "better"
    assert found["verdict"]["source"] == "author"
    assert {row["name"]: row["is_better"] for row in found["metrics"]} == {"f1": True, "widgets": None}
    assert {row["name"]: row["state"] for row in found["files"]} == {
        "flueman.json": "same",
        "model.safetensors": "changed",
    }
    assert [(row["name"], row["state"]) for row in found["data"]] == [("문장:1", "only_a")]
    assert found["signature"] == []
    text = log_in().get(f"{page_of(one.model)}?a=1&b=2").content.decode()
    assert text.count("fm-meter") == 2 * 3  # f1, widgets, size
    type(one).objects.filter(pk=one.pk).update(metrics={"widgets": 3})
    assert log_in().get(f"{page_of(one.model)}?a=1&b=2").content.decode().count("fm-meter") == 2 * 2
    assert "as their authors measured" in text
    assert "The same: callers notice nothing." in text


def test_compare_when_one_serves_then_its_calls_of_the_last_day_are_shown(tmp_path):
    one, two, _data = make_two(tmp_path)
    deploy(name="calls", version=one, actor=None)
    RunnerState.objects.update_or_create(version=one, defaults={"state": "ready", "load_ms": 1500, "memory_bytes": 10})
    MetricWindow.objects.create(
        minute=timezone.now().replace(second=0, microsecond=0), deployment="calls", version=1, requests=20, errors=1
    )
    found = make_client(make_user("operator")).get("/api/v1/models/numbers/compare?a=1&b=2").json()
    traffic = {row["name"]: (row["a"], row["b"]) for row in found["traffic"]}
    assert traffic["requests"] == (20, 0)
    assert traffic["error_share"] == (0.05, None)
    assert found["a"]["serves"] == [{"deployment": "calls", "kind": "live", "weight": 100}]
    page = log_in().get(page_of(one.model)).content.decode()  # nothing said: the live one and the newest
    assert "v2" in page
    assert "calls 100 %" in page
    assert reverse("admin:inference_deployment_add") in page
    assert f"?version={two.pk}" in page


def test_compare_when_two_are_ticked_then_the_older_comes_first(tmp_path):
    one, _two, _data = make_two(tmp_path)
    answer = log_in().get(f"{page_of(one.model)}?v=2&v=1")
    assert answer["Location"].endswith("?a=1&b=2")


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?a=1", 400), ("?a=1&b=x", 400), ("?a=1&b=9", 404), ("?a=1&b=99999999999", 400), ("?a=²&b=1", 400)],
)
def test_rest_when_versions_are_wrong_then_the_field_is_named(tmp_path, query, status):
    make_two(tmp_path)
    answer = make_client(make_user("operator")).get(f"/api/v1/models/numbers/compare{query}")
    assert answer.status_code == status


@pytest.mark.parametrize("query", ["", "?a=9&b=8", "?a=x", "?v=1", "?v=1&v=x&v=²", "?a=99999999999999999999", "?b=1"])
def test_page_when_the_address_is_odd_then_it_guesses(tmp_path, query):
    one, _two, _data = make_two(tmp_path)
    assert log_in().get(page_of(one.model) + query).status_code == 200


def test_page_when_one_version_or_none_then_its_figures_plainly_and_what_is_needed(tmp_path):
    one, two, data = make_two(tmp_path)
    evaluate(one, data, 0.90, 10)
    delete_version(version=two, actor=None)
    client = log_in()
    alone = client.get(page_of(one.model)).content.decode()
    assert "needs two versions" in alone
    for said in ("90.0 %", "Over 문장:1, 100 rows", "What its author measured", "widgets"):
        assert said in alone, said
    assert "fm-meter" not in alone
    assert client.get(page_of(one.model) + "?a=1&b=2").status_code == 200
    delete_version(version=one, actor=None)
    assert client.get(page_of(one.model)).status_code == 200
    assert client.get("/admin/registry/registeredmodel/999999/compare/").status_code == 404


def test_page_when_of_a_program_name_then_nothing_is_run_by_the_browser(tmp_path):
    one, two, _data = make_two(tmp_path)
    update_version(version=one, actor=None, description="<script>alert(1)</script>")
    evil = {"<script>x</script>": 1.0}
    type(one).objects.filter(pk__in=[one.pk, two.pk]).update(metrics=evil)
    text = log_in().get(f"{page_of(one.model)}?a=1&b=2").content.decode()
    assert "<script>x" not in text
    assert "&lt;script&gt;x" in text
