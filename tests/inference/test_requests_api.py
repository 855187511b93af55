"""`/api/v1/requests` and `/api/v1/predictions`."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from files.services import store
from inference.models import InferenceRequest, Prediction
from tests.accounts.making import bearer, make_client, make_key, make_user
from tests.feedback.saying import make_call, make_version
from tests.inference.log_rows import make_many, make_prediction, make_request

pytestmark = pytest.mark.django_db
LIST = "/api/v1/requests"


def get(client: Client, path: str, expected: int = 200, **params: Any) -> Any:
    answer = client.get(path, params)
    assert answer.status_code == expected, answer.content
    return orjson.loads(answer.content)


def ids_of(page: Any) -> list[str]:
    return [row["id"] for row in page["results"]]


def test_list_gives_the_newest_first_and_leads_to_the_next_page() -> None:
    rows = make_many(7)
    client = make_client(make_user("operator"))
    seen, address = [], f"{LIST}?page_size=3"
    while address:
        page = get(client, address)
        seen += ids_of(page)
        address = page["next"]
    assert seen == [str(row.pk) for row in rows[::-1]]


def test_list_with_filters_gives_what_fits() -> None:
    make_request()
    bad = make_request(status=503, error_code="queue_full", deployment="numbers")
    client = make_client(make_user("reviewer"))
    assert ids_of(get(client, LIST, status="5xx", deployment="numbers", error="queue_full")) == [str(bad.pk)]
    assert ids_of(get(client, LIST, q=str(bad.pk))) == [str(bad.pk)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "9xx"), ("cursor", "x"), ("page_size", "0"), ("page_size", "٣"), ("since", "x"), ("user", "nobody")],
)
def test_list_with_a_wrong_parameter_names_it(name: str, value: str) -> None:
    error = get(make_client(make_user("operator")), LIST, 400, **{name: value})["error"]
    assert list(error["fields"]) == [name]
    assert error["request_id"]


def test_client_sees_its_own_calls_only() -> None:
    app = make_user("client")
    own, other = make_request(user_id=app.pk), make_request(user_id=app.pk + 1)
    client = make_client(app)
    assert ids_of(get(client, LIST)) == [str(own.pk)]
    assert ids_of(get(client, LIST, request_id=str(other.pk))) == []
    get(client, f"{LIST}/{other.pk}", 404)
    get(client, f"{LIST}/{other.pk}/predictions", 404)
    get(client, f"/api/v1/predictions/{Prediction.objects.get(request=other).pk}", 404)
    get(client, f"/api/v1/predictions/{Prediction.objects.get(request=own).pk}")


@pytest.mark.parametrize("role", ["administrator", "operator", "reviewer", "auditor"])
def test_staff_see_the_calls_of_all(role: str) -> None:
    row = make_request(user_id=12345)
    assert ids_of(get(make_client(make_user(role)), LIST)) == [str(row.pk)]


def test_key_for_some_models_sees_only_their_calls() -> None:
    boss = make_user("administrator")
    make_request(deployment="intent")
    row = make_request(deployment="numbers")
    _, text = make_key(boss, "read", allowed_models=["numbers"])
    assert ids_of(get(Client(headers=bearer(text)), LIST)) == [str(row.pk)]


def test_detail_gives_inputs_and_predictions() -> None:
    row = make_request(text="환불")
    found = get(make_client(make_user("operator")), f"{LIST}/{row.pk}")
    assert found["inputs"] == {"text": ["환불"]}
    assert found["predictions"][0]["output"] == {"label": "배송", "score": 0.93}
    assert found["latency_ms"] == 4.5
    assert found["created_at"].endswith("Z")


def test_detail_of_a_call_of_generate_names_its_text_as_the_model_does() -> None:
    row = make_call(make_version(), input='{"text_input": "환불"}')
    found = get(make_client(make_user("operator")), f"{LIST}/{row.pk}")
    assert found["inputs"] == {"text": ["환불"]}


def test_predictions_of_many_rows_are_paged_by_row() -> None:
    row = make_request(rows=5)
    for n in range(1, 5):
        make_prediction(row, n)
    client = make_client(make_user("operator"))
    assert [one["row"] for one in get(client, f"{LIST}/{row.pk}/predictions", page_size=2)] == [0, 1]
    assert [one["row"] for one in get(client, f"{LIST}/{row.pk}/predictions", after=1, page_size=2)] == [2, 3]
    get(client, f"{LIST}/{row.pk}/predictions", 400, after="x")


def test_large_input_is_given_as_a_file() -> None:
    body = b'{"inputs":{"text":["large"]}}'
    row = make_request(input="", input_blob=store(io.BytesIO(body)).sha256)
    client = make_client(make_user("operator"))
    assert get(client, f"{LIST}/{row.pk}")["inputs"] is None
    answer = client.get(f"{LIST}/{row.pk}/input")
    assert b"".join(answer.streaming_content) == body
    get(client, f"{LIST}/{make_request().pk}/input", 404)


@pytest.mark.parametrize("key", ["nonsense", "0" * 32, "00000000-0000-7000-8000-000000000000"])
def test_detail_of_nothing_is_a_typed_404(key: str) -> None:
    assert get(make_client(make_user("operator")), f"{LIST}/{key}", 404)["error"]["code"]


def test_list_when_rows_grow_asks_the_same_number_of_queries() -> None:
    client, counts = make_client(make_user("operator")), set()
    for more in (2, 120):
        make_many(more)
        with CaptureQueriesContext(connection) as queries:
            get(client, LIST, deployment="intent")
        counts.add(len(queries))
        InferenceRequest.objects.all().delete()
    assert len(counts) == 1
