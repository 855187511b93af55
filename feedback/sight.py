"""Who may see what before they have judged: the one rule of blind queues for all doors.

Somebody who could still be given an item sees neither what the model answered nor what others said of it, nor anything
that would tell a golden item. Those who settle may know which items are golden; they too judge blindly.
"""

from __future__ import annotations

from typing import Protocol

from django.db.models import Exists, OuterRef, Q, QuerySet

from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue

# Asked of the person: a key of theirs that only reads shows no more than they may see.
JUDGE = "feedback.add_review"
OPEN = (ReviewItem.State.WAITING, ReviewItem.State.GOLDEN)


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
    return onlooker.may("feedback.view_reviewitem")


def is_hidden(item: ReviewItem, onlooker: Onlooker) -> bool:
    """Whether the model's answer and what others said of the item is kept from them for now."""
    if not item.queue.is_blind or item.state not in OPEN or not onlooker.person_may(JUDGE):
        return False
    if item.reviews.filter(reviewer_id=onlooker.user_id, state=Review.State.COUNTS).exists():
        return False
    named = set(item.queue.reviewers.values_list("pk", flat=True))
    return not named or onlooker.user_id in named


def knows_golden(onlooker: Onlooker) -> bool:
    """Whether they may know which items measure reviewers: those who settle, and those who only look."""
    return sees_all_items(onlooker) and (
        onlooker.may("feedback.adjudicate_reviewqueue") or not onlooker.person_may(JUDGE)
    )


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
    named = ReviewQueue.reviewers.through.objects.filter(reviewqueue=OuterRef("queue"))
    is_theirs = ~Exists(named) | Exists(named.filter(user=onlooker.user_id))
    hidden = Q(queue__is_blind=True, item__state__in=OPEN) & Q(is_theirs)
    return reviews.filter(~hidden | Q(Exists(mine)) | Q(reviewer_id=onlooker.user_id))
