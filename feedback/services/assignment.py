"""Who gets which item: the next one, kept for a while, given back, given to somebody else."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta

from django.core.cache import cache
from django.db import IntegrityError, connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import person
from common.errors import Conflict, NotAllowed, NotFound
from common.transactions import transactional
from feedback.models import Review, ReviewItem, ReviewLock, ReviewQueue
from feedback.services._items import (
    STANDING,
    State,
    demand_open,
    demand_reviewer,
    facts,
    locked_item,
    recount,
    standing_review,
    tell,
)

CANDIDATES = 32
LOOKS = 5
FREED_AT_ONCE = 100
SLOW_S, SLOW_FACTOR = 0.04, 300


def next_item(*, queue: ReviewQueue, reviewer: User) -> ReviewItem | None:
    """Give the item that is before this person, else the next one, kept for them; `None` when there is none for them.

    An item is given to no person twice and to no more people than it needs. Raises NotAllowed if the queue is for
    others, Conflict if it is closed.
    """
    demand_open(queue)
    demand_reviewer(queue, reviewer)
    if (lock := _renewed(queue, reviewer)) is not None:
        return lock.item
    free_expired(queue=queue)
    is_golden = secrets.randbelow(100) < queue.golden_percent
    for state in (State.GOLDEN, State.WAITING) if is_golden else (State.WAITING,):
        for _look in range(LOOKS):
            candidates = _candidates(queue, reviewer, state)
            if not candidates:
                break
            if (found := _opened(queue, reviewer, state, candidates)) is not None:
                return found
    return None


def open_lock(*, queue: ReviewQueue, reviewer: User) -> ReviewLock | None:
    """Give the lock of the item that is before a person, `None` if there is none."""
    return ReviewLock.objects.filter(queue=queue, reviewer=reviewer).select_related("item__queue").first()


@transactional
def prolong(*, item: ReviewItem, reviewer: User) -> ReviewLock:
    """Keep an item longer for the person before whom it is. Raises Conflict if it was given up meanwhile."""
    until = timezone.now() + timedelta(seconds=item.queue.lock_seconds)
    if not item.locks.filter(reviewer=reviewer).update(expires_at=until):
        raise Conflict(_("The item is not kept for you any more."), code="lock_lost")
    return item.locks.get(reviewer=reviewer)


@transactional
def release(*, item: ReviewItem, reviewer: User, actor: User, reason: str = "") -> None:
    """Take an item from before a person, who has not answered. Raises NotFound if it is not before them."""
    own = locked_item(item)
    _drop_lock(own, reviewer)
    recount(own)
    if actor != reviewer:
        after = {"reviewer": person(reviewer)}
        tell("item_released", own, actor, facts(own), after=after, reason=reason)


@transactional
def reassign(*, item: ReviewItem, reviewer: User, to: User, actor: User, reason: str = "") -> ReviewLock:
    """Put an item that is before one person before another.

    Raises NotAllowed for one who may not review here, Conflict if that one has had it, or has one open.
    """
    own = locked_item(item)
    demand_reviewer(own.queue, to)
    if not to.has_perm("feedback.add_review"):  # this person is at no door that would ask
        raise NotAllowed(_("This person may not review."), code="not_a_reviewer")
    if standing_review(own, to) or ReviewLock.objects.filter(queue=own.queue, reviewer=to).exists():
        raise Conflict(_("This person has reviewed the item, or has another one open."), code="not_assignable")
    _drop_lock(own, reviewer)
    lock = keep_for(own, to)
    recount(own)
    after = {"reviewer": person(to)}
    tell("item_reassigned", own, actor, {**facts(own), "reviewer": person(reviewer)}, after=after, reason=reason)
    return lock


def free_expired(*, queue: ReviewQueue | None = None) -> int:
    """Give the places of locks that have run out to others; give how many."""
    expired = ReviewLock.objects.filter(expires_at__lte=timezone.now())
    if queue is not None:
        expired = expired.filter(queue=queue)
    return sum(_free(lock) for lock in expired.order_by("expires_at").select_related("item")[:FREED_AT_ONCE])


@transactional
def _free(lock: ReviewLock) -> bool:
    own = locked_item(lock.item)
    gone, _rows = own.locks.filter(pk=lock.pk, expires_at__lte=timezone.now()).delete()
    recount(own)
    return bool(gone)


def _for_them(queue: ReviewQueue, reviewer: User, state: str) -> QuerySet[ReviewItem]:
    """Give the items that this person could get, in order; no copy of one that they have reviewed as another item."""
    theirs = Review.objects.filter(reviewer=reviewer, state__in=STANDING)
    items = ReviewItem.objects.filter(queue=queue, state=state, places_taken__lt=F("reviews_needed"))
    items = items.filter(~Exists(theirs.filter(item=OuterRef("pk"))))
    if state == State.GOLDEN:
        same = theirs.filter(item__queue=queue, item__request_id=OuterRef("request_id"), item__row=OuterRef("row"))
        items = items.filter(~Exists(same))
    return items.order_by("-priority", "shuffle", "id")


def _candidates(queue: ReviewQueue, reviewer: User, state: str) -> list[int]:
    """Give the keys of the first items that this person could get.

    Somebody far ahead of all others has a long way past what they have judged and others have not: once it was slow,
    they go on behind their last item for a while, and see from the front only now and then what is new there.
    """
    items = _for_them(queue, reviewer, state)
    key = f"feedback:slow:{queue.pk}:{reviewer.pk}"
    if cache.get(key) and (found := _first(items.filter(_behind_last(queue, reviewer)))):
        return found
    began = time.monotonic()
    found = _first(items)
    if (took := time.monotonic() - began) > SLOW_S:
        cache.set(key, value=True, timeout=SLOW_FACTOR * took)
    return found


def _first(items: QuerySet[ReviewItem]) -> list[int]:
    return list(items.values_list("pk", flat=True)[:CANDIDATES])


def _behind_last(queue: ReviewQueue, reviewer: User) -> Q:
    """Give the condition on items that come after the last one that a person had in the order."""
    last = Review.objects.filter(queue=queue, reviewer=reviewer, state__in=STANDING, item__is_golden=False)
    item = getattr(last.order_by("-id").select_related("item").first(), "item", None)
    if item is None:
        return Q()
    same = Q(priority=item.priority)
    behind = same & Q(shuffle__gt=item.shuffle) | same & Q(shuffle=item.shuffle, id__gt=item.pk)
    return Q(priority__lte=item.priority) & (Q(priority__lt=item.priority) | behind)


def _renewed(queue: ReviewQueue, reviewer: User) -> ReviewLock | None:
    """Give the lock that this person has, with its time begun anew if it had run out and nobody has freed it yet."""
    lock = open_lock(queue=queue, reviewer=reviewer)
    now = timezone.now()
    if lock is None or lock.expires_at > now:
        return lock
    until = now + timedelta(seconds=queue.lock_seconds)
    return lock if ReviewLock.objects.filter(pk=lock.pk).update(opened_at=now, expires_at=until) else None


def _opened(queue: ReviewQueue, reviewer: User, state: str, candidates: list[int]) -> ReviewItem | None:
    """Open the first candidate that is still free, `None` when others have taken all."""
    try:
        return _open_first(queue, reviewer, state, candidates)
    except IntegrityError:  # the same person in another window, at the same moment
        lock = open_lock(queue=queue, reviewer=reviewer)
        return lock.item if lock else None


@transactional
def _open_first(queue: ReviewQueue, reviewer: User, state: str, candidates: list[int]) -> ReviewItem | None:
    for key in candidates:
        free = ReviewItem.objects.filter(pk=key, state=state, places_taken__lt=F("reviews_needed"))
        if not _take(free):
            continue
        item = ReviewItem.objects.get(pk=key)
        item.queue = queue
        if standing_review(item, reviewer):  # meanwhile, in another window
            recount(item)
            continue
        return keep_for(item, reviewer).item
    return None


def _take(free: QuerySet[ReviewItem]) -> bool:
    """Take a place of an item; a row that somebody else holds is passed over, where the database can."""
    can_pass = connection.features.has_select_for_update_skip_locked
    if can_pass and free.select_for_update(skip_locked=True).values_list("pk", flat=True).first() is None:
        return False
    return bool(free.update(places_taken=F("places_taken") + 1))


def keep_for(item: ReviewItem, reviewer: User) -> ReviewLock:
    """Put an item before a person for the queue's time; the place is the caller's to take."""
    now = timezone.now()
    until = now + timedelta(seconds=item.queue.lock_seconds)
    return ReviewLock.objects.create(item=item, queue=item.queue, reviewer=reviewer, opened_at=now, expires_at=until)


def _drop_lock(item: ReviewItem, reviewer: User) -> None:
    gone, _rows = item.locks.filter(reviewer=reviewer).delete()
    if not gone:
        raise NotFound(_("The item is not before this person."), code="not_open")
