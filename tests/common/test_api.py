"""The REST edge: whatever is sent, the answer is JSON in the one error shape, and the next good call works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db import IntegrityError, OperationalError
from django.http import Http404
from django.test import Client, override_settings
from rest_framework import exceptions

from common.api.errors import json_error
from common.errors import Invalid, TooMany
from tests.accounts.making import make_client, make_user

KEYS = "/api/v1/api-keys"


@pytest.fixture
def client() -> Iterator[Client]:
    client = make_client(make_user("administrator"))
    yield client
    assert client.get("/api/v1/me").status_code == 200


def assert_error(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "fields", "request_id"}
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == answer["X-Request-ID"]
    return dict(error)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[" * 100_000, 400, "too_deep"),
        (b'{"name": "half \\ud800"}', 400, "invalid"),
        (b'{"name": "nul \\u0000"}', 400, "invalid"),
        (b'{"name": NaN}', 400, "invalid"),
        (b"{", 400, "malformed"),
        (b"\xff\xfe{", 400, "malformed"),
        (b"", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b'"text"', 400, "invalid"),
        (b"null", 400, "invalid"),
        (b'{"name": {"a": 1}, "scopes": "predict"}', 400, "invalid"),
        (b'{"name": "x", "scopes": [{}]}', 400, "invalid"),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', 413, "too_large"),
    ],
)
def test_body_when_bad_is_a_typed_error(client: Client, body: bytes, status: int, code: str) -> None:
    assert_error(client.post(KEYS, body, content_type="application/json"), status, code)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("get", "/api/v1/nowhere", {}, 404, "unknown_route"),
        ("get", "/api/v1/", {}, 404, "unknown_route"),
        ("get", "/api/nowhere", {}, 404, "unknown_route"),
        ("get", f"{KEYS}/{'0' * 32}", {}, 404, "not_found"),
        ("get", f"{KEYS}/{'-' * 36}", {}, 404, "not_found"),
        ("get", "/api/v1/users/nobody", {}, 404, "not_found"),
        ("get", "/api/v1/users/nul%00", {}, 404, "not_found"),
        ("delete", KEYS, {}, 405, "method_not_allowed"),
        ("put", "/api/v1/me", {}, 405, "method_not_allowed"),
        (
            "post",
            KEYS,
            {"data": "a=1", "content_type": "application/x-www-form-urlencoded"},
            415,
            "unsupported_media_type",
        ),
        ("post", KEYS, {"data": "<a/>", "content_type": "text/xml"}, 415, "unsupported_media_type"),
        ("get", "/api/v1/me", {"headers": {"Accept": "text/html"}}, 406, "not_acceptable"),
    ],
)
def test_call_when_not_ours_is_a_typed_error(
    client: Client, method: str, path: str, more: dict[str, Any], status: int, code: str
) -> None:
    assert_error(getattr(client, method)(path, **more), status, code)


@pytest.mark.django_db
def test_call_when_nobody_is_known_gets_a_challenge() -> None:
    answer = Client().get("/api/v1/me")
    assert_error(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
@override_settings(DEBUG=True)
def test_route_when_unknown_is_json_also_while_debugging() -> None:
    assert_error(Client().get("/api/v1/nowhere"), 404, "unknown_route")


@pytest.mark.django_db
def test_host_when_not_ours_is_a_typed_error() -> None:
    with override_settings(ALLOWED_HOSTS=["flueman.example"]):
        answer = Client().get("/api/v1/auth/token", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "<html" not in answer.content.decode().lower()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "not_allowed"),
        (ValidationError({"name": ["bad"]}), 400, "invalid"),
        (ValidationError("bad"), 400, "invalid"),
        (SuspiciousOperation(), 400, "malformed"),
        (IntegrityError(), 409, "conflict"),
        (OperationalError(), 503, "unavailable"),
        (exceptions.Throttled(3), 429, "too_many"),
        (exceptions.NotFound(), 404, "not_found"),
        (ZeroDivisionError(), 503, "unexpected"),
        (RecursionError(), 503, "unexpected"),
    ],
)
def test_error_of_any_kind_when_told_has_its_status(error: Exception, status: int, code: str) -> None:
    answer = json_error(error)
    assert answer.status_code == status
    assert f'"{code}"'.encode() in answer.content


def test_error_when_it_names_fields_tells_them_flat() -> None:
    nested = exceptions.ValidationError({"rows": [{}, {"name": ["bad", "worse"]}], "non_field_errors": ["no"]})
    body = json_error(nested).content.decode()
    assert '"rows[1].name":"bad worse"' in body
    assert '"message":"no"' in body


def test_error_when_one_may_come_again_says_when() -> None:
    assert json_error(TooMany("slow down", retry_after_s=7))["Retry-After"] == "7"
    assert "Retry-After" not in json_error(Invalid("no"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "with space in it", "<script>alert</script>", "줄바꿈줄바꿈줄바꿈"]
)
def test_request_id_when_odd_is_replaced(given: str) -> None:
    answer = Client().get("/api/v1/me", HTTP_X_REQUEST_ID=given)
    assert answer["X-Request-ID"] != given
    assert Client().get("/api/v1/me", HTTP_X_REQUEST_ID="good-request-id")["X-Request-ID"] == "good-request-id"
