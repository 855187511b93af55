"""Giving a notice to a worker, with a time after which somebody else may try."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs.services import enqueue
from notify.models import Delivery

DELIVER = "notify.deliver"
LEASE = timedelta(minutes=3)


def hand_over(delivery: Delivery, actor: Any = None) -> None:
    """Give the next attempt to a worker, in the caller's transaction."""
    enqueue(
        kind=DELIVER,
        payload={"delivery": str(delivery.pk), "attempt": delivery.attempts},
        actor=actor,
        target=delivery,
    )


def lease() -> datetime:
    """Give when somebody else may try, if nobody has said what became of this attempt."""
    return timezone.now() + LEASE
