"""Bringing notices once more that have ended, under their old ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from audit import services as audit
from common.errors import Conflict, Invalid, NotFound
from common.transactions import transactional
from notify import events
from notify.models import Delivery, Webhook
from notify.services._handing_over import hand_over, lease

State, Obstacle = Delivery.State, Delivery.Obstacle
MOST_REPLAYED = 500  # at once: more would fill the queue of the workers
MOST_HOURS = 24 * 366


@transactional
def replay(*, delivery: Delivery, actor: Any, reason: str = "") -> Delivery:
    """Bring a notice once more under its old id. Raises Conflict while it is on its way, or when it cannot be."""
    own = Delivery.objects.filter(pk=delivery.pk)
    found = own.with_obstacle().first()
    if found and found.obstacle:
        raise _refusal(delivery, found.obstacle)
    if not own.exclude(state=State.WAITING).update(
        state=State.WAITING, attempts=0, error="", finished_at=None, due_at=lease()
    ):
        raise _refusal(delivery, Obstacle.ON_ITS_WAY)
    delivery.refresh_from_db()
    hand_over(delivery, actor)
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
    since = timezone.now() - timedelta(hours=hours)
    found = Delivery.objects.of_subscribers().replayable().filter(created_at__gte=since)
    wanted = {"state": State.DEAD if is_dead else "", "event": event, "webhook__name": webhook}
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    count, chosen = found.count(), list(found.order_by("pk")[:most])
    done = len(chosen) if is_dry else sum(_replayed(one, actor, reason) for one in chosen)
    return done, count - len(chosen)


def _replayed(delivery: Delivery, actor: Any, reason: str) -> bool:
    try:
        replay(delivery=delivery, actor=actor, reason=reason)
    except Conflict:  # somebody else was quicker
        return False
    return True


def _refusal(delivery: Delivery, obstacle: str) -> Conflict:
    is_email = delivery.kind == Delivery.Kind.EMAIL
    said = {
        Obstacle.WIPED: _("the text of a letter is wiped once it was sent"),
        Obstacle.OUT_OF_USE: _("the mailbox is out of use") if is_email else _("the webhook is out of use"),
        Obstacle.ON_ITS_WAY: _("the notice is on its way"),
    }
    return Conflict(said[Obstacle(obstacle)], code=obstacle)
