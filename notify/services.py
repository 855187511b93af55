"""Telling people and systems outside: letters, events, and bringing each until it arrives or is given up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F, Model
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from audit import services as audit
from common.destinations import host_of, split
from common.errors import Conflict, Invalid, NotFound
from common.sealing import seal
from common.transactions import transactional
from jobs.services import enqueue
from notify import events, letters, mailer, webhooks
from notify.models import Attempt, Channel, Delivery, Webhook
from notify.outcomes import Outcome, pause

State = Delivery.State
DELIVER = "notify.deliver"
LEASE = timedelta(minutes=3)
AT_ONCE = 20
FAILING_TOO_LONG = timedelta(days=5)
KEPT_ANSWER = 1024
MOST_REPLAYED = 500  # at once: more would fill the queue of the workers
MOST_HOURS = 24 * 366


@transactional
def send_email(
    *,
    to: str,
    template: str,
    context: Mapping[str, Any],
    language: str,
    actor: Any = None,
    channel: Channel | None = None,
    event: str = "",
) -> Delivery:
    """Write a letter into the caller's transaction; a worker sends it after the commit, again and again if need be.

    Raises Invalid for an address or template that is none. Its text is kept sealed, and wiped once it was sent.
    """
    try:
        validate_email(to)
    except ValidationError:
        raise Invalid(_("this is no e-mail address"), fields={"to": _("is no e-mail address")}) from None
    subject, text = letters.write(template, language, context)
    delivery = Delivery.objects.create(
        kind=Delivery.Kind.EMAIL,
        event=event or template,
        recipient=to,
        language=language if language in letters.LANGUAGES else "en",
        subject=subject,
        letter=seal(text),
        channel=channel,
        due_at=_lease(),
    )
    _hand_over(delivery, actor)
    return delivery


@transactional
def publish(*, event: str, payload: Mapping[str, Any], target: Model | None = None) -> list[Delivery]:
    """Tell all who want to know of an event, in the caller's transaction; letters lead to `target`. Raises Invalid."""
    events.find(event)
    mailboxes = [one for one in Channel.objects.filter(is_enabled=True) if event in one.events]
    hooks = [one for one in Webhook.objects.filter(is_enabled=True) if event in one.events]
    return [
        *(write_to_channel(channel=one, event=event, payload=payload, target=target) for one in mailboxes),
        *(write_to_webhook(webhook=one, event=event, payload=payload) for one in hooks),
    ]


def write_to_channel(
    *, channel: Channel, event: str, payload: Mapping[str, Any], target: Model | None = None
) -> Delivery:
    """Put one event on its way to a mailbox, in its language."""
    with translation.override(channel.language):
        known = events.find(event)
        context = {
            "title": str(known.label),
            "sentence": known.say(payload),
            "url": _page_of(target),
            "channel": channel.name,
        }
        return send_email(
            to=channel.address,
            template="event",
            context=context,
            language=channel.language,
            channel=channel,
            event=event,
        )


def write_to_webhook(*, webhook: Webhook, event: str, payload: Mapping[str, Any], actor: Any = None) -> Delivery:
    """Put one event on its way to a webhook; the bytes stay the same over all attempts."""
    delivery = _written(webhook, event, payload)
    _hand_over(delivery, actor)
    return delivery


def tell_webhook_now(*, webhook: Webhook, event: str, payload: Mapping[str, Any]) -> Outcome:
    """Call a webhook here and now, once, and give what came of it. Not to be used inside a transaction."""
    delivery = _written(webhook, event, payload, attempts=1)
    started = time.monotonic()
    outcome = replace(_bring(delivery), is_final=True)
    _settle(delivery, outcome, (time.monotonic() - started) * 1000)
    return outcome


def deliver(*, delivery_id: str, attempt: int) -> Delivery | None:
    """Make one attempt, which is counted before it begins; None if somebody else made it or nothing is to be done."""
    own = Delivery.objects.waiting().filter(pk=delivery_id, attempts=attempt)
    if not own.update(attempts=F("attempts") + 1, due_at=_lease()):
        return None
    delivery = Delivery.objects.waiting().select_related("webhook").filter(pk=delivery_id).first()
    if delivery is None:  # its place was taken away this moment
        return None
    started = time.monotonic()
    outcome = _bring(delivery)
    return _settle(delivery, outcome, (time.monotonic() - started) * 1000)


def hand_over_due() -> int:
    """Give the workers what is due, at most some for each place, so that one that hangs does not hold up the others."""
    due = Delivery.objects.waiting().filter(due_at__lte=timezone.now()).order_by("due_at")
    handed: dict[tuple[str, Any], int] = {}
    for delivery in due[: AT_ONCE * 50]:
        place = (delivery.recipient, delivery.webhook_id)
        handed[place] = handed.get(place, 0) + 1
        if handed[place] > AT_ONCE:
            continue
        with transaction.atomic():
            same = Delivery.objects.waiting().filter(pk=delivery.pk, due_at=delivery.due_at)
            if same.update(due_at=_lease()):
                _hand_over(delivery)
    return sum(min(count, AT_ONCE) for count in handed.values())


@transactional
def replay(*, delivery: Delivery, actor: Any, reason: str = "") -> Delivery:
    """Bring a notice once more under its old id. Raises Conflict while it is on its way, or when it cannot be."""
    if delivery.kind == Delivery.Kind.EMAIL and not delivery.letter:
        raise Conflict(_("the text of a letter is wiped once it was sent"), code="letter_wiped")
    in_use = Webhook.objects.filter(delivery=delivery, is_enabled=True)
    if delivery.kind == Delivery.Kind.WEBHOOK and not in_use.exists():
        raise Conflict(_("the webhook is out of use"), code="out_of_use")
    ended = Delivery.objects.filter(pk=delivery.pk).exclude(state=State.WAITING)
    if not ended.update(state=State.WAITING, attempts=0, error="", finished_at=None, due_at=_lease()):
        raise Conflict(_("the notice is on its way"), code="not_replayable")
    delivery.refresh_from_db()
    _hand_over(delivery, actor)
    audit.record(action="notify.replayed", actor=actor, target=delivery, reason=reason)
    return delivery


def replay_all(
    *,
    hours: float,
    actor: Any,
    is_dead: bool = False,
    event: str = "",
    webhook: str = "",
    most: int = MOST_REPLAYED,
    reason: str = "",
    is_dry: bool = False,
) -> tuple[int, int]:
    """Bring what was written in the last hours once more, oldest first; give how many, and how many more there are.

    Raises Invalid or NotFound. `is_dead`: only what was given up; `is_dry`: count only.
    """
    if not (0 < hours <= MOST_HOURS and 0 < most <= MOST_REPLAYED):
        raise Invalid(f"hours must be over 0 and at most {MOST_HOURS}, the most 1 to {MOST_REPLAYED}")
    if event:
        events.find(event)
    if webhook and not Webhook.objects.filter(name=webhook).exists():
        raise NotFound(f"There is no webhook {webhook}.")
    found = Delivery.objects.replayable().filter(created_at__gte=timezone.now() - timedelta(hours=hours))
    wanted = {"state": State.DEAD if is_dead else "", "event": event, "webhook__name": webhook}
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    count, chosen = found.count(), list(found.order_by("pk")[:most])
    done = len(chosen) if is_dry else sum(_replayed(one, actor, reason) for one in chosen)
    return done, count - len(chosen)


def forget_old(*, days: int = 30) -> int:
    """Delete notices that ended long ago, a thousand at a time."""
    old = Delivery.objects.exclude(state=State.WAITING).filter(finished_at__lt=timezone.now() - timedelta(days=days))
    count = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:1000]):
        Delivery.objects.filter(pk__in=keys).delete()
        count += len(keys)
    return count


def _replayed(delivery: Delivery, actor: Any, reason: str) -> bool:
    try:
        replay(delivery=delivery, actor=actor, reason=reason)
    except Conflict:  # somebody else was quicker
        return False
    return True


def _page_of(target: Model | None) -> str:
    """Give the address of a row's page, empty where it has none."""
    if target is None:
        return ""
    try:
        name = f"admin:{target._meta.label_lower.replace('.', '_')}_change"
        return f"{settings.PUBLIC_URL}{reverse(name, args=[target.pk])}"
    except NoReverseMatch:
        return ""


def _written(webhook: Webhook, event: str, payload: Mapping[str, Any], **more: Any) -> Delivery:
    return Delivery.objects.create(
        kind=Delivery.Kind.WEBHOOK,
        event=event,
        recipient=host_of(split(webhook.url)),
        subject=Truncator(events.find(event).say(payload)).chars(200),
        body=orjson.dumps(webhooks.body_of(webhook, event, payload), default=str).decode(),
        webhook=webhook,
        due_at=_lease(),
        **more,
    )


def _bring(delivery: Delivery) -> Outcome:
    if delivery.kind == Delivery.Kind.EMAIL:
        return mailer.send(delivery)
    if delivery.webhook is None or not delivery.webhook.is_enabled:
        return Outcome(error="the webhook is out of use", is_final=True)
    return webhooks.send(delivery, delivery.webhook)


@transactional
def _settle(delivery: Delivery, outcome: Outcome, took_ms: float) -> Delivery:
    """Keep what came of an attempt, unless another attempt has begun meanwhile."""
    error = outcome.error.replace("\0", "")[:500]
    Attempt.objects.create(
        delivery=delivery,
        status=outcome.status,
        took_ms=took_ms,
        answer=outcome.answer.replace("\0", "")[:KEPT_ANSWER],
        error=error,
    )
    own = Delivery.objects.waiting().filter(pk=delivery.pk, attempts=delivery.attempts)
    wait = pause(delivery.attempts)
    if outcome.is_good:
        own.update(state=State.SENT, error="", letter="", due_at=None, finished_at=timezone.now())
    elif outcome.is_final or wait is None:
        own.update(state=State.DEAD, error=error, due_at=None, finished_at=timezone.now())
    else:
        own.update(error=error, due_at=timezone.now() + max(wait, outcome.wait or wait))
    if delivery.webhook:
        _judge(delivery.webhook, outcome)
    delivery.refresh_from_db()
    return delivery


def _judge(webhook: Webhook, outcome: Outcome) -> None:
    """Remember since when a webhook fails; take one out of use that has failed for days or wants nothing any more."""
    own = Webhook.objects.filter(pk=webhook.pk, is_enabled=True)
    if outcome.is_good:
        own.exclude(failing_since=None).update(failing_since=None)
        return
    own.filter(failing_since=None).update(failing_since=timezone.now())
    too_long = webhook.failing_since is not None and webhook.failing_since < timezone.now() - FAILING_TOO_LONG
    if not (too_long or outcome.is_gone):
        return
    reason = "it answered that it is gone" if outcome.is_gone else f"it has failed for {FAILING_TOO_LONG.days} days"
    if own.update(is_enabled=False, disabled_reason=reason):
        publish(event="webhook.disabled", payload={"webhook": webhook.name, "reason": reason})
        audit.record(action="notify.webhook_disabled", actor="notify", target=webhook, reason=reason)


def _hand_over(delivery: Delivery, actor: Any = None) -> None:
    enqueue(
        kind=DELIVER,
        payload={"delivery": str(delivery.pk), "attempt": delivery.attempts},
        actor=actor,
        target=delivery,
    )


def _lease() -> datetime:
    """Give when somebody else may try, if nobody has said what became of this attempt."""
    return timezone.now() + LEASE
