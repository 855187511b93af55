"""Giving a notice to a worker, with a time after which somebody else may try."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs.services import enqueue
from notify.models import Delivery, DeliveryQuerySet, Webhook

DELIVER = "notify.deliver"
LEASE = timedelta(minutes=3)
AT_ONCE = 20  # notices of one place that may be under way
LETTERS_FIRST = 1  # a letter waits for somebody; a call that hangs would keep its worker from it


def hand_over(delivery: Delivery, actor: Any = None) -> None:
    """Give the next attempt to a worker, in the caller's transaction; letters go before calls."""
    enqueue(
        kind=DELIVER,
        payload={"delivery": str(delivery.pk), "attempt": delivery.attempts},
        actor=actor,
        target=delivery,
        priority=LETTERS_FIRST if delivery.kind == Delivery.Kind.EMAIL else None,
    )


def is_free(webhook: Webhook) -> bool:
    """Tell whether a webhook does not fail, and few calls of it are under way."""
    return webhook.failing_since is None and under_way().filter(webhook=webhook)[:AT_ONCE].count() < AT_ONCE


def takes_letters(recipient: str) -> bool:
    """Tell whether few letters to an address are under way."""
    return under_way().filter(webhook=None, recipient=recipient)[:AT_ONCE].count() < AT_ONCE


def under_way() -> DeliveryQuerySet:
    """Give what workers have, or are about to have."""
    now = timezone.now()
    return Delivery.objects.waiting().filter(due_at__gt=now, due_at__lte=now + LEASE)


def lease() -> datetime:
    """Give when somebody else may try, if nobody has said what became of this attempt."""
    return timezone.now() + LEASE
