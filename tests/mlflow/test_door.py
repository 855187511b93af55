"""Who may come in by MLflow's addresses, and how everybody else is told."""

from __future__ import annotations

import base64
from itertools import product
from typing import Any

import pytest
from django.test import Client

from accounts.services import log_in
from audit.models import AuditEvent
from registry.mlflow.urls import CALLS
from tests.mlflow.calls import Mlflow, make_caller, refusal

pytestmark = pytest.mark.django_db
WEBHOOK = "00000000-0000-7000-8000-000000000000"
ROUTES = [
    (method, address.replace("<str:webhook_id>", WEBHOOK)) for address, calls in CALLS.items() for method in calls
]
# What a call needs to get past its first fields.
SAID = {"name": "m", "new_name": "n", "version": "1", "key": "k", "value": "v", "alias": "a", "stage": "Staging",
        "source": "s3://b/m", "url": "https://example.com/h",
        "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]}  # fmt: skip


def test_calls_when_counted_then_all_of_the_protocol() -> None:
    registry = [route for route in ROUTES if not route[1].startswith("webhooks")]
    assert len(registry) == 22  # 21 calls, one of them by two methods
    assert len(ROUTES) - len(registry) == 6


def test_routes_when_nobody_or_the_wrong_one_calls_then_refused_in_the_protocols_shape() -> None:
    client = make_caller("client")
    for method, path in ROUTES:
        assert refusal(Client().generic(method, f"/api/2.0/mlflow/{path}"))[:2] == (401, "UNAUTHENTICATED")
        assert client.refused(method, path, SAID)[:2] == (403, "PERMISSION_DENIED")


def test_routes_when_a_key_only_reads_then_only_reads() -> None:
    reader = make_caller("administrator", scopes=("read",))
    for method, path in ROUTES:
        response = reader.ask(method, path, SAID)
        is_refused = response.status_code != 200 and refusal(response)[1] == "PERMISSION_DENIED"
        assert is_refused != (method == "GET" or path.endswith("get-latest-versions")), (method, path)


@pytest.mark.parametrize("role", ["operator", "reviewer", "auditor"])
def test_models_when_somebody_of_a_role_registers_then_as_their_role_says(role: str) -> None:
    caller = make_caller(role)
    status = caller.ask("POST", "registered-models/create", {"name": "m"}).status_code
    assert status == (200 if role == "operator" else 403)
    assert caller.ask("GET", "registered-models/search").status_code == 200


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def test_credential_when_key_by_basic_or_a_token_then_known_and_audited() -> None:
    mlflow = make_caller()
    for count, header in enumerate((f"Bearer {mlflow.key}", basic("anybody", mlflow.key), basic(mlflow.key, ""))):
        said = {"name": f"m{count}"}
        assert mlflow.ask("POST", "registered-models/create", said, authorization=header).status_code == 200
        event = AuditEvent.objects.get(action="registry.model_registered", target_label=f"m{count}")
        assert event.credential == mlflow.key.rpartition("_")[0]
    mlflow.user.set_password("long enough 1")
    mlflow.user.save()
    access = log_in(username="minji", password="long enough 1").access
    assert mlflow.ask("GET", "registered-models/search", authorization=f"Bearer {access}").status_code == 200


def test_credential_when_a_password_then_refused_and_nobody_is_locked_out() -> None:
    mlflow = make_caller()
    mlflow.user.set_password("long enough 1")
    mlflow.user.save()
    for _ in range(8):
        told = mlflow.refused("GET", "registered-models/search", authorization=basic("minji", "long enough 1"))
        assert told[:2] == (401, "UNAUTHENTICATED")
        assert "API key" in told[2]
    assert log_in(username="minji", password="long enough 1").access


def test_credential_when_a_cookie_then_nobody(client: Client) -> None:
    client.force_login(make_caller().user)
    response = client.post("/api/2.0/mlflow/registered-models/create", {"name": "m"}, content_type="application/json")
    assert refusal(response)[:2] == (401, "UNAUTHENTICATED")


def test_calls_when_too_many_come_without_a_credential_then_429(settings: Any) -> None:
    from guards.limits import Limit

    settings.ANONYMOUS_LIMIT = Limit(per_minute=1, burst=1)
    told = [refusal(Client().post("/api/2.0/mlflow/registered-models/create"))[:2] for _ in range(3)]
    assert told == [(401, "UNAUTHENTICATED"), (429, "REQUEST_LIMIT_EXCEEDED"), (429, "REQUEST_LIMIT_EXCEEDED")]


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/search",
        "/api/2.0/mlflow/runs/create",
        "/ajax-api/2.0/mlflow/registered-models/get/",
        "/api/2.0/mlflow/registered-models/get/",
        "/api/2.0/mlflow/",
        "/api/2.0/preview/mlflow/registered-models/get",
        "/api/3.0/mlflow/traces",
        "/ajax-api/3.0/mlflow/x",
        "/api/2.0/mlflow/registered-models/../get",
    ],
)
def test_address_when_nothing_is_there_then_not_found_in_english(path: str) -> None:
    for method in ("GET", "POST"):
        response = Client().generic(method, path, headers={"accept-language": "ko"})
        status, code, message = refusal(response)
        assert (status, code) == (404, "ENDPOINT_NOT_FOUND")
        assert message.isascii()


def test_method_when_another_then_405_with_those_that_are_served() -> None:
    mlflow = make_caller()
    response = mlflow.ask("PUT", "registered-models/create", {})
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert refusal(response)[1] == "ENDPOINT_NOT_FOUND"
    assert mlflow.refused("GET", "registered-models/delete")[0] == 405
    assert mlflow.ask("HEAD", "registered-models/search").status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {}, "BAD_REQUEST"),
        (b"[]", {}, "BAD_REQUEST"),
        (b'"x"', {}, "BAD_REQUEST"),
        (b'{"name": "a\\u0000b"}', {}, "INVALID_PARAMETER_VALUE"),
        (b'{"name": "\\ud800"}', {}, "INVALID_PARAMETER_VALUE"),
        (b"\xff", {}, "BAD_REQUEST"),
        (b'{"name": NaN}', {}, "INVALID_PARAMETER_VALUE"),
        (b"[" * 100_000, {}, "BAD_REQUEST"),
        (b"", {}, "INVALID_PARAMETER_VALUE"),
        (b"null", {}, "BAD_REQUEST"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_body_when_it_is_no_object_then_refused(body: bytes, headers: dict[str, str], code: str) -> None:
    told = make_caller().refused("POST", "registered-models/create", body, **headers)
    assert told[:2] == (400, code)


def test_body_when_of_another_type_or_too_large_then_refused(settings: Any) -> None:
    mlflow = make_caller()
    sent = {"authorization": f"Bearer {mlflow.key}"}
    path = "/api/2.0/mlflow/registered-models/create"
    told = refusal(Client().generic("POST", path, b"name=m", "application/x-www-form-urlencoded", headers=sent))
    assert told == (400, "BAD_REQUEST", "Content-Type must be application/json.")
    settings.MAX_JSON_BYTES = 1000
    status, code, message = mlflow.refused("POST", "registered-models/create", {"name": "x" * 2000})
    assert (status, code, message) == (413, "BAD_REQUEST", "The body is larger than 1000 bytes.")


WRONG = [
    ({"name": 5}, "Parameter 'name' must be a string, got '5'."),
    ({"name": ["a"]}, "Parameter 'name' must be a string"),
    ({"name": ""}, "Missing value for required parameter 'name'. See the API docs"),
    ({"name": None}, "Missing value for required parameter 'name'"),
    ({}, "Missing value for required parameter 'name'"),
    ({"name": "a/b"}, "name: must begin and end"),
    ({"name": "a:b"}, "name: must begin and end"),
    ({"name": "x" * 101}, "name: must have 1 to 100 characters"),
    ({"name": "x" * 30_000}, "exceeded length limit of 20000"),
    ({"name": "m", "description": "x" * 20_001}, "Parameter 'description' had length 20001"),
    ({"name": "m", "tags": "x"}, "Parameter 'tags' must be a list of objects"),
    ({"name": "m", "tags": [{"value": "x"}]}, "Missing value for required parameter 'key'"),
    ({"name": "m", "tags": [{"key": "k", "value": 5}]}, "Parameter 'value' must be a string"),
    ({"name": "m", "tags": [{"key": "k" * 251, "value": ""}]}, "key: must be 1 to 250"),
    ({"name": "m", "tags": [{"key": "k", "value": "x" * 100_001}]}, "exceeded length limit of 100000"),
    ({"name": "m", "deployment_job_id": "x" * 256}, "had length 256"),
]


def test_fields_when_they_are_wrong_then_named() -> None:
    mlflow = make_caller()
    for said, told in WRONG:
        status, code, message = mlflow.refused("POST", "registered-models/create", said)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert told in message


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("abc", (400, "Parameter 'version' must be an integer, got 'abc'.")),
        ("1.5", (400, "Parameter 'version' must be an integer, got '1.5'.")),
        ("１", (400, "Parameter 'version' must be an integer, got '１'.")),
        ("", (400, "Missing value for required parameter 'version'.")),
        ("7", (404, "Model Version (name=m, version=7) not found")),
        ("0", (404, "Model Version (name=m, version=0) not found")),
        ("-1", (404, "Model Version (name=m, version=-1) not found")),
        ("9" * 500, (404, "Model Version (name=m, version=0) not found")),
    ],
)
def test_version_when_it_is_none_then_told(version: str, told: tuple[int, str]) -> None:
    mlflow = make_caller()
    for method, path in (("GET", "model-versions/get"), ("DELETE", "model-versions/delete")):
        status, _code, message = mlflow.refused(method, path, {"name": "m", "version": version})
        assert (status, message[: len(told[1])]) == told


def test_query_when_a_field_comes_twice_or_with_nul_then_refused() -> None:
    mlflow = make_caller()
    told = mlflow.refused("GET", "registered-models/get", {"name": ["a", "b"]})
    assert told == (400, "INVALID_PARAMETER_VALUE", "Parameter 'name' must be a string, got '['a', 'b']'.")
    assert mlflow.refused("GET", "registered-models/get", {"name": "a\0b"})[:2] == (400, "BAD_REQUEST")


ODD = (None, {}, 1.5, True, "가" * 300, "'; DROP TABLE x;--", [None], -1)


def test_fields_when_they_are_anything_then_answered_or_refused() -> None:
    mlflow, names = make_caller(), (*SAID, "filter", "order_by", "max_results", "page_token", "tags", "stages")
    for (method, path), value in product(ROUTES, ODD):
        said = dict.fromkeys(names, str(value) if method == "GET" else value)
        for wrong in (said, SAID | {name: said[name] for name in names if name not in SAID}):
            response = mlflow.ask(method, path, wrong)
            assert response.status_code < 500, (path, value, response.content)


def test_server_when_asked_of_itself_then_it_says() -> None:
    assert Client().get("/health").content == b"OK"
    assert Client().get("/version").content == b"3.17.2"
    told: Mlflow | Any = Client().get("/api/3.0/mlflow/server-info").json()
    assert told["workspaces_enabled"] is False
