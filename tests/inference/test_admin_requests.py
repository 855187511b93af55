"""The Requests and Request pages of the back office."""

from __future__ import annotations

import io
from datetime import timedelta

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.services import create_user
from files.services import store
from inference.models import InferenceRequest, Prediction, prediction_key
from tests.inference.log_rows import make_many, make_prediction, make_request

pytestmark = pytest.mark.django_db
LIST = "/admin/inference/inferencerequest/"


def make_browser(role: str = "operator", language: str = "en") -> Client:
    user = create_user(username=role, password=None, roles=[role], actor=None)
    User.objects.filter(pk=user.pk).update(language=language, is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def page_of(request: InferenceRequest) -> str:
    return reverse("admin:inference_inferencerequest_change", args=[request.pk])


def read(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_requests_page_shows_each_call_as_one_line() -> None:
    request = make_request(text="환불해 주세요", latency_ms=1234.5)
    page = read(make_browser(), LIST)
    for said in ("환불해 주세요", "배송 93\u00a0%", "intent", "v1", "minji", "1.2 s", page_of(request)):
        assert said in page
    assert '{"' not in page


@pytest.mark.parametrize(
    "values", ["[1e308,-1e308,1e308,-1e308]", f"{'[' * 300}null{']' * 300}", f"{'[' * 1000}null{']' * 1000}"]
)
def test_request_page_when_a_refused_body_is_extreme_is_shown(values: str) -> None:
    request = make_request(status=400, input=f'{{"inputs":{{"x":{values}}}}}')
    assert "sv-" in read(make_browser(), page_of(request))


def test_requests_page_without_calls_says_what_belongs_here() -> None:
    assert "No calls in this time" in read(make_browser(), LIST)


def test_requests_page_keeps_filters_in_the_address_of_the_next_page() -> None:
    make_many(60)
    page = read(make_browser(), f"{LIST}?deployment=intent&status=2xx&range=1h")
    assert "deployment=intent&amp;status=2xx&amp;range=1h&amp;cursor=" in page


def test_requests_page_with_a_wrong_filter_says_which() -> None:
    page = read(make_browser(), f"{LIST}?slower_than_ms=fast&q=한글")
    assert "slower_than_ms" in page
    assert 'value="한글"' in page


def test_requests_page_when_rows_grow_asks_the_same_number_of_queries() -> None:
    browser, counts = make_browser(), set()
    for more in (3, 60):
        make_many(more)
        read(browser, LIST)
        with CaptureQueriesContext(connection) as queries:
            read(browser, f"{LIST}?status=errors&deployment=intent")
        with CaptureQueriesContext(connection) as more_queries:
            read(browser, LIST)
        counts.add((len(queries), len(more_queries)))
        InferenceRequest.objects.all().delete()
    assert len(counts) == 1


def test_requests_page_escapes_what_callers_wrote() -> None:
    request = make_request(text="<script>alert(1)</script>", caller="<b>x</b>")
    browser = make_browser()
    for address in (LIST, page_of(request), f"{LIST}?q=<script>alert(1)</script>"):
        page = read(browser, address)
        assert "<script>alert" not in page
        assert "<b>x</b>" not in page


def test_request_page_shows_input_output_time_and_caller_for_a_reader() -> None:
    request = make_request(text="환불해 주세요", client_request_id="order-7", address="10.0.0.7")
    page = read(make_browser(), page_of(request))
    for said in ("환불해 주세요", "93\u00a0%", "order-7", "10.0.0.7", str(request.pk), "2.5 ms", "intent v1"):
        assert said in page
    assert "inputs&quot;" not in page


def test_request_page_of_numbers_shows_a_picture_with_shape_and_type() -> None:
    body = {"inputs": [{"name": "x", "shape": [2, 8], "datatype": "FP32", "data": [float(n) for n in range(16)]}]}
    request = make_request(input=orjson.dumps(body).decode(), rows=2)
    Prediction.objects.all().delete()
    for row in range(2):
        make_prediction(request, row, output='{"y":[0.5,1.5,2.5,3.5]}', label="", score=None)
    page = read(make_browser(), page_of(request))
    assert "2 × 8" in page
    assert page.count("<svg") >= 2
    assert '{"' not in page.replace('{"y"', "")


def test_request_page_of_many_rows_is_paged() -> None:
    texts = [f"문장 {n}" for n in range(120)]
    request = make_request(input=orjson.dumps({"inputs": {"text": texts}}).decode(), rows=120)
    Prediction.objects.bulk_create(
        Prediction(
            id=prediction_key(request.pk, n),
            request=request,
            row=n,
            output='{"label":"배송","score":0.5}',
            label="배송",
            score=0.5,
        )
        for n in range(1, 120)
    )
    browser = make_browser()
    first = read(browser, page_of(request))
    assert "문장 49" in first
    assert "문장 50" not in first
    second = read(browser, f"{page_of(request)}?after=49")
    assert "문장 50" in second
    assert "문장 99" in second
    assert "문장 100" not in second


def test_request_page_of_a_refused_call_says_why() -> None:
    request = make_request(status=400, error_code="invalid", error="text: is missing", input="{")
    page = read(make_browser(), page_of(request))
    assert "text: is missing" in page
    assert "could not be read" in page


def test_request_page_of_a_large_input_shows_it_from_its_file() -> None:
    body = orjson.dumps({"inputs": {"text": ["큰 입력"]}})
    blob = store(io.BytesIO(body))
    request = make_request(input="", input_blob=blob.sha256)
    browser = make_browser()
    assert "큰 입력" in read(browser, page_of(request))
    download = browser.get(reverse("admin:inference_inferencerequest_input", args=[request.pk]))
    assert b"".join(download.streaming_content) == body
    assert "attachment" in download["Content-Disposition"]


@pytest.mark.parametrize("key", ["00000000-0000-7000-8000-000000000000", "nonsense"])
def test_request_page_of_nothing_leads_back(key: str) -> None:
    answer = make_browser().get(f"{LIST}{key}/change/")
    assert answer.status_code == 302


def test_requests_page_for_a_person_without_the_permission_is_refused() -> None:
    user = User.objects.create_user("nobody", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("days", [0, 3])
def test_requests_page_found_by_user_name_offers_the_word_instead(days: int) -> None:
    browser = make_browser()
    user = User.objects.get()
    make_request(age=timedelta(days=days), user_id=user.pk, caller="operator", text="찾을 것")
    page = read(browser, f"{LIST}?q=operator")
    assert "찾을 것" in page
    assert "words=operator" in page
