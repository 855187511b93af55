"""`Idempotency-Key` at the doors of the REST API: one effect, one answer, whatever is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from accounts.models import ApiKey, User
from accounts.services import create_api_key
from audit.models import AuditEvent
from files.models import StoredFile
from guards.api import Idempotent
from guards.models import IdempotencyRecord
from tests.admin.making import make_person
from tests.walk.routes import rest_routes

# POSTs that take no key, and why. Everything else on the router does.
WITHOUT = {
    "token": "nobody is known yet, and tokens are kept nowhere",
    "refresh": "a refresh token works once by itself",
    "predict": "the prediction path keeps its own answers, in the commit of the prediction",
    "complete": "finishing an upload twice changes nothing",
    "addresses": "has no effect",
    "next": "gives the item that is before the person already",
    "preview": "has no effect",
}


@pytest.fixture
def client(db: Any) -> Client:
    return make_client("administrator")


def make_client(role: str, name: str = "") -> Client:
    user = make_person(role, name)
    _, text = create_api_key(user=user, actor=user, name="test", scopes=["manage"])
    return Client(headers={"Authorization": f"Bearer {text}"})


def post(client: Client, path: str, body: Any, key: str | None = "k-1", **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers, **more)


def make_key(client: Client, name: str = "앱", **more: Any) -> Any:
    return post(client, "api-keys", {"name": name, "scopes": ["predict"]}, **more)


def test_post_when_repeated_then_one_effect_and_the_first_answer(client: Client) -> None:
    first = post(client, "models", {"name": "intent", "task": "text-classification"})
    again = post(client, "models", {"task": "text-classification", "name": "intent"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert AuditEvent.objects.filter(action="registry.model_registered").count() == 1


def test_post_when_without_key_then_nothing_is_kept(client: Client) -> None:
    assert [make_key(client, key=None).status_code for _ in range(2)] == [201, 201]
    assert not IdempotencyRecord.objects.exists()


def test_post_when_other_body_then_422_and_no_effect(client: Client) -> None:
    make_key(client)
    refused = make_key(client, name="다른 앱")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert ApiKey.objects.filter(name="다른 앱").count() == 0


def test_post_when_other_query_then_422(client: Client) -> None:
    make_key(client)
    refused = post(client, "api-keys?a=1", {"name": "앱", "scopes": ["predict"]})
    assert refused.status_code == 422


def test_post_when_other_caller_or_route_then_not_the_same_key(client: Client) -> None:
    other = make_client("administrator", "other")
    assert make_key(client).json()["id"] != make_key(other).json()["id"]
    assert post(client, "models", {"name": "m"}).status_code == 201
    for name in ("a", "b"):
        User.objects.create_user(name)
        assert post(client, f"users/{name}/deactivate", {}).json()["username"] == name


def test_post_when_the_answer_held_a_secret_then_it_is_kept_nowhere(client: Client) -> None:
    first = make_key(client).json()
    again = make_key(client).json()
    assert again == {**first, "key": None}
    assert first["key"]
    assert first["key"] not in str(IdempotencyRecord.objects.values().get())
    assert ApiKey.objects.filter(name="앱").count() == 1


@pytest.mark.parametrize("bad", [{"name": "", "scopes": ["predict"]}, {"name": "x", "scopes": ["nothing"]}])
def test_post_when_refused_then_the_key_may_be_used_again(client: Client, bad: Any) -> None:
    assert post(client, "api-keys", bad).status_code == 400
    assert make_key(client).status_code == 201


def test_post_when_forbidden_then_no_key_is_claimed(db: Any) -> None:
    assert post(make_client("operator"), "users", {"username": "x"}).status_code == 403
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("key", ["", "k" * 256, "한글", "tab\tkey"])
def test_post_when_the_key_is_none_then_400(client: Client, key: str) -> None:
    refused = make_key(client, key=key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_key")


def test_post_when_the_same_call_is_under_way_then_409_with_retry_after(client: Client) -> None:
    make_key(client)
    IdempotencyRecord.objects.update(status=None, body="")
    refused = make_key(client)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "idempotency_in_flight")
    assert int(refused.headers["Retry-After"]) >= 1


def test_post_when_malformed_then_400_and_nothing_is_claimed(client: Client) -> None:
    refused = client.post("/api/v1/models", "{", content_type="application/json", headers={"Idempotency-Key": "k"})
    assert refused.status_code == 400
    assert not IdempotencyRecord.objects.exists()


def test_post_when_the_path_is_long_then_still_one_record(client: Client) -> None:
    name = "n" * 150
    User.objects.create_user(name)
    assert [post(client, f"users/{name}/deactivate", {}).status_code for _ in range(2)] == [200, 200]
    assert IdempotencyRecord.objects.count() == 1


def test_upload_when_repeated_then_one_file(client: Client) -> None:
    def send(content: bytes) -> Any:
        body = {"file": SimpleUploadedFile("a.txt", content)}
        return client.post("/api/v1/files", body, headers={"Idempotency-Key": "k"})

    first, again, other = send(b"one"), send(b"one"), send(b"two")
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json() == first.json()
    assert StoredFile.objects.count() == 1


def test_post_when_the_location_is_told_then_the_replay_tells_it_too(client: Client) -> None:
    body = {"name": "a.bin", "size_bytes": 3}
    first, again = post(client, "uploads", body), post(client, "uploads", body)
    assert first.headers["Location"] == again.headers["Location"]


@pytest.mark.django_db(transaction=True)
def test_post_when_refused_with_an_event_then_the_event_outlives_it() -> None:
    body = {"name": "empty.bin", "size_bytes": 0, "sha256": "0" * 64}
    refused = post(make_client("administrator"), "uploads", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "wrong_hash")
    assert AuditEvent.objects.filter(action="files.upload_refused").count() == 1


@pytest.mark.django_db(transaction=True)
def test_post_when_many_send_it_at_once_then_one_effect() -> None:
    client = make_client("administrator")
    token = client.defaults["HTTP_AUTHORIZATION"]
    statuses: list[int] = []
    ready = threading.Barrier(8)

    def send() -> None:
        ready.wait(10)
        statuses.append(make_key(Client(headers={"Authorization": token})).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert ApiKey.objects.filter(name="앱").count() == 1


def test_routes_when_they_are_posts_take_the_key_or_say_why_not() -> None:
    assert [line for line in rest_routes(get_resolver("flueman.api").url_patterns) if line.startswith("POST")]
    without, wrong = set(), []
    for action, cls in posts():
        if action in WITHOUT:
            without.add(action)
        elif not issubclass(cls, Idempotent) or action in cls.own_keys:
            wrong.append(f"{cls.__name__}.{action}")
    assert wrong == []
    assert without == set(WITHOUT)


def posts() -> list[tuple[str, type]]:
    """Give action and view of each POST of the REST API."""
    found, below = [], list(get_resolver("flueman.api").url_patterns)
    while below:
        pattern = below.pop()
        below += getattr(pattern, "url_patterns", [])
        actions = getattr(getattr(pattern, "callback", None), "actions", None) or {}
        if "post" in actions:
            found.append((actions["post"], pattern.callback.cls))
    return found
