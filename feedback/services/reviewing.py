"""What a reviewer does with an item: answer, skip, take back, flag."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import Conflict, Invalid, NotFound
from common.strict_json import check_text
from common.transactions import transactional
from feedback.answers import clean_answer, key_of
from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue
from feedback.services._items import (
    OPEN,
    STANDING,
    State,
    demand_open,
    demand_reviewer,
    end,
    locked_item,
    outcome,
    recount,
    standing_review,
)
from feedback.services.assignment import keep_for

MOST_NOTE, MOST_REASON = 10_000, 200


@transactional
def submit(
    *, item: ReviewItem, reviewer: User, answer: Any, note: str = "", is_flagged: bool = False
) -> Review:  # fmt: skip
    """Keep what a person says of an item; said twice it is kept once.

    One whose time had run out still counts while the item has a free place. Raises Invalid for an answer that the queue
    does not know, Conflict if the item is decided or full, or if the person has said something else before.
    """
    own = locked_item(item)
    demand_reviewer(own.queue, reviewer)
    said = clean_answer(own.queue.answer, own.queue.choices, answer)
    key, earlier = key_of(said), standing_review(own, reviewer)
    if earlier is not None:
        return _same(earlier, key)
    lock = _demand_place(own, reviewer)
    review = _keep(
        own, reviewer, lock, answer=said, answer_key=key, note=_text("note", note, MOST_NOTE), is_flagged=is_flagged,
        is_right=_is_right(own, reviewer, key),
    )  # fmt: skip
    _conclude(own)
    return review


@transactional
def skip(*, item: ReviewItem, reviewer: User, reason: str, note: str = "") -> Review:
    """Leave an item to others, for a reason; this person does not get it again. Raises Conflict, Invalid."""
    own = locked_item(item)
    demand_reviewer(own.queue, reviewer)
    why = _text("reason", reason, MOST_REASON)
    if not why:
        raise Invalid(_("Say why you skip it."), fields={"reason": _("must not be empty")})
    earlier = standing_review(own, reviewer)
    if earlier is not None:
        return _same(earlier, "")
    lock = own.locks.filter(reviewer=reviewer).first()
    review = _keep(
        own, reviewer, lock, state=Review.State.SKIPPED, skip_reason=why, note=_text("note", note, MOST_NOTE)
    )
    recount(own)
    return review


@transactional
def undo(*, queue: ReviewQueue, reviewer: User, review_id: UUID) -> ReviewItem:
    """Take back this person's last word in a queue and put the item before them again; what was open goes back.

    It is named, so that one sent twice takes back one. Raises NotFound for what they have not said here, Conflict if it
    was taken back already or is not their last word, or if the item was settled or left out, or is full.
    """
    demand_open(queue)
    review = _last_word(queue, reviewer, review_id)
    _give_back(queue, reviewer)
    own = locked_item(review.item)
    if own.state not in (*OPEN, State.AGREED, State.DISPUTED):
        raise Conflict(_("The item has been settled meanwhile."), code="settled")
    if not Review.objects.filter(pk=review.pk, state=review.state).update(state=Review.State.UNDONE):
        raise _undone()
    recount(own)
    if own.places_taken >= own.reviews_needed:
        raise Conflict(_("Others have the item now."), code="no_place")
    keep_for(own, reviewer)
    is_golden = own.state == State.GOLDEN
    recount(own, state=own.state if is_golden else State.WAITING, final_answer=None, finished_at=None)
    return own


@transactional
def flag(*, item: ReviewItem, reviewer: User, note: str | None = None, is_flagged: bool = True) -> Review:
    """Mark one's own review so that somebody looks at it, or take the mark away. Raises NotFound if there is none."""
    review = standing_review(item, reviewer)
    if review is None:
        raise NotFound(_("You have not reviewed this item."), code="not_reviewed")
    review.is_flagged = is_flagged
    review.note = review.note if note is None else _text("note", note, MOST_NOTE)
    review.save(update_fields=["is_flagged", "note"])
    return review


def _last_word(queue: ReviewQueue, reviewer: User, review_id: UUID) -> Review:
    """Give what this person said last in a queue, if it is what they mean."""
    said = Review.objects.filter(queue=queue, reviewer=reviewer)
    meant = said.filter(pk=review_id).first()
    if meant is None:
        raise NotFound(_("There is nothing to take back."), code="nothing_to_undo")
    if meant.state not in STANDING:
        raise _undone()
    last = said.filter(state__in=STANDING).order_by("-id").first()
    if last is not None and last.pk != meant.pk:
        told = _("You have judged another item since: only your last answer can be taken back.")
        raise Conflict(told, code="not_the_last", fields={"review": str(last.pk)})
    return meant


def _undone() -> Conflict:
    return Conflict(_("It has been taken back already."), code="undone_already")


def _same(earlier: Review, key: str) -> Review:
    """Give the review that is there already, if it says the same. Raises Conflict if not."""
    if earlier.answer_key != key:
        raise Conflict(_("You have reviewed this item already. Take that back first."), code="already_reviewed")
    return earlier


def _demand_place(item: ReviewItem, reviewer: User) -> ReviewLock | None:
    """Give the lock that holds a place for this person, `None` where a place is free without one."""
    if item.state not in OPEN:
        raise Conflict(_("This item has been decided meanwhile; your answer was not needed any more."), code="too_late")
    lock = item.locks.filter(reviewer=reviewer).first()
    if lock is None and item.places_taken >= item.reviews_needed:
        raise Conflict(_("Your time for this item had run out, and others have taken it."), code="too_late")
    return lock


def _keep(item: ReviewItem, reviewer: User, lock: ReviewLock | None, **said: Any) -> Review:
    """Write a review, and end the lock, from whose beginning it is timed."""
    seconds = max(0.0, (timezone.now() - lock.opened_at).total_seconds()) if lock else 0.0
    if lock:
        lock.delete()
    return Review.objects.create(
        item=item, queue=item.queue, reviewer=reviewer, reviewer_name=reviewer.get_username(), seconds=seconds, **said
    )


def _is_right(item: ReviewItem, reviewer: User, key: str) -> bool | None:
    """Compare with the known answer of a golden item; of a person's answers to it the first one counts."""
    if item.state != State.GOLDEN:
        return None
    first = item.reviews.filter(reviewer=reviewer, is_right__isnull=False).order_by("id").first()
    return key_of(item.golden.answer) == key if first is None else first.is_right


def _conclude(item: ReviewItem) -> None:
    """Bring an item that has all its reviews to its end."""
    state, answer = outcome(item)
    if item.state != State.WAITING or state == State.WAITING:
        recount(item)
    else:
        end(item, state, final_answer=answer)


def _give_back(queue: ReviewQueue, reviewer: User) -> None:
    """End what is open before a person, so that something else can be."""
    for lock in ReviewLock.objects.filter(queue=queue, reviewer=reviewer):
        own = locked_item(lock.item)
        lock.delete()
        recount(own)


def _text(field: str, given: str, most: int) -> str:
    said = check_text(given.strip(), field=field)
    if len(said) > most:
        raise Invalid(_("Too long."), fields={field: _("at most %(count)s characters") % {"count": most}})
    return said
