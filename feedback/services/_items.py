"""What all verbs of review share: who may review, an item under its lock, its places, and its end."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotAllowed
from feedback.models import Review, ReviewItem, ReviewQueue
from guards.services import take_turn
from notify.services import publish

State = ReviewItem.State
OPEN = (State.WAITING, State.GOLDEN)
MOST_AT_ONCE = 200  # items that may be ended at one moment: more than all web processes have threads
STANDING = (Review.State.COUNTS, Review.State.SKIPPED)


def is_reviewer(queue: ReviewQueue, person: User) -> bool:
    """Whether the queue is for this person: it names nobody, or them. Whether they may review at all, doors ask."""
    named = queue.reviewers.all()
    return named.filter(pk=person.pk).exists() or not named.exists()


def demand_reviewer(queue: ReviewQueue, person: User) -> None:
    """Raise NotAllowed for somebody whose queue it is not."""
    if not is_reviewer(queue, person):
        raise NotAllowed(_("This queue is for other reviewers."), code="not_a_reviewer")


def demand_open(queue: ReviewQueue) -> None:
    """Raise Conflict for a closed queue."""
    if not queue.is_open:
        raise Conflict(_("This queue is closed."), code="queue_closed")


def locked_item(item: ReviewItem) -> ReviewItem:
    """Give the item with its row locked: every change of reviews and locks of one item begins with it."""
    return ReviewItem.objects.select_for_update().get(pk=item.pk)


def standing_review(item: ReviewItem, reviewer: User) -> Review | None:
    """Give what this person said of the item and did not take back."""
    return item.reviews.filter(reviewer=reviewer, state__in=STANDING).first()


def recount(item: ReviewItem, **changes: Any) -> None:
    """Write what the rows say: reviews that count, and places taken by them and by locks. The item's row is locked."""
    item.reviews_done = item.reviews.filter(state=Review.State.COUNTS).count()
    item.places_taken = item.reviews_done + item.locks.count()
    for name, value in changes.items():
        setattr(item, name, value)
    item.save(update_fields=["reviews_done", "places_taken", *changes])


def outcome(item: ReviewItem) -> tuple[State, Any]:
    """Give the state that an item has by its reviews alone, and the answer that they agree about."""
    if item.is_golden:
        return State.GOLDEN, None
    said = list(item.reviews.filter(state=Review.State.COUNTS).values_list("answer_key", "answer"))
    if len(said) < item.reviews_needed:
        return State.WAITING, None
    is_one = len({key for key, _answer in said}) == 1
    return (State.AGREED, said[0][1]) if is_one else (State.DISPUTED, None)


def end(item: ReviewItem, state: str, **changes: Any) -> None:
    """Bring an item to a state in which nobody is to review it; locks on it end. The item's row is locked."""
    was_waiting = item.state == State.WAITING
    item.locks.all().delete()
    recount(item, state=state, finished_at=None if state == State.DISPUTED else timezone.now(), **changes)
    if was_waiting and _is_through(item.queue):
        disputed = item.queue.items.filter(state=State.DISPUTED).count()
        publish(
            event="review_queue.finished", payload={"queue": item.queue.name, "disputed": disputed}, target=item.queue
        )


def _is_through(queue: ReviewQueue) -> bool:
    """Whether nothing waits in a queue any more; those who end its last items at one moment look one after the other.

    Their transactions do not see each other's items, so without turns none of them would be the last.
    """
    waiting = queue.items.filter(state=State.WAITING)
    if waiting[:MOST_AT_ONCE].count() == MOST_AT_ONCE:
        return False
    take_turn("review_queues")
    return not waiting.exists()


def shuffle_of(queue: ReviewQueue, source_key: str) -> int:
    """Give the place of an item among those of its priority: by chance, and the same each time."""
    return int.from_bytes(blake2b(f"{queue.pk} {source_key}".encode(), digest_size=4).digest(), "big") >> 1


def facts(item: ReviewItem) -> dict[str, Any]:
    """Give what the audit keeps of an item; a text may hold anything, so only its length is told."""
    answer = item.final_answer
    if item.queue.answer == ReviewQueue.Answer.TEXT and isinstance(answer, str):
        answer = _("%(count)s characters") % {"count": len(answer)}
    return {"queue": item.queue.name, "state": item.state, "answer": answer}


def tell(action: str, item: ReviewItem, actor: Any, before: dict[str, Any], **more: Any) -> None:
    """Record what a person decided of an item."""
    record(
        action=f"feedback.{action}", actor=actor, target=item, before=before,
        after={**facts(item), **more.pop("after", {})}, **more,
    )  # fmt: skip
