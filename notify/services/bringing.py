"""Bringing notices: one attempt after the other, until each has arrived or is given up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from audit import services as audit
from common.deleting import delete_in_pieces
from common.transactions import transactional
from notify import mailer, webhooks
from notify.models import Attempt, Delivery, DeliveryQuerySet, Webhook
from notify.outcomes import Outcome, pause
from notify.services._handing_over import AT_ONCE, hand_over, lease, under_way
from notify.services.writing import publish, written

State = Delivery.State
FAILING_TOO_LONG = timedelta(days=5)
QUIET = timedelta(days=2)  # longer than any pause between two attempts
KEPT_ANSWER = 1024
PLACE = ("webhook_id", "recipient")


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
    settled = _settle(delivery, outcome, (time.monotonic() - started) * 1000)
    if outcome.is_good:
        _go_on_with(delivery)
    return settled


def hand_over_due() -> int:
    """Give the workers what is due, and tell how much: of each place the oldest, so that none holds up the others.

    With what is under way it is no more of a place than AT_ONCE.
    """
    turn = Window(RowNumber(), partition_by=[F(name) for name in PLACE], order_by=F("due_at").asc())
    due = _due().annotate(turn=turn).filter(turn__lte=AT_ONCE)
    chosen = due.only(*PLACE, "kind", "subject", "event", "attempts", "due_at").order_by("turn", "due_at")
    busy = Counter(under_way().values_list(*PLACE))
    free = (one for one in chosen if one.turn + busy[one.webhook_id, one.recipient] <= AT_ONCE)
    return sum(_handed_over(delivery) for delivery in islice(free, AT_ONCE * 50))


def forget_old(*, days: int = 30) -> int:
    """Delete notices that ended long ago, a thousand at a time."""
    old = Delivery.objects.exclude(state=State.WAITING).filter(finished_at__lt=timezone.now() - timedelta(days=days))
    return delete_in_pieces(old.order_by("pk"))


def _due() -> DeliveryQuerySet:
    return Delivery.objects.waiting().filter(due_at__lte=timezone.now())


def _go_on_with(brought: Delivery) -> None:
    """Hand over the next to a place that takes what comes: what had to wait need not come by sweeps alone."""
    place = {name: getattr(brought, name) for name in PLACE}
    following = _due().filter(**place).order_by("due_at").first()
    if following:
        _handed_over(following)


@transactional
def _handed_over(delivery: Delivery) -> bool:
    """Give what is due to a worker, and tell whether nobody else had done so."""
    if not Delivery.objects.waiting().filter(pk=delivery.pk, due_at=delivery.due_at).update(due_at=lease()):
        return False
    hand_over(delivery)
    return True


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
    if not (outcome.is_gone or _has_failed_too_long(webhook)):
        return
    reason = "it answered that it is gone" if outcome.is_gone else f"it has failed for {FAILING_TOO_LONG.days} days"
    if own.update(is_enabled=False, disabled_reason=reason):
        publish(event="webhook.disabled", payload={"webhook": webhook.name, "reason": reason})
        audit.record(action="notify.webhook_disabled", actor="notify", target=webhook, reason=reason)


def _has_failed_too_long(webhook: Webhook) -> bool:
    """Tell whether a webhook has failed for days on end; for one that was left alone for long they begin anew."""
    now = timezone.now()
    own = Webhook.objects.filter(pk=webhook.pk, failing_since__lt=now - FAILING_TOO_LONG)
    if not own.exists():
        return False
    if Attempt.objects.filter(delivery__webhook=webhook, at__gte=now - QUIET)[:2].count() == 2:
        return True
    own.update(failing_since=now)
    return False
