"""Who may see what before they have judged: the one rule of blind queues for all doors.

Somebody who could still be given an item sees neither what the model answered nor what others said of it, nor anything
that would tell a golden item. Those who settle may know which items are golden; they too judge blindly. Who is in the
request log for no other reason than reviewing finds no answer there that they are still to judge.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue

# Asked of the person: a key of theirs that only reads shows no more than they may see.
JUDGE, SEE_ITEMS = "feedback.add_review", "feedback.view_reviewitem"
OPEN = (ReviewItem.State.WAITING, ReviewItem.State.GOLDEN)
UNDECIDED = (ReviewItem.State.WAITING, ReviewItem.State.DISPUTED)


class Onlooker(Protocol):
    """Somebody at a door: whose eyes, and what their credential lets them do."""

    user_id: int
    allowed_models: frozenset[str] | None

    def may(self, permission: str) -> bool:
        """Tell whether they hold a permission."""

    def person_may(self, permission: str) -> bool:
        """Tell whether the person holds a permission, whatever their credential leaves out."""


def sees_all_items(onlooker: Onlooker) -> bool:
    """Whether they see items and reviews that are not their own."""
    return onlooker.may(SEE_ITEMS)


def is_hidden(item: ReviewItem, onlooker: Onlooker) -> bool:
    """Whether the model's answer and what others said of the item is kept from them for now."""
    if not item.queue.is_blind or item.state not in OPEN or not onlooker.person_may(JUDGE):
        return False
    if item.reviews.filter(reviewer_id=onlooker.user_id, state=Review.State.COUNTS).exists():
        return False
    named = set(item.queue.reviewers.values_list("pk", flat=True))
    return not named or onlooker.user_id in named


def hidden_of(items: Collection[ReviewItem], onlooker: Onlooker) -> set[int]:
    """Give the keys of those whose answers are kept from this person for now: `is_hidden` for many at once."""
    blind = [item for item in items if item.queue.is_blind and item.state in OPEN]
    if not blind or not onlooker.person_may(JUDGE):
        return set()
    own = Review.objects.filter(item__in=blind, reviewer=onlooker.user_id, state=Review.State.COUNTS)
    said = set(own.values_list("item", flat=True))
    queues = {item.queue_id for item in blind}
    people: dict[int, set[int]] = {}
    for queue, person in _named_in(queues):
        people.setdefault(queue, set()).add(person)
    theirs = {key for key in queues if onlooker.user_id in people.get(key, {onlooker.user_id})}
    return {item.pk for item in blind if item.queue_id in theirs and item.pk not in said}


def _named_in(queues: Collection[int]) -> QuerySet[Any, tuple[int, int]]:
    """Give queues with each person that they name."""
    named = ReviewQueue.reviewers.through.objects.filter(reviewqueue__in=queues)
    return named.values_list("reviewqueue", "user")


def knows_golden(onlooker: Onlooker) -> bool:
    """Whether they may know which items measure reviewers: those who settle, and those who only look."""
    return sees_all_items(onlooker) and (
        onlooker.may("feedback.adjudicate_reviewqueue") or not onlooker.person_may(JUDGE)
    )


def is_nameless(review: Review, onlooker: Onlooker) -> bool:
    """Whether it is kept from them who said this: somebody else, of an item that a blind queue has not decided."""
    is_undecided = review.item.queue.is_blind and review.item.state in _undecided(onlooker)
    return is_undecided and review.reviewer_id != onlooker.user_id


def with_names(reviews: QuerySet[Review], onlooker: Onlooker) -> QuerySet[Review]:
    """Leave out the reviews that are nameless to them, so that they can be asked for by person."""
    is_undecided = Q(queue__is_blind=True, item__state__in=_undecided(onlooker))
    return reviews.filter(~is_undecided | Q(reviewer_id=onlooker.user_id))


def _undecided(onlooker: Onlooker) -> tuple[ReviewItem.State, ...]:
    """Give the states in which nobody is named; to those from whom golden items are hidden these are like others."""
    return UNDECIDED if knows_golden(onlooker) else (*UNDECIDED, ReviewItem.State.GOLDEN)


def answers_hidden(onlooker: Onlooker, calls: Collection[UUID]) -> set[UUID]:
    """Give those of some calls of which an item waits for this person in a blind queue, where they only review.

    Those who see all items look into the log for other reasons too. A golden copy of what they have judged, which they
    never get, keeps nothing back.
    """
    if onlooker.person_may(SEE_ITEMS) or not onlooker.person_may(JUDGE):
        return set()
    mine = Review.objects.filter(reviewer_id=onlooker.user_id, state=Review.State.COUNTS)
    same = {name: OuterRef(name) for name in ("queue", "request_id", "row")}
    judged = mine.filter(**{f"item__{name}": value for name, value in same.items()})
    waiting = ReviewItem.objects.filter(_is_theirs(onlooker), request_id__in=calls, queue__is_blind=True)
    found = waiting.filter(~Exists(judged), state__in=OPEN).values_list("request_id", flat=True)
    return {key for key in found if key}


def _is_theirs(onlooker: Onlooker) -> Q:
    """Give the condition that the queue of a row names them, or nobody."""
    named = ReviewQueue.reviewers.through.objects.filter(reviewqueue=OuterRef("queue"))
    return Q(~Exists(named) | Exists(named.filter(user=onlooker.user_id)))


def queues_open_to(onlooker: Onlooker) -> QuerySet[ReviewQueue]:
    """Give all queues; to a key for some deployments only theirs."""
    allowed = getattr(onlooker, "allowed_models", None)
    queues = ReviewQueue.objects.select_related("owner").prefetch_related("reviewers")
    return queues if allowed is None else queues.filter(deployment__in=allowed)


def items_seen_by(onlooker: Onlooker) -> QuerySet[ReviewItem]:
    """Give all items, or those that are or were before this person."""
    items = ReviewItem.objects.select_related("queue", "settled_by")
    if (allowed := getattr(onlooker, "allowed_models", None)) is not None:
        items = items.filter(queue__deployment__in=allowed)
    if sees_all_items(onlooker):
        return items
    own = {"item": OuterRef("pk"), "reviewer_id": onlooker.user_id}
    return items.filter(Exists(Review.objects.filter(**own)) | Exists(ReviewLock.objects.filter(**own)))


def reviews_seen_by(onlooker: Onlooker) -> QuerySet[Review]:
    """Give one's own reviews, or all but those of items that one could still be given in a blind queue."""
    reviews = Review.objects.select_related("item__queue")
    if (allowed := getattr(onlooker, "allowed_models", None)) is not None:
        reviews = reviews.filter(queue__deployment__in=allowed)
    if not sees_all_items(onlooker):
        return reviews.filter(reviewer_id=onlooker.user_id)
    if not onlooker.person_may(JUDGE):
        return reviews
    mine = Review.objects.filter(item=OuterRef("item"), reviewer_id=onlooker.user_id, state=Review.State.COUNTS)
    hidden = Q(queue__is_blind=True, item__state__in=OPEN) & _is_theirs(onlooker)
    return reviews.filter(~hidden | Q(Exists(mine)) | Q(reviewer_id=onlooker.user_id))
