"""Webhooks of MLflow's protocol, against receivers that also misbehave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from notify import subscriptions
from notify.models import Delivery, Webhook
from registry.services import refuse, start_check
from tests.attacks.outgoing.servers import HttpServer, say
from tests.mlflow.calls import Mlflow, make_caller
from tests.notify.making import work_off
from tests.notify.test_webhooks import header
from tests.registry.make import make_version

pytestmark = pytest.mark.django_db
ALL = [
    ("registered_model", "created"), ("model_version", "created"), ("model_version_tag", "set"),
    ("model_version_tag", "deleted"), ("model_version_alias", "created"), ("model_version_alias", "deleted"),
]  # fmt: skip
EVENTS = [{"entity": entity.upper(), "action": action.upper()} for entity, action in ALL]


@pytest.fixture
def mlflow() -> Mlflow:
    return make_caller()


@pytest.fixture
def receiver(settings: Any) -> Iterator[HttpServer]:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    server = HttpServer(lambda *_: say("200 OK", b"thanks"))
    yield server
    server.close()


def make(mlflow: Mlflow, url: str, **more: Any) -> Any:
    return mlflow("POST", "webhooks", **{"name": "hook", "url": url, "events": EVENTS, **more})["webhook"]


def told(request: bytes) -> tuple[str, str, Any]:
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    assert set(body) == {"entity", "action", "timestamp", "data"}
    return body["entity"], body["action"], body["data"]


def is_signed(request: bytes, secret: str) -> bool:
    """Check a call as MLflow's documentation tells receivers to."""
    stamp, delivery = header(request, "x-mlflow-timestamp"), header(request, "x-mlflow-delivery-id")
    payload = request.partition(b"\r\n\r\n")[2].decode()
    digest = hmac.new(secret.encode(), f"{delivery}.{stamp}.{payload}".encode(), hashlib.sha256).digest()
    return header(request, "x-mlflow-signature") == f"v1,{base64.b64encode(digest).decode()}"


def run_once(mlflow: Mlflow) -> None:
    """Make each kind of event happen once."""
    mlflow("POST", "registered-models/create", name="m", description="d", tags=[{"key": "a", "value": "b"}])
    mlflow("POST", "model-versions/create", name="m", source="s3://b/m", run_id="r", tags=[])
    mlflow("POST", "model-versions/set-tag", name="m", version="1", key="k", value="v")
    mlflow("DELETE", "model-versions/delete-tag", name="m", version="1", key="k")
    mlflow("POST", "registered-models/alias", name="m", alias="champion", version="1")
    mlflow("DELETE", "registered-models/alias", name="m", alias="champion")


def test_events_when_they_happen_then_told_signed_in_mlflows_form(mlflow: Mlflow, receiver: HttpServer) -> None:
    made = make(mlflow, receiver.url, secret="비밀 secret")
    assert "secret" not in made
    run_once(mlflow)
    assert set(work_off()) == {"succeeded"}
    by_event = {told(request)[:2]: told(request)[2] for request in receiver.requests}
    assert set(by_event) == set(ALL)
    assert by_event["registered_model", "created"] == {"name": "m", "tags": {"a": "b"}, "description": "d"}
    assert by_event["model_version", "created"] == {
        "name": "m", "version": "1", "source": "s3://b/m", "run_id": "r", "tags": {}, "description": "",
    }  # fmt: skip
    assert by_event["model_version_tag", "set"] == {"name": "m", "version": "1", "key": "k", "value": "v"}
    assert by_event["model_version_tag", "deleted"] == {"name": "m", "version": "1", "key": "k"}
    assert by_event["model_version_alias", "created"] == {"name": "m", "alias": "champion", "version": "1"}
    assert by_event["model_version_alias", "deleted"] == {"name": "m", "alias": "champion"}
    assert all(is_signed(request, "비밀 secret") for request in receiver.requests)
    assert len({header(request, "x-mlflow-delivery-id") for request in receiver.requests}) == len(ALL)
    assert Webhook.objects.get().secret.startswith("sealed1.")


def test_events_when_one_is_wanted_without_a_secret_then_only_that_and_unsigned(
    mlflow: Mlflow, receiver: HttpServer
) -> None:
    make(mlflow, receiver.url, events=EVENTS[:1])
    make(mlflow, receiver.url, name="off", status="DISABLED")
    run_once(mlflow)
    work_off()
    assert [told(request)[:2] for request in receiver.requests] == ALL[:1]
    assert header(receiver.requests[0], "x-mlflow-signature") == ""


def test_version_when_it_comes_by_another_door_then_told_too(
    mlflow: Mlflow, receiver: HttpServer, tmp_path: Any
) -> None:
    make(mlflow, receiver.url, events=EVENTS[1:2])
    version = make_version(tmp_path)
    start_check(version=version)
    refuse(version=version, reason="x", report={})
    for delivery in Delivery.objects.filter(kind="webhook"):
        assert json.loads(delivery.body)["data"]["name"] == "numbers"
    assert Delivery.objects.filter(event="model_version.created").count() == 1


def test_webhook_when_read_changed_and_removed_then_as_said(mlflow: Mlflow) -> None:
    made = make(mlflow, "https://example.com/h", description="d", secret="a")
    assert made["events"] == EVENTS or {tuple(one.values()) for one in made["events"]} == {
        tuple(one.values()) for one in EVENTS
    }
    key = made["webhook_id"]
    assert mlflow("GET", f"webhooks/{key}")["webhook"] == made
    assert (made["status"], made["description"], made["url"]) == ("ACTIVE", "d", "https://example.com/h")
    changed = mlflow("PATCH", f"webhooks/{key}", name="other", description="", status="DISABLED", secret="b",
                     events=EVENTS[:2])["webhook"]  # fmt: skip
    assert (changed["name"], changed["description"], changed["status"]) == ("other", "", "DISABLED")
    assert (len(changed["events"]), changed["url"]) == (2, made["url"])
    assert changed["last_updated_timestamp"] >= made["last_updated_timestamp"]
    assert mlflow("PATCH", f"webhooks/{key}", secret="")["webhook"]["status"] == "DISABLED"
    assert Webhook.objects.get().secret == ""
    make(mlflow, "https://example.com/i", name="second")
    page = mlflow("GET", "webhooks", max_results=1)
    assert [one["name"] for one in page["webhooks"]] == ["other"]
    rest = mlflow("GET", "webhooks", max_results=1, page_token=page["next_page_token"])
    assert ([one["name"] for one in rest["webhooks"]], rest["next_page_token"]) == (["second"], "")
    assert mlflow("DELETE", f"webhooks/{key}") == {}
    assert mlflow.refused("GET", f"webhooks/{key}") == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
        f"Webhook with ID {key} not found.",
    )


def test_webhook_when_of_our_own_form_then_not_seen_here(mlflow: Mlflow) -> None:
    own, _secret = subscriptions.create_webhook(
        name="own", url="https://example.com/h", events=["job.failed"], actor=None
    )
    assert mlflow("GET", "webhooks")["webhooks"] == []
    for method in ("GET", "PATCH", "DELETE"):
        assert mlflow.refused(method, f"webhooks/{own.pk}")[0] == 404


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"url": "http://127.0.0.1/x"}, "cannot be opened"),
        ({"url": "http://169.254.169.254/latest"}, "cannot be opened"),
        ({"url": "file:///etc/passwd"}, "cannot be opened"),
        ({"url": "https://example.com:22/"}, "cannot be opened"),
        ({"url": ""}, "Missing value for required parameter 'url'"),
        ({"events": []}, "Missing value for required parameter 'events'"),
        ({"events": ["registered_model.created"]}, "must be a list of objects"),
        ({"events": [{"entity": "REGISTERED_MODEL", "action": "DELETED"}]}, "Invalid action 'deleted' for entity"),
        ({"events": [{"entity": "PROMPT_VERSION", "action": "CREATED"}]}, "There are no prompts"),
        ({"events": [{"entity": "BUDGET_POLICY", "action": "EXCEEDED"}]}, "no budgets"),
        ({"events": [{"action": "CREATED"}]}, "Missing value for required parameter 'entity'"),
        ({"status": "SLEEPING"}, "Invalid webhook status"),
        ({"name": "x" * 101}, "had length 101"),
        ({"secret": 5}, "Parameter 'secret' must be a string"),
    ],
)
def test_webhook_when_a_field_is_wrong_then_refused(mlflow: Mlflow, more: dict[str, Any], said: str) -> None:
    status, code, message = mlflow.refused(
        "POST", "webhooks", {"name": "hook", "url": "https://example.com/h", "events": EVENTS, **more}
    )
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert said in message
    assert not Webhook.objects.exists()


def test_test_when_called_then_its_answer_comes_back_at_once(mlflow: Mlflow, receiver: HttpServer) -> None:
    key = make(mlflow, receiver.url, secret="s")["webhook_id"]
    result = mlflow("POST", f"webhooks/{key}/test")["result"]
    assert result == {"success": True, "response_status": 200, "response_body": "thanks", "error_message": ""}
    event = {"entity": "MODEL_VERSION_TAG", "action": "SET"}
    assert mlflow("POST", f"webhooks/{key}/test", event=event)["result"]["success"]
    assert told(receiver.requests[1])[:2] == ("model_version_tag", "set")
    assert is_signed(receiver.requests[1], "s")
    assert {one.state for one in Delivery.objects.all()} == {"sent"}


def test_test_when_the_receiver_fails_or_is_gone_then_told_and_not_tried_again(mlflow: Mlflow, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    server = HttpServer(lambda *_: say("500 Oops", b"x" * 5000))
    key = make(mlflow, server.url)["webhook_id"]
    result = mlflow("POST", f"webhooks/{key}/test")["result"]
    assert (result["success"], result["response_status"], len(result["response_body"])) == (False, 500, 1024)
    server.close()
    result = mlflow("POST", f"webhooks/{key}/test")["result"]
    assert (result["success"], result["response_status"]) == (False, None)
    assert result["error_message"]
    assert {one.state for one in Delivery.objects.all()} == {"dead"}
    assert mlflow.refused("POST", "webhooks/x/test")[0] == 404


def test_webhooks_when_the_key_is_for_some_deployments_then_all_are_refused(mlflow: Mlflow) -> None:
    made = make(mlflow, "https://hook.example.com/")
    narrow, one = make_caller(name="jiwoo", allowed_models=["intent"]), f"webhooks/{made['webhook_id']}"
    asked = [("GET", "webhooks"), ("POST", "webhooks"), ("GET", one), ("PATCH", one), ("DELETE", one)]
    for method, path in [*asked, ("POST", f"{one}/test")]:
        status, code, message = narrow.refused(method, path, {"name": "x", "url": "https://x.example.com/"})
        assert (status, code) == (403, "PERMISSION_DENIED"), (method, path)
        assert "notices tell of all of them" in message
    assert narrow.ask("GET", "registered-models/search").status_code == 200
    assert Webhook.objects.get().name == "hook"
