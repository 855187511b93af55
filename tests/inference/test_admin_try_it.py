"""The try-it page against a real child process; its calls are kept like any other."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse

from inference.models import InferenceRequest, Prediction, Route
from inference.services import set_enabled
from tests.inference.log_rows import make_request
from tests.inference.serving import Serving
from tests.inference.test_admin_requests import make_browser, read

pytestmark = pytest.mark.django_db(transaction=True)


def page_of(served: Serving) -> str:
    return reverse("admin:inference_deployment_try", args=[served.deployment.pk])


def run(browser: Client, served: Serving, **fields: Any) -> dict[str, Any]:
    answer = browser.post(page_of(served), fields, headers={"X-Requested-With": "fetch"})
    assert answer.status_code == 200, answer
    return orjson.loads(answer.content)


def test_try_page_has_a_box_for_each_input_with_a_sample_and_the_call_as_code(small: Serving) -> None:
    page = read(make_browser(), page_of(small))
    for said in ('name="input_0"', "FP32", "n × 4", "data-sample=", "curl", "tritonclient", "httpx"):
        assert said in page


def test_run_of_numbers_gives_the_answer_and_keeps_the_call(small: Serving) -> None:
    reply = run(make_browser(), small, input_0="1, 2, 3, 4")
    assert reply["errors"] == {}
    row = InferenceRequest.objects.get()
    assert (row.door, row.caller, row.status, row.rows) == ("admin", "operator", 200, 1)
    assert orjson.loads(Prediction.objects.get().output) == {"y": [10.0, 20.0]}
    assert str(row.pk) in reply["html"]
    assert "10" in reply["html"]


def test_run_of_several_texts_gives_an_answer_for_each_line(words: Serving) -> None:
    reply = run(make_browser(), words, input_0="안녕\n잘가\n")
    assert reply["errors"] == {}
    assert "안녕" in reply["html"]
    assert "잘가" in reply["html"]
    assert InferenceRequest.objects.get().rows == 2


def test_run_of_a_file_takes_its_content(small: Serving) -> None:
    table = io.BytesIO("\ufeff1,2,3,4\r\n5,6,7,8\r\n".encode())
    table.name = "table.csv"
    reply = run(make_browser(), small, input_0="", file_0=table)
    assert reply["errors"] == {}
    assert InferenceRequest.objects.get().rows == 2


@pytest.mark.parametrize("typed", ["", "1, 2", "1, 2, 3, vier", "[[1, 2, 3, NaN]]", '[["a", 1, 2, 3]]', "1e999 1 1 1"])
def test_run_of_something_wrong_says_so_at_the_input(small: Serving, typed: str) -> None:
    reply = run(make_browser(), small, input_0=typed)
    assert list(reply["errors"]) == ["x"]
    assert "Please correct the marked inputs" in reply["html"]


def test_run_when_the_deployment_has_gone_out_of_service_says_so(small: Serving) -> None:
    browser = make_browser()
    set_enabled(deployment=small.deployment, enabled=False, actor=None)
    small.refresh()
    reply = run(browser, small, input_0="1,2,3,4")
    assert "not_in_service" in reply["html"]


def test_run_without_a_script_gives_the_whole_page_with_the_answer(small: Serving) -> None:
    answer = make_browser().post(page_of(small), {"input_0": "1, 2, 3, 4"})
    page = answer.content.decode()
    assert "<html" in page
    assert "1, 2, 3, 4" in page
    assert str(InferenceRequest.objects.get().pk) in page


def test_try_page_from_an_earlier_call_has_its_input(small: Serving) -> None:
    earlier = make_request(input='{"inputs":{"x":[[4.0,3.0,2.0,1.0]]}}', user_id=77)
    assert "4.0, 3.0, 2.0, 1.0" in read(make_browser(), f"{page_of(small)}?from={earlier.pk}")
    assert "4.0, 3.0" not in read(make_browser("client"), f"{page_of(small)}?from={earlier.pk}")
    read(make_browser("administrator"), f"{page_of(small)}?from=nonsense")


def test_try_page_without_a_version_leads_to_the_deployment(small: Serving) -> None:
    Route.objects.all().delete()
    assert "Choose a version first" in read(make_browser(), page_of(small))


def test_try_page_for_a_role_that_may_not_call_is_refused(small: Serving) -> None:
    browser = make_browser("auditor")
    assert browser.get(page_of(small)).status_code == 403
    assert browser.post(page_of(small), {"input_0": "1,2,3,4"}).status_code == 403
    assert not InferenceRequest.objects.exists()
