"""Asynchronous predictions: accepted, answered once, told, cancelled, forgotten."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services import create_api_key, create_user, revoke_api_key
from common.errors import Unavailable
from files.models import Blob
from guards.services import bump
from inference.asynchronous import services
from inference.engine import get_engine
from inference.models import AsynchronousPrediction, InferenceRequest, Prediction, RunnerState
from inference.running import Running
from notify.models import Delivery
from notify.subscriptions import create_webhook
from tests.host.hosting import until

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {"inputs": {"x": [[1, 2, 3, 4]]}}
LATER = "/api/v1/deployments/small/predict-async"


def post(small: Any, body: Any, *, path: str = LATER, key: str = "", **headers: str) -> Any:
    """Call the REST API with the key of the deployment's caller."""
    content = body if isinstance(body, bytes) else json.dumps(body)
    return Client().post(
        path, content, content_type="application/json", headers={"x-api-key": key or small.key, **headers}
    )


def get(small: Any, path: str, key: str = "") -> Any:
    """Read from the REST API."""
    return Client().get(path, headers={"x-api-key": key or small.key})


def set_served(small: Any, is_served: bool) -> None:
    """Take the version's process away from web, or give it back."""
    place = str(small.process.socket_path) if is_served else ""
    RunnerState.objects.update(state="ready" if is_served else "starting", socket_path=place)
    bump("routes")
    small.refresh()


def until_ended(small: Any, location: str) -> dict[str, Any]:
    """Ask until it has ended."""

    def ended() -> dict[str, Any] | None:
        data = get(small, location).json()
        return data if data["state"] not in ("queued", "running") else None

    return until(ended)


def test_async_when_accepted_is_answered_later_and_kept_as_one_request(small):
    answer = post(small, BODY)
    assert answer.status_code == 202, answer.content
    assert answer.json()["state"] == "queued"
    assert answer["Location"] == f"/api/v1/asynchronous-predictions/{answer.json()['id']}"
    done = until_ended(small, answer["Location"])
    assert done["state"] == "succeeded", done
    assert done["result"]["outputs"]["y"] == [[10.0, 20.0]]
    assert done["error"] is None
    row = InferenceRequest.objects.get()
    assert str(row.pk) == done["request_id"] == done["result"]["request_id"]
    assert (row.door, row.status, Prediction.objects.count()) == ("async", 200, 1)
    listed = get(small, "/api/v1/asynchronous-predictions").json()["results"]
    assert [one["id"] for one in listed] == [done["id"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": {"x": [["a", 2, 3, 4]]}}, 400),
        ({"inputs": {"z": [[1, 2, 3, 4]]}}, 400),
        (b"{", 400),
        (b"", 400),
        (b"[1]", 400),
        ({**BODY, "webhook": "nobody"}, 400),
        ({**BODY, "webhook": 7}, 400),
    ],
)
def test_async_when_the_body_is_wrong_is_refused_at_once(small, body, status):
    answer = post(small, body)
    assert answer.status_code == status
    assert answer.json()["error"]["code"]
    assert not AsynchronousPrediction.objects.exists()


def test_async_when_repeated_with_its_key_gives_the_same_answer_and_runs_once(small):
    first, second = (post(small, BODY, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert second.status_code == 202
    assert second["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()
    assert second["Location"] == first["Location"]
    assert post(small, {"inputs": {"x": [[9, 9, 9, 9]]}}, **{"Idempotency-Key": "k1"}).status_code == 422
    until_ended(small, first["Location"])
    assert AsynchronousPrediction.objects.count() == Prediction.objects.count() == 1


def test_async_when_its_process_died_after_the_commit_gives_the_kept_answer_and_no_second_prediction(small):
    made = post(small, BODY)
    before = until_ended(small, made["Location"])
    dead = timezone.now() - timedelta(seconds=1)
    AsynchronousPrediction.objects.update(
        state="running", attempts=1, result="", request_id=None, due_at=dead, finished_at=None
    )
    after = until_ended(small, made["Location"])
    assert after["state"] == "succeeded"
    assert after["request_id"] == before["request_id"]
    assert after["attempts"] == 2
    assert InferenceRequest.objects.count() == Prediction.objects.count() == 1


def test_async_when_its_process_dies_at_every_attempt_is_given_up(small):
    set_served(small, False)
    made = post(small, BODY)
    AsynchronousPrediction.objects.update(
        state="running",
        claim=None,
        attempts=services.MOST_ATTEMPTS,
        due_at=timezone.now() - timedelta(seconds=1),
    )
    done = until_ended(small, made["Location"])
    assert (done["state"], done["error"]["code"]) == ("failed", "given_up")


@pytest.mark.parametrize(
    ("code", "is_lost"),
    [("runner_lost", True), ("remote_lost", True), ("deadline_exceeded", True), ("not_ready", False)],
)
def test_async_when_its_call_ends_the_process_again_and_again_then_given_up_after_few_attempts(
    small, monkeypatch, code, is_lost
):
    tries = []

    async def run(_running, _endpoint, _ask, _answer):
        tries.append(1)
        raise Unavailable("gone", code=code)

    monkeypatch.setattr(Running, "run", run)
    monkeypatch.setattr(services, "LONGEST_PAUSE_S", 0.01)
    made = post(small, BODY)
    if not is_lost:  # nothing was sent: that may go on until the deadline
        assert until(lambda: len(tries) > 8)
        assert get(small, made["Location"]).json()["state"] in ("queued", "running")
        assert not InferenceRequest.objects.exists()
        return
    done = until_ended(small, made["Location"])
    assert (done["state"], done["error"]["code"]) == ("failed", "given_up")
    assert len(tries) == done["attempts"] == services.MOST_ATTEMPTS
    row = InferenceRequest.objects.get()
    assert (row.door, row.status, row.error_code) == ("async", 503, code)


def test_async_when_the_version_is_not_there_waits_for_it_and_fails_at_its_deadline(small):
    set_served(small, False)
    made, late = post(small, BODY), post(small, BODY)
    until(lambda: get(small, made["Location"]).json()["error"])
    AsynchronousPrediction.objects.filter(pk=late.json()["id"]).update(deadline_at=timezone.now())
    assert until_ended(small, late["Location"])["state"] == "failed"
    set_served(small, True)
    done = until_ended(small, made["Location"])
    assert (done["state"], done["attempts"]) == ("succeeded", 1)
    assert sorted(InferenceRequest.objects.values_list("status", flat=True)) == [200, 503]  # waiting is no failed call


def test_async_when_cancelled_is_over_and_cannot_be_cancelled_again(small):
    set_served(small, False)
    made = post(small, BODY)
    path = f"{made['Location']}/cancel"
    assert post(small, b"", path=path).json()["state"] == "cancelled"
    assert post(small, b"", path=path).status_code == 409
    time.sleep(0.3)
    assert get(small, made["Location"]).json()["state"] == "cancelled"


def test_async_when_its_key_ends_before_its_turn_is_not_run(small):
    set_served(small, False)
    key, secret = create_api_key(
        name="gone", user=small.user, scopes=["predict"], allowed_models=[], expires_at=None, actor=small.user
    )
    made = post(small, BODY, key=secret)
    assert made.status_code == 202
    revoke_api_key(key=key, actor=small.user)
    small.refresh()
    done = until_ended(small, made["Location"])
    assert (done["state"], done["error"]["code"]) == ("failed", "caller_ended")
    assert not Prediction.objects.exists()


def test_async_when_somebody_else_asks_is_unknown_to_them(small):
    made = post(small, BODY)
    other = create_user(username="other", password=None, roles=["client"], actor=None)
    _, secret = create_api_key(
        name="o", user=other, scopes=["predict"], allowed_models=[], expires_at=None, actor=other
    )
    _, narrow = create_api_key(
        name="n", user=small.user, scopes=["predict"], allowed_models=["else"], expires_at=None, actor=small.user
    )
    for key in (secret, narrow):
        assert get(small, made["Location"], key).status_code == 404
        assert post(small, b"", path=f"{made['Location']}/cancel", key=key).status_code == 404
        assert get(small, "/api/v1/asynchronous-predictions", key).json()["results"] == []
    assert post(small, BODY, key=narrow).status_code == 403
    assert post(small, BODY, path="/api/v1/deployments/none/predict-async").status_code == 404


def test_async_when_over_its_limit_is_refused_at_the_door_and_counted_once(small):
    _, secret = create_api_key(
        name="few", user=small.user, scopes=["predict"], allowed_models=[], expires_at=None, actor=small.user,
        per_minute=2, burst=2, rows_per_minute=1000,
    )  # fmt: skip
    answers = [post(small, BODY, key=secret) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    rows = len(BODY["inputs"]["x"])
    assert f'"rows";r={1000 - rows};' in answers[0]["RateLimit"]
    until(lambda: AsynchronousPrediction.objects.filter(state="succeeded").count() == 2)


def test_async_when_a_webhook_is_named_tells_it_without_the_answer(small, settings):
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    create_webhook(name="hook", url="https://hooks.example.com/x", events=["prediction.finished"], actor=None)
    create_webhook(name="deaf", url="https://hooks.example.com/y", events=["job.failed"], actor=None)
    assert post(small, {**BODY, "webhook": "deaf"}).status_code == 400
    made = post(small, {**BODY, "webhook": "hook"})
    assert made.json()["webhook"] == "hook"
    done = until_ended(small, made["Location"])
    (notice,) = Delivery.objects.all()
    told = json.loads(notice.body)
    assert told["type"] == "prediction.finished"
    assert (told["data"]["id"], told["data"]["state"]) == (done["id"], "succeeded")
    assert "outputs" not in told["data"]
    assert [10.0, 20.0] not in told["data"].values()


def test_async_when_the_body_is_large_keeps_it_as_a_blob_until_it_is_forgotten(small, settings):

    settings.INLINE_INPUT_BYTES = 1024
    rows = [[n * 1.25, 2, 3, 4] for n in range(1000)]
    body = json.dumps({"inputs": {"x": rows}}, indent=8).encode()
    done = until_ended(small, post(small, body)["Location"])
    assert done["result"]["outputs"]["y"][2] == [11.5, 23.0]
    made = AsynchronousPrediction.objects.get()
    blob = Blob.objects.get(pk=made.body_blob)
    held = blob.references
    assert held >= 1
    assert services.forget_old() == 0
    AsynchronousPrediction.objects.update(due_at=timezone.now())
    assert services.forget_old() == 1
    blob.refresh_from_db()
    assert blob.references == held - 1
    assert get(small, f"/api/v1/asynchronous-predictions/{made.pk}").status_code == 404


def test_async_when_many_wait_answers_each_once(small):
    engine = get_engine()
    locations = [post(small, {"inputs": {"x": [[n, 0, 0, 0]]}})["Location"] for n in range(40)]
    answers = [until_ended(small, location)["result"]["outputs"]["y"][0][0] for location in locations]
    assert answers == [float(n) for n in range(40)]
    assert Prediction.objects.count() == 40
    assert engine.waiting_rows("small") == 0
