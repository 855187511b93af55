"""The page and the addresses of preprocessing jobs."""

from uuid import uuid4

import polars as pl
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.services import create_api_key
from datasets.models import DatasetVersion, PreprocessingJob
from tests.admin.making import log_in
from tests.datasets.making import make_owner
from tests.datasets.running.making import make_run, sentences, work

pytestmark = pytest.mark.django_db
HOME = "/api/v1/preprocessing-jobs"


def page(run, name="change"):
    return log_in("operator", uuid4().hex).get(reverse(f"admin:datasets_preprocessingjob_{name}", args=[run.pk]))


def call(method, path, role="operator", **body):
    key = create_api_key(user=make_owner(f"{role}-api", role), name="k", scopes=["read", "manage"], actor=None)[1]
    client = Client(headers={"x-api-key": key})
    return getattr(client, method)(f"{HOME}{path}", body or None, content_type="application/json")


def test_page_of_a_job_that_waits_is_asked_for_anew_and_one_that_has_ended_is_not():
    run = make_run()
    assert "data-live=" in page(run).content.decode()
    assert "X-Live-Done" not in page(run, "live").headers
    work(run)
    assert page(run, "live").headers["X-Live-Done"] == "1"
    assert "data-live=" not in page(run).content.decode()


def test_page_of_a_job_shows_what_its_steps_changed_and_dropped():
    run = make_run(pl.DataFrame({"text": ["ＡＢＣ 다", "가<b>", "가<b>"], "n": [1, 2, 3]}))
    work(run)
    said = page(run).content.decode()
    assert "<mark>ＡＢＣ</mark>" in said
    assert "<mark>ABC</mark>" in said
    assert "가&lt;b&gt;" in said
    assert "{&#x27;" not in said
    assert "3 → 3" in said


def test_steps_of_a_job_are_named_in_the_language_of_the_reader_not_of_who_began_it():
    with translation.override("ko"):
        run = make_run()
    last = run.steps.order_by("-number").first()
    named = {}
    for language in ("ko", "en"):
        client = log_in("operator", uuid4().hex, language=language)
        said = client.get(reverse("admin:datasets_preprocessingjob_change", args=[run.pk])).content.decode()
        with translation.override(language):
            named[language] = last.in_words
            assert f"<b>{last.in_words}</b>" in said
    assert named == {"ko": "버전 쓰기", "en": "Write the version"}
    assert call("get", f"/{run.pk}").json()["steps"][-1]["label"] in named.values()


def test_page_of_a_job_that_failed_says_why(settings):
    settings.PREPROCESSING_MEMORY_BYTES = 1 << 20
    run = make_run()
    work(run)
    said = page(run).content.decode()
    assert "PREPROCESSING_MEMORY_BYTES" in said
    assert "do/retry" in said


def test_page_of_a_job_whose_row_was_forgotten_is_still_there():
    run = make_run()
    work(run)
    PreprocessingJob.objects.filter(pk=run.pk).update(job=None)
    assert page(run).status_code == 200
    assert page(run, "live").headers["X-Live-Done"] == "1"
    assert call("get", f"/{run.pk}").json()["state"] is None
    assert call("post", f"/{run.pk}/retry").status_code == 409


def test_cancel_on_the_page_asks_for_a_reason_and_gives_the_version_up():
    run = make_run()
    address = reverse("admin:datasets_preprocessingjob_do", args=[run.pk, "cancel"])
    assert log_in("reviewer", "r").post(address, {"reason": "no"}).status_code == 403
    assert log_in("operator", "o").post(address, {"reason": "wrong file"}).status_code == 302
    assert DatasetVersion.objects.get(pk=run.version_id).state == "failed"


def test_addresses_when_a_job_has_ended_give_it_with_its_steps():
    run = make_run(sentences(9))
    work(run)
    found = call("get", f"/{run.pk}").json()
    assert (found["state"], found["rows"], found["version_state"]) == ("succeeded", 3, "sealed")
    assert [step["rows_out"] for step in found["steps"]] == [9, 3, None]
    listed = call("get", "?kind=recipe&state=succeeded").json()["results"]
    assert [one["id"] for one in listed] == [str(run.pk)]
    assert "steps" not in listed[0]
    assert call("get", "?dataset=none").json()["results"] == []
    assert call("get", "/nothing").status_code == 404


def test_addresses_when_a_job_is_cancelled_and_retried_answer_once():
    run = make_run()
    assert call("post", f"/{run.pk}/cancel", "reviewer").status_code == 403
    assert call("post", f"/{run.pk}/cancel", reason="x" * 1001).status_code == 400
    assert call("post", f"/{run.pk}/cancel", reason="stop").json()["state"] == "cancelled"
    assert call("post", f"/{run.pk}/cancel").status_code == 409
    assert call("post", f"/{run.pk}/retry").status_code == 202
    assert call("post", f"/{run.pk}/retry").status_code == 409
    assert DatasetVersion.objects.get(pk=run.version_id).state == "writing"


def test_list_of_jobs_when_there_are_more_takes_no_more_queries(django_assert_max_num_queries):
    client = log_in("operator")
    for number in range(4):
        make_run(name=f"r{number}")
    address = reverse("admin:datasets_preprocessingjob_changelist")
    client.get(address)
    with django_assert_max_num_queries(9):
        assert "r3" in client.get(address).content.decode()
