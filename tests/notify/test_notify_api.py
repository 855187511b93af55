"""Webhooks, mailboxes and deliveries by REST and by command: the rules of the back office, and no secret twice."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from audit.models import AuditEvent
from common.errors import Conflict, NotFound
from common.sealing import unseal
from guards.models import IdempotencyRecord
from jobs.models import Job
from notify import events, mlflow_calls, services, subscriptions
from notify.models import Attempt, Channel, Delivery, Webhook
from tests.accounts.making import bearer, make_client, make_key, make_user, patch, post
from tests.notify.making import again, make_channel, make_letter, make_webhook, work_off

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/T0/B0/hidden-path"
HOOK = {"name": "ops", "url": URL, "events": ["job.failed", "deployment.changed"]}
MAILBOX = {"name": "운영팀", "address": "ops@example.com", "language": "ko", "events": ["job.failed"]}
CHANGED = {"deployment": "intent", "before": "intent v6", "after": "intent v7"}


@pytest.fixture
def ruler() -> Client:
    return make_client(make_user("administrator"))


def error(response: Any) -> tuple[int, str, list[str]]:
    told = response.json()["error"]
    return response.status_code, told["code"], sorted(told["fields"])


def publish() -> Delivery:
    return services.publish(event="deployment.changed", payload=CHANGED)[0]


def give_up(delivery: Delivery, **more: Any) -> None:
    fields = {"state": "dead", "error": "HTTP 500", "due_at": None, "finished_at": timezone.now()}
    Delivery.objects.filter(pk=delivery.pk).update(**(fields | more))


def everything_kept() -> str:
    """Give what else could have kept a secret: the audit, the answers for repeats, the jobs."""
    models = (AuditEvent, IdempotencyRecord, Job, Delivery)
    return repr([list(model.objects.values()) for model in models])


def test_webhook_when_made_shows_its_secret_once_and_nowhere_else(ruler: Client) -> None:
    made = post(ruler, "webhooks", HOOK, headers={"Idempotency-Key": "one"})
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    webhook, secret = Webhook.objects.get(), body.pop("secret")
    assert (unseal(webhook.secret), body["url"], body["host"]) == (secret, URL, "hooks.example.com")
    assert body["events"] == ["deployment.changed", "job.failed"]
    repeat = post(ruler, "webhooks", HOOK, headers={"Idempotency-Key": "one"})
    assert (repeat.status_code, repeat["Idempotency-Replayed"], repeat.json()["secret"]) == (201, "true", None)
    one, many = ruler.get(f"/api/v1/webhooks/{webhook.pk}"), ruler.get("/api/v1/webhooks")
    assert one.json() == body
    assert secret not in one.content.decode() + many.content.decode() + everything_kept()
    assert "hidden-path" not in many.content.decode() + repr(list(AuditEvent.objects.values()))
    assert many.json()["results"][0]["host"] == "hooks.example.com"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"url": "http://127.0.0.1/admin"}, "address_refused", "url"),
    ({"url": "http://[::ffff:169.254.169.254]/latest"}, "address_refused", "url"),
    ({"url": "http://0x7f.1/"}, "address_refused", "url"),
    ({"url": "https://hooks.example.com:6379/"}, "port_refused", "url"),
    ({"url": "file:///etc/passwd"}, "address_refused", "url"),
    ({"url": "https://me:secret@example.com/"}, "address_refused", "url"),
    ({"url": "https://example.com/\r\nX-Other: 1"}, "address_refused", "url"),
    ({"url": "https://example.com/\0"}, "invalid", "url"),
    ({"name": "ops\r\nBcc: you@example.com"}, "invalid", "name"),
    ({"name": "taken"}, "invalid", "name"),
    ({"events": ["no.such"]}, "unknown_event", "events"),
    ({"events": [""]}, "invalid", "events[0]"),
    ({"events": ["flueman.test"]}, "unknown_event", "events"),
    ({"events": ["registered_model.created"]}, "unknown_event", "events"),
    ({"events": []}, "invalid", "events"),
    ({"events": ["job.failed"] * 5000}, "invalid", "events"),
    ({"events": "job.failed"}, "invalid", "events"),
]


def test_webhook_when_something_is_wrong_with_it_then_refused_by_field(ruler: Client) -> None:
    make_webhook(URL, name="taken")
    own, _secret = make_webhook(URL, name="own")
    for wrong, code, field in WRONG:
        for got in (post(ruler, "webhooks", HOOK | wrong), patch(ruler, f"webhooks/{own.pk}", wrong)):
            told = error(got)
            assert (told[:2], [name.startswith(field) for name in told[2]]) == ((400, code), [True]), wrong
    assert (Webhook.objects.count(), again(own).url, again(own).name) == (2, URL, "own")


def test_webhook_when_changed_switched_and_removed_then_as_in_the_back_office(ruler: Client) -> None:
    webhook, _secret = make_webhook(URL)
    at = f"webhooks/{webhook.pk}"
    wanted = {"name": "팀", "description": "모델 팀", "events": ["canary.stopped"], "reason": "moved"}
    changed = patch(ruler, at, wanted)
    assert (changed.status_code, changed.json()["name"], changed.json()["url"]) == (200, "팀", URL)
    assert patch(ruler, at, {"is_enabled": False}).json()["is_enabled"]  # a verb of its own says why
    assert not post(ruler, f"{at}/disable", {"reason": "noise"}).json()["is_enabled"]
    assert error(post(ruler, f"{at}/test")) == (409, "out_of_use", [])
    Webhook.objects.update(disabled_reason="it has failed for 5 days", failing_since=timezone.now())
    assert post(ruler, f"{at}/enable").json()["disabled_reason"] == ""
    tested = post(ruler, f"{at}/test")
    assert (tested.status_code, tested.json()["state"]) == (202, "waiting")
    assert ruler.get(tested["Location"]).json()["id"] == tested.json()["id"]
    assert ruler.delete(f"/api/v1/{at}").status_code == 204
    left = ruler.get(tested["Location"]).json()
    assert (left["state"], left["webhook"]) == ("dead", None)
    assert work_off() == ["succeeded"]
    assert Attempt.objects.count() == 0
    done = list(AuditEvent.objects.filter(action__startswith="notify.").order_by("pk").values_list("action", "reason"))
    assert done == [
        ("notify.webhook_added", ""), ("notify.webhook_changed", "moved"), ("notify.webhook_changed", "noise"),
        ("notify.webhook_changed", ""), ("notify.tested", ""), ("notify.webhook_removed", ""),
    ]  # fmt: skip


def test_webhook_when_somebody_else_has_removed_it_meanwhile_then_not_found_and_no_event() -> None:
    webhook, _secret = make_webhook(URL)
    stale = Webhook.objects.get()
    subscriptions.remove(subscriber=webhook, actor=None)
    before = AuditEvent.objects.count()
    for verb in (subscriptions.remove, subscriptions.send_test, subscriptions.change):
        with pytest.raises(NotFound):
            verb(subscriber=stale, actor=None)
    with pytest.raises(NotFound):
        subscriptions.rotate_secret(webhook=stale, actor=None)
    assert AuditEvent.objects.count() == before


def test_webhook_when_its_secret_is_rotated_then_shown_once_and_the_old_one_signs_on(ruler: Client) -> None:
    webhook, old = make_webhook(URL)
    got = post(ruler, f"webhooks/{webhook.pk}/rotate", {"reason": "leaked"}, headers={"Idempotency-Key": "r"})
    assert (got.status_code, got["Cache-Control"]) == (200, "no-store")
    kept = again(webhook)
    assert [unseal(kept.secret), unseal(kept.old_secret)] == [got.json()["secret"], old]
    assert got.json()["old_secret_until"]
    told = ruler.get(f"/api/v1/webhooks/{webhook.pk}").content.decode() + everything_kept()
    assert not any(secret in told for secret in (old, got.json()["secret"]))


def test_webhook_when_of_mlflows_form_then_its_own_events_only(ruler: Client) -> None:
    more = {"form": "mlflow", "secret": "", "events": ["registered_model.created"]}
    webhook, _secret = make_webhook(URL, **more)
    assert error(patch(ruler, f"webhooks/{webhook.pk}", {"events": ["job.failed"]}))[1] == "unknown_event"
    wanted = ["model_version.created"]
    assert patch(ruler, f"webhooks/{webhook.pk}", {"events": wanted}).json()["events"] == wanted


def test_mailbox_when_made_changed_tested_and_removed_then_its_letters_are_given_up(ruler: Client) -> None:
    made = post(ruler, "mailboxes", MAILBOX)
    assert (made.status_code, made.json()["address"], made.json()["is_enabled"]) == (201, "ops@example.com", True)
    at = f"mailboxes/{made.json()['id']}"
    assert patch(ruler, at, {"language": "en"}).json()["language"] == "en"
    wrong = [{"address": "a@b\r\nBcc: c@example.com"}, {"language": "fr"}, {"events": ["x"]}, {"address": None}]
    assert [error(patch(ruler, at, one))[0] for one in wrong] == [400] * 4
    post(ruler, f"{at}/disable")
    assert error(post(ruler, f"{at}/test"))[1] == "out_of_use"
    post(ruler, f"{at}/enable")
    sent = post(ruler, f"{at}/test").json()
    assert ruler.delete(f"/api/v1/{at}").status_code == 204
    letter = Delivery.objects.get(pk=sent["id"])
    assert (letter.state, letter.letter, Channel.objects.count()) == ("dead", "", 0)
    with pytest.raises(Conflict):
        services.replay(delivery=letter, actor=None)


def test_deliveries_when_asked_for_are_filtered_newest_first_and_without_letters_to_people(ruler: Client) -> None:
    make_channel(events=["deployment.changed"])
    webhook, _secret = make_webhook(URL)
    mailed, called = services.publish(event="deployment.changed", payload=CHANGED)
    letter = make_letter()
    Attempt.objects.create(delivery=called, status=500, took_ms=3.0, answer="no", error="HTTP 500")
    give_up(called)

    def found(client: Client, query: str = "") -> list[str]:
        return [one["id"] for one in client.get(f"/api/v1/deliveries{query}").json()["results"]]

    operator, ids = make_client(make_user("operator")), [str(one.pk) for one in (letter, called, mailed)]
    assert (found(ruler), found(operator)) == (ids, ids[1:])
    assert found(operator, "?state=dead") == found(operator, f"?webhook={webhook.pk}") == [ids[1]]
    assert found(operator, f"?mailbox={mailed.channel_id}&event=deployment.changed") == [ids[2]]
    assert error(operator.get("/api/v1/deliveries?state=lost&webhook=x"))[::2] == (400, ["state", "webhook"])
    assert operator.get(f"/api/v1/deliveries/{letter.pk}").status_code == 404
    assert post(operator, f"deliveries/{letter.pk}/replay").status_code == 404
    one = operator.get(f"/api/v1/deliveries/{called.pk}").json()
    assert (one["payload"], one["recipient"], one["tries"][0]["answer"]) == (CHANGED, "hooks.example.com", "no")
    text = operator.get(f"/api/v1/deliveries/{mailed.pk}").content.decode()
    assert "sealed1" not in text
    assert "intent v6" not in text


def test_delivery_when_replayed_then_once_and_not_while_on_its_way(ruler: Client) -> None:
    webhook, _secret = make_webhook(URL)
    delivery = publish()
    at = f"deliveries/{delivery.pk}/replay"
    assert error(post(ruler, at)) == (409, "not_replayable", [])
    give_up(delivery)
    first = post(ruler, at, {"reason": "they are back"}, headers={"Idempotency-Key": "k"})
    repeat = post(ruler, at, {"reason": "they are back"}, headers={"Idempotency-Key": "k"})
    assert (first.status_code, first.json()["state"], first.json()["attempts"]) == (202, "waiting", 0)
    assert (repeat.status_code, repeat["Idempotency-Replayed"]) == (202, "true")
    assert AuditEvent.objects.get(action="notify.replayed").reason == "they are back"
    give_up(delivery)
    subscriptions.change(subscriber=webhook, actor=None, is_enabled=False)
    assert error(post(ruler, at)) == (409, "out_of_use", [])


def test_door_when_the_key_is_for_some_deployments_only_then_shut() -> None:
    webhook, _secret = make_webhook(URL)
    delivery = publish()
    _key, text = make_key(make_user("administrator"), "manage", allowed_models=["intent"])
    client = Client(headers=bearer(text))
    asked = [client.get(f"/api/v1/{path}") for path in ("webhooks", "mailboxes", f"deliveries/{delivery.pk}")]
    asked += [post(client, "webhooks", HOOK), post(client, f"webhooks/{webhook.pk}/rotate")]
    assert [one.status_code for one in asked] == [403] * 5
    assert client.get("/api/v1/events").status_code == 200


def test_events_when_listed_are_what_can_be_asked_for_in_the_readers_language(ruler: Client) -> None:
    told = ruler.get("/api/v1/events", headers={"Accept-Language": "ko"}).json()["results"]
    assert [one["name"] for one in told] == list(events.EVENTS)
    assert told[0]["label"].startswith("모델 버전이 ")
    assert told[0]["example"] == events.EVENTS[told[0]["name"]].example
    assert not {one["name"] for one in told} & set(mlflow_calls.EVENTS)


def test_lists_when_there_are_more_rows_then_no_more_queries(ruler: Client) -> None:
    for number in range(6):
        make_webhook(URL, name=f"hook {number}")
        make_channel(name=f"box {number}", events=["deployment.changed"])
    services.publish(event="deployment.changed", payload=CHANGED)
    for path in ("webhooks", "mailboxes", "deliveries"):
        ruler.get(f"/api/v1/{path}")
        with CaptureQueriesContext(connection) as few:
            page = ruler.get(f"/api/v1/{path}?page_size=2").json()
        with CaptureQueriesContext(connection) as many:
            following = ruler.get(page["next"].replace("page_size=2", "page_size=50")).json()
        assert (len(page["results"]), len(few) - len(many)) == (2, 0)
        assert len(following["results"]) == (10 if path == "deliveries" else 4)


def ran(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


@translation.override("en")
def test_create_webhook_when_run_prints_the_secret_alone() -> None:
    secret = ran("create_webhook", "ops", URL, "--events", "job.failed, canary.stopped")
    webhook = Webhook.objects.get()
    assert (unseal(webhook.secret), webhook.events) == (secret, ["canary.stopped", "job.failed"])
    for words in (["ops", URL, "--events", "job.failed"], ["x", "http://10.0.0.1", "--events", "job.failed"]):
        with pytest.raises(CommandError):
            ran("create_webhook", *words)
    with pytest.raises(CommandError, match="no such"):
        ran("create_webhook", "x", URL, "--events", "no such")


def test_replay_deliveries_when_run_brings_what_was_asked_for_and_no_letters_to_people() -> None:
    make_webhook(URL)
    dead, sent, old, waiting = (publish() for _ in range(4))
    give_up(dead)
    give_up(sent, state="sent")
    give_up(old)
    Delivery.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=30))
    give_up(make_letter())
    assert ran("replay_deliveries", "--dead", "--dry-run").startswith("1 ")
    assert again(dead).state == "dead"
    assert ran("replay_deliveries", "--dead", "--event", "job.failed").startswith("0 ")
    make_webhook(URL, name="other")
    assert ran("replay_deliveries", "--dead", "--webhook", "other").startswith("0 ")
    assert ran("replay_deliveries", "--dead").startswith("1 ")
    assert ran("replay_deliveries", "--dead").startswith("0 ")
    assert (
        ran("replay_deliveries", "--since", "48", "--most", "1") == "1 notices are on their way once more, 1 more fit."
    )
    states = [again(one).state for one in (dead, sent, old, waiting)]
    assert (sorted(states), states[0], states[3]) == (["dead", "waiting", "waiting", "waiting"], "waiting", "waiting")
    for wrong in ("--since=0", "--since=nan", "--since=1e30", "--most=501", "--event=none", "--webhook=none"):
        with pytest.raises(CommandError):
            ran("replay_deliveries", wrong)
