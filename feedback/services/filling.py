"""Items come into queues: by rules, a little behind the log and never twice, and by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Invalid
from common.transactions import transactional
from feedback.copies import copies_of
from feedback.models import ReviewItem, ReviewQueue
from feedback.rules import RULES, Source, find
from feedback.rules.base import PRIORITIES, clean_values
from feedback.services._items import demand_open, shuffle_of

AT_ONCE = 200
FIRST_LOOK = timedelta(days=1)
PREVIEW_S = 2.0
FILL_S = 20.0
BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would have picked in the last day: how many of how many; not `is_whole` where time ran out."""

    found: int
    looked: int
    is_whole: bool


def add_items(
    *, queue: ReviewQueue, sources: Iterable[Source], actor: User, reason: str = BY_HAND, priority: int = 0
) -> int:
    """Put what somebody chose into a queue; give how many are new there. Raises Conflict if it is closed."""
    demand_open(queue)
    if not PRIORITIES[0] <= priority <= PRIORITIES[1]:
        text = _("must be %(least)s to %(most)s") % {"least": PRIORITIES[0], "most": PRIORITIES[1]}
        raise Invalid(text, fields={"priority": text})
    made = [item for some in _batches(sources) for item in copies_of(some, is_masked=queue.is_masked)]
    return _bring(queue, made, actor, reason[:40], priority)


def preview(*, kind: str, values: Mapping[str, Any], deployment: str = "", seconds: float = PREVIEW_S) -> Preview:
    """Tell how many a rule would have picked in the last day. Raises Invalid for values that cannot be."""
    rule, found, looked = find(kind), 0, 0
    numbers = clean_values(rule, {name: value for name, value in values.items() if name not in ("id", "kind")})
    now, end = timezone.now(), time.monotonic() + seconds
    for chunk in rule.look(numbers, deployment, rule.start(now - FIRST_LOOK), now):
        found, looked = found + len(chunk.sources), looked + chunk.looked
        if time.monotonic() > end:
            return Preview(found, looked, is_whole=False)
    return Preview(found, looked, is_whole=True)


def fill_queues(*, seconds: float = FILL_S) -> dict[str, int]:
    """Have the rules of all open queues look at what is new; give how many items each queue got."""
    queues = [queue for queue in ReviewQueue.objects.filter(is_open=True) if queue.rules]
    return {queue.name: fill_queue(queue=queue, seconds=seconds / len(queues)) for queue in queues}


def fill_queue(*, queue: ReviewQueue, seconds: float = FILL_S) -> int:
    """Have the rules of a queue go on where they stopped, until they have seen all or time is up."""
    added, rules = 0, [rule for rule in queue.rules if rule["kind"] in RULES]
    for rule in rules:
        added += _follow(queue, rule, time.monotonic() + seconds / len(rules))
    return added


def _follow(queue: ReviewQueue, values: Mapping[str, Any], end: float) -> int:
    rule, added = find(values["kind"]), 0
    now = timezone.now()
    after = queue.filled_until.get(values["id"], {}).get("after") or rule.start(now - FIRST_LOOK)
    for chunk in rule.look(values, queue.deployment, after, now - timedelta(seconds=rule.lag_s)):
        sources = chunk.sources if _left_today(queue, values) else []
        items = copies_of(sources, is_masked=queue.is_masked)
        brought = _bring_chunk(queue, values, after, chunk.position, items)
        if brought is None:
            break  # another worker is at it, or the queue was changed
        added, after = added + brought, chunk.position
        if time.monotonic() > end:
            break
    return added


@transactional
def _bring_chunk(
    queue: ReviewQueue, values: Mapping[str, Any], after: str, position: str, items: list[ReviewItem]
) -> int | None:
    """Add what a rule picked, up to its most a day, and move its position on; `None` if it is elsewhere meanwhile."""
    own = ReviewQueue.objects.select_for_update().get(pk=queue.pk)
    known = own.filled_until.get(values["id"], {})
    is_same = known.get("after", after) == after
    if not own.is_open or not is_same or values["id"] not in {rule["id"] for rule in own.rules}:
        return None
    left = _left_today(own, values)
    added = _write(own, items, values["kind"], int(values["priority"]), most=left)
    brought = int(values["most_per_day"]) - left + added
    kept = {rule["id"]: own.filled_until[rule["id"]] for rule in own.rules if rule["id"] in own.filled_until}
    told = {"after": position, "day": timezone.localdate().isoformat(), "brought": brought}
    own.filled_until = queue.filled_until = {**kept, values["id"]: told}
    own.save(update_fields=["filled_until"])
    return added


def _left_today(queue: ReviewQueue, values: Mapping[str, Any]) -> int:
    """Give how many items a rule may still bring today."""
    known = queue.filled_until.get(values["id"], {})
    already = known.get("brought", 0) if known.get("day") == timezone.localdate().isoformat() else 0
    return max(0, int(values["most_per_day"]) - already)


@transactional
def _bring(queue: ReviewQueue, items: list[ReviewItem], actor: User, reason: str, priority: int) -> int:
    own = ReviewQueue.objects.select_for_update().get(pk=queue.pk)
    demand_open(own)
    starts = range(0, len(items), AT_ONCE)
    added = sum(_write(own, items[at : at + AT_ONCE], reason, priority, most=AT_ONCE) for at in starts)
    if added:
        record(action="feedback.items_added", actor=actor, target=queue, after={"items": added, "why": reason})
    return added


def _write(queue: ReviewQueue, items: Sequence[ReviewItem], reason: str, priority: int, *, most: int) -> int:
    """Write the items that the queue does not have. Its row is locked, so nobody else adds at this moment."""
    keys = [item.source_key for item in items]
    there = set(queue.items.filter(source_key__in=keys).values_list("source_key", flat=True))
    fresh = {item.source_key: item for item in items if item.source_key not in there}
    for item in list(fresh.values())[:most]:
        item.queue, item.reason, item.priority = queue, reason, priority
        item.reviews_needed, item.shuffle = queue.reviewers_per_item, shuffle_of(queue, item.source_key)
    made = ReviewItem.objects.bulk_create(list(fresh.values())[:most], batch_size=AT_ONCE)
    return len(made)


def _batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    left = iter(sources)
    while some := list(islice(left, AT_ONCE)):
        yield some
