"""Bringing notices: one attempt after the other, until each has arrived or is given up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit import services as audit
from common.deleting import delete_in_pieces
from common.transactions import transactional
from notify import mailer, webhooks
from notify.models import Attempt, Delivery, Webhook
from notify.outcomes import Outcome, pause
from notify.services._handing_over import hand_over, lease
from notify.services.writing import publish, written

State = Delivery.State
AT_ONCE = 20
FAILING_TOO_LONG = timedelta(days=5)
KEPT_ANSWER = 1024


def tell_webhook_now(*, webhook: Webhook, event: str, payload: Mapping[str, Any]) -> Outcome:
    """Call a webhook here and now, once, and give what came of it. Not to be used inside a transaction."""
    delivery = written(webhook, event, payload, attempts=1)
    started = time.monotonic()
    outcome = replace(webhooks.send(delivery, webhook), is_final=True)
    _settle(delivery, outcome, (time.monotonic() - started) * 1000)
    return outcome


def deliver(*, delivery_id: str, attempt: int) -> Delivery | None:
    """Make one attempt, which is counted before it begins; None if somebody else made it or nothing is to be done."""
    own = Delivery.objects.waiting().filter(pk=delivery_id, attempts=attempt)
    if not own.update(attempts=F("attempts") + 1, due_at=lease()):
        return None
    delivery = Delivery.objects.waiting().with_obstacle().select_related("webhook").filter(pk=delivery_id).first()
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
            if same.update(due_at=lease()):
                hand_over(delivery)
    return sum(min(count, AT_ONCE) for count in handed.values())


def forget_old(*, days: int = 30) -> int:
    """Delete notices that ended long ago, a thousand at a time."""
    old = Delivery.objects.exclude(state=State.WAITING).filter(finished_at__lt=timezone.now() - timedelta(days=days))
    return delete_in_pieces(old.order_by("pk"))


def _bring(delivery: Delivery) -> Outcome:
    is_email = delivery.kind == Delivery.Kind.EMAIL
    if delivery.obstacle == Delivery.Obstacle.OUT_OF_USE:
        return Outcome(error=f"the {'mailbox' if is_email else 'webhook'} is out of use", is_final=True)
    if is_email:
        return mailer.send(delivery)
    assert delivery.webhook is not None
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
