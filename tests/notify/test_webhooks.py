"""Webhooks, against receivers that also misbehave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from common.sealing import unseal
from jobs.models import Job
from jobs.runner import run_job
from jobs.services import enqueue
from notify import events, services, subscriptions, webhooks
from notify.models import Attempt, Channel, Delivery, Webhook
from notify.outcomes import MOST_ATTEMPTS
from tests.accounts.making import make_client, make_user, post
from tests.attacks.outgoing.servers import HttpServer, say
from tests.notify.making import again, come_due, make_channel, make_letter, make_webhook, work_off

pytestmark = pytest.mark.django_db
CHANGED = {"deployment": "intent", "before": "intent v6", "after": "intent v7"}


@pytest.fixture
def answers(settings: Any) -> list[bytes]:
    """Give the answers that a receiver will give, the last one for good; `receiver.requests` is what it got."""
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    return [say("204 No Content")]


@pytest.fixture
def receiver(answers: list[bytes]) -> Iterator[HttpServer]:
    server = HttpServer(lambda *_: answers.pop(0) if len(answers) > 1 else answers[0])
    yield server
    server.close()


def publish(**more: Any) -> Delivery:
    return services.publish(event="deployment.changed", payload=CHANGED, **more)[0]


def header(request: bytes, name: str) -> str:
    found = re.search(rf"^{name}: (.*)\r$", request.decode(), re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


def is_signed(request: bytes, secret: str) -> bool:
    body, stamp = request.partition(b"\r\n\r\n")[2], int(header(request, "webhook-timestamp"))
    wanted = webhooks.sign(secret, header(request, "webhook-id"), stamp, body)
    return wanted in header(request, "webhook-signature").split(" ")


def test_signature_when_of_the_example_of_the_specification_then_the_same() -> None:
    signed = webhooks.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_event_when_published_then_the_receiver_gets_it_signed(receiver: HttpServer) -> None:
    webhook, secret = make_webhook(receiver.url)
    delivery = publish()
    assert work_off() == ["succeeded"]
    request = receiver.requests[0]
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    assert (body["type"], body["data"]) == ("deployment.changed", CHANGED)
    assert header(request, "webhook-id") == f"msg_{delivery.pk.hex}"
    assert is_signed(request, secret)
    assert not is_signed(request, webhooks.make_secret())
    assert again(delivery).state == "sent"
    assert webhook.secret.startswith("sealed1.")


def test_event_when_the_webhook_is_of_rest_then_signed_with_the_secrets_shown(receiver: HttpServer) -> None:
    client = make_client(make_user("administrator"))
    made = post(client, "webhooks", {"name": "ops", "url": receiver.url, "events": ["deployment.changed"]}).json()
    rotated = post(client, f"webhooks/{made['id']}/rotate").json()
    delivery = publish()
    assert work_off() == ["succeeded"]
    assert post(client, f"deliveries/{delivery.pk}/replay").status_code == 202
    assert work_off() == ["succeeded"]
    assert {header(request, "webhook-id") for request in receiver.requests} == {f"msg_{delivery.pk.hex}"}
    for request in receiver.requests:
        assert is_signed(request, made["secret"])
        assert is_signed(request, rotated["secret"])
    tries = client.get(f"/api/v1/deliveries/{delivery.pk}").json()["tries"]
    assert [one["status"] for one in tries] == [204, 204]


def test_event_when_nobody_wants_it_then_no_row(receiver: HttpServer) -> None:
    make_webhook(receiver.url, events=["job.failed"])
    make_webhook(receiver.url, name="off")
    subscriptions.change(subscriber=Webhook.objects.get(name="off"), actor=None, is_enabled=False)
    assert services.publish(event="deployment.changed", payload=CHANGED) == []


def test_event_when_the_transaction_is_rolled_back_then_never_was(receiver: HttpServer) -> None:
    make_webhook(receiver.url)
    with transaction.atomic():
        publish()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    assert work_off() == []


@pytest.mark.parametrize(
    "answer",
    [
        say("500 Oops", b"traceback"), say("503 Busy"), say("404 Not Found"), say("302 Found", b"", "Location: /x"),
        b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
    ],
    ids=lambda answer: repr(answer[:16]),
)  # fmt: skip
def test_event_when_it_fails_then_brought_again_with_the_same_id_and_bytes(
    receiver: HttpServer, answers: list[bytes], answer: bytes
) -> None:
    make_webhook(receiver.url)
    answers.insert(0, answer)
    delivery = publish()
    work_off()
    assert (again(delivery).state, delivery.attempts) == ("waiting", 1)
    assert Webhook.objects.get().failing_since
    come_due()
    assert (again(delivery).state, delivery.attempts) == ("sent", 2)
    first, second = receiver.requests
    assert header(first, "webhook-id") == header(second, "webhook-id")
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2]
    assert Webhook.objects.get().failing_since is None
    assert Attempt.objects.filter(delivery=delivery).count() == 2


def test_event_when_the_answer_is_long_or_binary_then_its_beginning_is_kept(
    receiver: HttpServer, answers: list[bytes]
) -> None:
    make_webhook(receiver.url)
    answers[0] = say("500 Oops", b"\0\xff" + b"x" * 5000)
    delivery = publish()
    work_off()
    tried = delivery.tries.get()
    assert (tried.status, tried.error) == (500, "HTTP 500")
    assert 1000 < len(tried.answer) <= 1024
    assert "\0" not in tried.answer


def test_event_when_asked_to_wait_then_waits_at_least_so_long(receiver: HttpServer, answers: list[bytes]) -> None:
    make_webhook(receiver.url)
    answers.insert(0, say("429 Slow down", b"", "Retry-After: 4000"))
    delivery = publish()
    work_off()
    assert again(delivery).due_at > timezone.now() + timedelta(seconds=3900)


def test_event_when_it_never_arrives_then_dead_after_the_last_attempt_and_replayed_by_hand(
    receiver: HttpServer, answers: list[bytes]
) -> None:
    make_webhook(receiver.url)
    answers[0] = say("500 Oops")
    delivery = publish()
    work_off()
    for _ in range(MOST_ATTEMPTS - 1):
        come_due()
    assert (again(delivery).state, delivery.error, delivery.due_at) == ("dead", "HTTP 500", None)
    assert len(receiver.requests) == MOST_ATTEMPTS
    come_due()
    assert len(receiver.requests) == MOST_ATTEMPTS
    answers[0] = say("200 OK")
    services.replay(delivery=delivery, actor=None, reason="고쳤음")
    with pytest.raises(Conflict):
        services.replay(delivery=delivery, actor=None)
    work_off()
    assert again(delivery).state == "sent"
    assert header(receiver.requests[-1], "webhook-id") == f"msg_{delivery.pk.hex}"
    assert AuditEvent.objects.filter(action="notify.replayed").count() == 1


def test_webhook_when_failing_for_days_then_out_of_use_and_somebody_is_told(
    receiver: HttpServer, answers: list[bytes]
) -> None:
    make_webhook(receiver.url)
    make_channel(events=["webhook.disabled"])
    answers[0] = say("500 Oops")
    first, second = publish(), publish()
    work_off()
    assert Webhook.objects.get().is_enabled
    Webhook.objects.update(failing_since=timezone.now() - services.FAILING_TOO_LONG - timedelta(minutes=1))
    Delivery.objects.filter(pk=first.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    services.hand_over_due()
    work_off()
    webhook = Webhook.objects.get()
    assert (webhook.is_enabled, bool(webhook.disabled_reason)) == (False, True)
    assert Delivery.objects.get(kind="email").subject == "[Flueman] 웹훅이 꺼짐"
    come_due()
    assert again(second).state == "dead"
    subscriptions.change(subscriber=webhook, actor=None, is_enabled=True)
    assert again(webhook).failing_since is None


def test_webhook_when_its_address_changes_then_earlier_failures_are_forgotten(
    receiver: HttpServer, answers: list[bytes]
) -> None:
    webhook, _ = make_webhook(f"{receiver.url}/old")
    answers[0] = say("500 Oops")
    publish()
    work_off()
    Webhook.objects.update(failing_since=timezone.now() - services.FAILING_TOO_LONG - timedelta(minutes=1))
    subscriptions.change(subscriber=webhook, actor=None, url=f"{receiver.url}/new")
    assert again(webhook).failing_since is None
    publish()
    work_off()
    assert again(webhook).is_enabled


def test_webhook_when_it_was_left_alone_after_failures_then_its_next_one_begins_anew(
    receiver: HttpServer, answers: list[bytes]
) -> None:
    webhook, _ = make_webhook(receiver.url)
    answers[0] = say("500 Oops")
    first = publish()
    work_off()
    long_ago = timezone.now() - services.FAILING_TOO_LONG - timedelta(minutes=1)
    Delivery.objects.filter(pk=first.pk).update(state="dead", due_at=None)
    Attempt.objects.update(at=long_ago)
    Webhook.objects.update(failing_since=long_ago)
    publish()
    services.hand_over_due()
    work_off()
    assert Attempt.objects.count() == 2
    assert again(webhook).is_enabled
    assert again(webhook).failing_since > long_ago + timedelta(days=1)


def test_webhook_when_it_is_gone_then_out_of_use_at_once(receiver: HttpServer, answers: list[bytes]) -> None:
    make_webhook(receiver.url)
    answers[0] = say("410 Gone")
    delivery = publish()
    work_off()
    assert (again(delivery).state, Webhook.objects.get().is_enabled) == ("dead", False)


def test_secret_when_rotated_then_both_sign_for_a_day(receiver: HttpServer) -> None:
    webhook, old = make_webhook(receiver.url)
    webhook, new = subscriptions.rotate_secret(webhook=webhook, actor=None)
    publish()
    work_off()
    assert is_signed(receiver.requests[-1], new)
    assert is_signed(receiver.requests[-1], old)
    Webhook.objects.update(old_secret_until=timezone.now() - timedelta(seconds=1))
    publish()
    work_off()
    assert is_signed(receiver.requests[-1], new)
    assert not is_signed(receiver.requests[-1], old)
    kept = str(list(Webhook.objects.values())) + str(list(AuditEvent.objects.values()))
    assert old not in kept
    assert new not in kept


def test_webhook_when_deleted_then_what_waits_is_given_up(receiver: HttpServer) -> None:
    webhook, _ = make_webhook(receiver.url)
    delivery = publish()
    subscriptions.remove(subscriber=webhook, actor=None)
    work_off()
    assert again(delivery).state == "dead"
    assert receiver.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "https://[::1]/",
        "http://169.254.169.254/latest",
        "ftp://x/",
        "https://u:p@x.example/",
        "https://x:22/",
    ],
)
def test_webhook_when_its_address_leads_inside_then_refused(url: str) -> None:
    with pytest.raises(Invalid):
        make_webhook(url)


def test_webhook_when_its_name_leads_inside_then_given_up_at_the_first_attempt(settings: Any) -> None:
    make_webhook("http://localhost/")
    delivery = publish()
    work_off()
    assert (again(delivery).state, delivery.attempts) == ("dead", 1)
    assert "OUTGOING_ALLOW" in delivery.error


@pytest.mark.parametrize("bad", [{"events": ["nothing"]}, {"events": "job.failed"}, {"name": ""}, {"name": "a\nb"}])
def test_webhook_when_a_field_is_wrong_then_refused(bad: Any) -> None:
    with pytest.raises((Invalid, ValidationError)):
        make_webhook("https://example.com/", **bad)


def test_event_when_unknown_then_refused() -> None:
    with pytest.raises(Invalid):
        services.publish(event="nothing", payload={})


def test_sentences_when_made_of_examples_or_nothing_then_whole() -> None:
    for event in events.EVENTS.values():
        assert "%(" not in event.say(event.example)
        assert event.say({})


def test_mailbox_when_told_then_in_its_language(settings: Any) -> None:
    make_channel(events=["deployment.changed"], name="한국", language="ko")
    make_channel(events=["deployment.changed"], name="english", language="en")
    letters = services.publish(event="deployment.changed", payload=CHANGED)
    assert [letter.subject for letter in letters] == ["[Flueman] deployment changed", "[Flueman] 배포가 바뀜"]


def test_test_when_sent_then_arrives(receiver: HttpServer) -> None:
    webhook, _ = make_webhook(receiver.url)
    subscriptions.send_test(subscriber=webhook, actor=None)
    subscriptions.send_test(subscriber=make_channel(), actor=None)
    work_off()
    assert sorted(Delivery.objects.values_list("kind", "state")) == [("email", "sent"), ("webhook", "sent")]
    subscriptions.change(subscriber=webhook, actor=None, is_enabled=False)
    with pytest.raises(Conflict):
        subscriptions.send_test(subscriber=webhook, actor=None)


def test_due_when_many_are_for_one_place_then_a_few_at_a_time(receiver: HttpServer) -> None:
    make_webhook(receiver.url)
    for _ in range(services.AT_ONCE + 5):
        publish()
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert services.hand_over_due() == services.AT_ONCE
    assert services.hand_over_due() == 0  # as many are under way
    ended = Delivery.objects.filter(due_at__gt=timezone.now())[:2].values_list("pk", flat=True)
    Delivery.objects.filter(pk__in=list(ended)).update(state="sent", due_at=None)
    assert services.hand_over_due() == 2


def test_letters_when_many_to_one_address_come_at_once_then_few_are_under_way_and_each_brings_the_next() -> None:
    for _ in range(services.AT_ONCE + 5):
        make_letter()
    asked = make_letter(actor=make_user("administrator"))
    make_letter(to="other@example.com")
    assert Job.objects.unfinished().count() == services.AT_ONCE + 2
    assert Job.objects.filter(payload__delivery=str(asked.pk)).exists()
    while work_off():
        pass
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_due_when_one_place_has_very_many_then_letters_are_handed_over_too(receiver: HttpServer) -> None:
    webhook, _ = make_webhook(receiver.url)
    old = {"event": "deployment.changed", "due_at": timezone.now() - timedelta(hours=1), "recipient": "127.0.0.1"}
    Delivery.objects.bulk_create(Delivery(kind="webhook", webhook=webhook, **old) for _ in range(1200))
    letter = make_letter()
    Job.objects.all().delete()
    Delivery.objects.filter(pk=letter.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    assert services.hand_over_due() == services.AT_ONCE + 1
    first = Job.objects.order_by("-priority", "id")[0]
    assert first.payload["delivery"] == str(letter.pk)


def test_event_when_its_webhook_fails_then_left_to_the_sweep_but_for_a_test(receiver: HttpServer) -> None:
    webhook, _ = make_webhook(receiver.url)
    Webhook.objects.update(failing_since=timezone.now())
    delivery = publish()
    assert work_off() == []
    subscriptions.send_test(subscriber=webhook, actor=make_user("administrator"))
    assert len(work_off()) == 1
    services.hand_over_due()
    work_off()
    assert again(delivery).state == "sent"


def test_events_when_many_come_at_once_then_few_are_under_way_and_one_that_arrives_brings_the_next(
    receiver: HttpServer,
) -> None:
    make_webhook(receiver.url)
    for _ in range(services.AT_ONCE + 5):
        publish()
    assert Job.objects.unfinished().count() == services.AT_ONCE
    assert len(work_off()) == services.AT_ONCE
    assert len(work_off()) == 5
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_worker_when_killed_in_an_attempt_then_another_takes_it_up(receiver: HttpServer) -> None:
    make_webhook(receiver.url)
    delivery = publish()
    Delivery.objects.filter(pk=delivery.pk).update(attempts=1, due_at=timezone.now() - timedelta(seconds=1))
    work_off()
    assert receiver.requests == []
    services.hand_over_due()
    work_off()
    assert (again(delivery).state, delivery.attempts) == ("sent", 2)


def test_old_when_forgotten_then_only_what_has_ended(receiver: HttpServer) -> None:
    make_webhook(receiver.url)
    sent, waiting = publish(), publish()
    services.deliver(delivery_id=str(sent.pk), attempt=0)
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=90))
    Delivery.objects.filter(pk=sent.pk).update(finished_at=timezone.now() - timedelta(days=90))
    assert services.forget_old() == 1
    assert list(Delivery.objects.values_list("pk", flat=True)) == [waiting.pk]


def test_names_when_the_address_is_a_mailbox_then_the_audit_does_not_hold_it() -> None:
    make_channel(address="person@example.com")
    assert Channel.objects.get().address == "person@example.com"
    assert "person@example.com" not in str(list(AuditEvent.objects.values()))


def test_job_when_it_fails_for_good_then_told_once_an_hour(settings: Any) -> None:
    make_channel(events=["job.failed"])
    for _ in range(2):
        job = enqueue(kind="nothing.there", payload={}, max_attempts=1)
        run_job(str(job.pk))
        assert again(job).state in ("failed", "dead")
    told = Delivery.objects.get(event="job.failed")
    assert told.subject == "[Flueman] 작업이 끝내 실패함"
    assert f"/admin/jobs/job/{Job.objects.order_by('id')[0].pk}/change/" in unseal(told.letter)
