"""From an answer to an end user's words: the token in the answer, and the door that takes it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest
from django.test import Client

from feedback.models import Feedback
from guards.limits import Limit
from inference.feedback_tokens import issue
from tests.accounts.making import bearer, make_client, make_user, post
from tests.feedback.saying import make_call, make_version
from tests.inference.serving import Serving

pytestmark = pytest.mark.django_db(transaction=True)
DOOR = "feedback/by-token"


def read(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return orjson.loads(answer.content)


def test_answer_when_asked_brings_a_token_that_takes_the_words_of_its_row(small: Serving) -> None:
    plain = small.predict([1, 2, 3, 4])
    assert "x-flueman-feedback-token" not in plain.headers
    answer = small.predict([1, 2, 3, 4], x_flueman_feedback="token; end-user=kim")
    token = answer.headers["x-flueman-feedback-token"]
    said = read(post(Client(), DOOR, {"token": token, "thumb": -1, "comment": "별로"}), 201)
    assert said["request_id"].replace("-", "") == answer.headers["x-request-id"].replace("-", "")
    kept = Feedback.objects.get()
    assert (kept.person, kept.source, kept.user_id, kept.deployment) == ("kim", "end_user", small.user.pk, "small")
    read(post(Client(), DOOR, {"token": token, "thumb": 1}))
    assert Feedback.objects.get().thumb == 1
    assert small.predict([1, 2, 3, 4], x_flueman_feedback="please").status == 400
    rest = Client(headers={**bearer(small.key), "X-Flueman-Feedback": "token"})
    friendly = post(rest, "deployments/small/predict", {"inputs": {"x": [[1, 2, 3, 4]]}})
    read(post(Client(), DOOR, {"token": friendly.headers["X-Flueman-Feedback-Token"], "rating": 5}), 201)
    repeated = {"x_flueman_feedback": "token", "idempotency_key": "once"}
    first, again = (small.predict([4, 3, 2, 1], **repeated) for _n in range(2))
    assert "x-flueman-feedback-token" in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert "x-flueman-feedback-token" not in again.headers


def test_token_when_asked_for_later_is_for_one_row_of_ones_own_call() -> None:
    user = make_user("client")
    call = make_call(make_version(), user_id=user.pk, rows=2)
    client = make_client(user)
    made = read(post(client, f"requests/{call.pk}/feedback-token", {"row": 1, "end_user": "lee"}), 201)
    read(post(client, f"requests/{call.pk}/feedback-token", {"row": 2}), 400)
    read(post(make_client(make_user("client")), f"requests/{call.pk}/feedback-token"), 404)
    read(post(make_client(make_user("auditor")), f"requests/{call.pk}/feedback-token"), 403)
    body = {"token": made["token"], "correction": "환불"}
    said = read(post(Client(), DOOR, {**body, "request_id": str(call.pk), "row": 1}), 201)
    assert (said["row"], said["correction"]) == (1, "refund")
    for other in ({"row": 0}, {"request_id": str(make_call().pk)}):
        error = read(post(Client(), DOOR, {**body, **other}), 403)["error"]
        assert error["code"] == "wrong_target"


def test_token_when_over_forged_or_of_a_call_that_is_gone_is_refused() -> None:
    call = make_call()
    for token, status, code in (
        (issue(request_id=call.pk, hours=-1)[0], 401, "expired_feedback_token"),
        (issue(request_id=call.pk)[0][:-2] + "AA", 401, "unknown_feedback_token"),
        (issue(request_id=call.pk, row=9)[0], 400, "unknown_row"),
        (issue(request_id=UUID(int=7))[0], 404, "unknown_target"),
    ):
        error = read(post(Client(), DOOR, {"token": token, "thumb": 1}), status)["error"]
        assert error["code"] == code
    assert read(post(Client(), DOOR, {"thumb": 1}), 400)["error"]["fields"].keys() == {"token"}
    good = issue(request_id=call.pk)[0]
    assert post(Client(headers=bearer(good)), "feedback", {"request_id": str(call.pk), "thumb": 1}).status_code == 401
    assert Client(headers=bearer(good)).get("/api/v1/feedback").status_code == 401


def test_address_when_it_calls_too_often_is_slowed_down(settings: Any) -> None:
    settings.ANONYMOUS_LIMIT = Limit(60, 2)
    token = issue(request_id=make_call().pk)[0]
    statuses = [post(Client(), DOOR, {"token": token, "thumb": 1}).status_code for _n in range(4)]
    assert statuses[:2] == [201, 200]
    assert statuses[-1] == 429
