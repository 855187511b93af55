"""`/api/v1/feedback`: who may say and see what, lists, and repeats."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from feedback.models import Feedback
from tests.accounts.making import bearer, make_client, make_key, make_user, post
from tests.feedback.saying import make_call, make_version, say

pytestmark = pytest.mark.django_db
LIST = "/api/v1/feedback"


def read(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return orjson.loads(answer.content)


def key_client(user: Any, *scopes: str, **limits: Any) -> Client:
    return Client(headers=bearer(make_key(user, *scopes, **limits)[1]))


def test_client_when_judging_its_own_call_is_told_where_it_is() -> None:
    user = make_user("client")
    call = make_call(make_version(), user_id=user.pk)
    client = key_client(user, "feedback")
    body = {"request_id": str(call.pk), "thumb": -1, "correction": "환불"}
    answer = post(client, "feedback", body)
    made = read(answer, 201)
    assert (made["correction"], made["source"], made["thumb"]) == ("refund", "api", -1)
    assert answer.headers["Location"] == f"{LIST}/{made['id']}"
    assert read(post(client, "feedback", {**body, "comment": "다시"}))["id"] == made["id"]
    detail = read(client.get(answer.headers["Location"]))
    assert [one["said"]["comment"] for one in detail["revisions"]] == [""]
    linked = read(make_client(make_user("operator")).get(detail["request"]))["feedback"]
    assert read(client.get(linked))["results"][0]["id"] == made["id"]


def test_client_when_the_call_is_of_somebody_else_finds_nothing() -> None:
    mine, other = make_user("client"), make_user("client")
    call = make_call(user_id=other.pk)
    theirs = say(call, thumb=1).feedback
    client = key_client(mine, "feedback")
    body = {"request_id": str(call.pk), "thumb": 1}
    read(post(client, "feedback", body), 404)
    assert read(client.get(LIST))["results"] == []
    read(client.get(f"{LIST}/{theirs.pk}"), 404)
    read(post(make_client(make_user("reviewer")), "feedback", body), 201)
    read(post(make_client(make_user("auditor")), "feedback", body), 403)
    limited = key_client(make_user("operator"), "manage", allowed_models=["other"])
    read(post(limited, "feedback", body), 404)
    assert read(limited.get(LIST))["results"] == []


def test_end_user_when_named_by_an_application_is_a_person_of_their_own() -> None:
    user = make_user("client")
    call = make_call(user_id=user.pk)
    client = key_client(user, "feedback")
    for name in ("철수", "영희", "철수"):
        post(client, "feedback", {"request_id": str(call.pk), "rating": 4, "end_user": name})
    post(client, "feedback", {"request_id": str(call.pk), "rating": 2})
    assert Feedback.objects.count() == 3
    assert len(read(client.get(LIST))["results"]) == 3
    read(post(client, "feedback", {"request_id": str(call.pk), "rating": 4, "end_user": "a\nb"}), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"thumb": 3}, "thumb"),
        ({"rating": 6}, "rating"),
        ({"row": -1}, "row"),
        ({"row": 1}, "row"),
        ({"correction": {"a": 1}}, "correction"),
        ({"labels": ["x" * 61]}, "labels"),
        ({"request_id": "x"}, "request_id"),
        ({"request_id": None, "thumb": 1}, "request_id"),
    ],
)
def test_body_when_wrong_names_the_field(body: dict[str, Any], field: str) -> None:
    call = make_call(make_version())
    sent = {"request_id": str(call.pk), **body}
    error = read(post(make_client(make_user("operator")), "feedback", sent), 400)["error"]
    assert next(iter(error["fields"])).startswith(field)


def test_list_when_filtered_gives_what_fits_page_by_page() -> None:
    version = make_version()
    calls = [make_call(version) for _n in range(4)]
    for call in calls:
        say(call, thumb=-1)
    say(calls[0], person="user:2", thumb=1, rating=5, correction="환불")
    client = make_client(make_user("auditor"))
    for query, count in (
        ("thumb=-1", 4), ("thumb=1", 1), ("has_correction=true", 1), ("rating=5", 1), ("deployment=intent", 5),
        (f"version_id={version.pk}", 5), (f"request_id={calls[0].pk}", 2), ("deployment=none", 0),
        ("since=2020-01-01T00:00:00Z", 5), ("until=2020-01-01T00:00:00Z", 0), ("source=import", 0),
    ):  # fmt: skip
        assert len(read(client.get(f"{LIST}?{query}"))["results"]) == count, query
    first = read(client.get(f"{LIST}?page_size=2&thumb=-1"))
    second = read(client.get(first["next"]))
    assert not {one["id"] for one in first["results"]} & {one["id"] for one in second["results"]}
    assert second["next"] is None
    for wrong in ("thumb=7", "since=x", "request_id=x"):
        read(client.get(f"{LIST}?{wrong}"), 400)


def test_list_when_rows_grow_asks_no_more_often() -> None:
    client, counts = make_client(make_user("operator")), []
    for rows in (1, 8):
        for _n in range(rows):
            say(make_call(), thumb=1)
        client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_repeat_with_its_key_has_one_effect() -> None:
    call = make_call()
    client = make_client(make_user("operator"))
    body = {"request_id": str(call.pk), "thumb": -1}
    first = post(client, "feedback", body, headers={"Idempotency-Key": "a"})
    again = post(client, "feedback", body, headers={"Idempotency-Key": "a"})
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    other = post(client, "feedback", {**body, "thumb": 1}, headers={"Idempotency-Key": "a"})
    assert other.status_code == 422
    assert Feedback.objects.get().thumb == -1
