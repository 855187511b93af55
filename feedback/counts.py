"""How many items of queues are in which state, and what waits for a person: cheap enough to be asked all the time."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.cache import cache
from django.db.models import Count

from feedback.models import Review, ReviewItem

State = ReviewItem.State
MANY_ITEMS, COUNTS_KEPT_S = 20_000, 10


def counts_by_queue(keys: Iterable[int]) -> dict[int, dict[str, int]]:
    """Give the number of items by state for some queues, golden ones left out; a little old where counting is slow."""
    names = {f"feedback:counts:{key}": key for key in keys}
    known = {names[name]: counts for name, counts in cache.get_many(names).items()}
    missing = set(names.values()) - set(known)
    if not missing:
        return known
    items = ReviewItem.objects.filter(queue__in=missing, is_golden=False).order_by()
    found: dict[int, dict[str, int]] = {key: dict.fromkeys(State.values, 0) for key in missing}
    for key, state, count in items.values_list("queue", "state").annotate(count=Count("pk")):
        found[key][state] = count
    for key, counts in found.items():
        if (many := sum(counts.values())) > MANY_ITEMS:
            cache.set(f"feedback:counts:{key}", counts, many // MANY_ITEMS + COUNTS_KEPT_S)
    return known | found


def waiting_by_queue(person: int, keys: Iterable[int]) -> dict[int, int]:
    """Give how many items of some queues still lack a word of this person; some may be before others now."""
    counts = counts_by_queue(keys)
    own = Review.objects.filter(reviewer=person, queue__in=counts, item__state=State.WAITING).order_by()
    counted = own.exclude(state=Review.State.UNDONE).values_list("queue").annotate(count=Count("pk"))
    said: dict[int, int] = dict(counted)
    return {key: max(0, by_state[State.WAITING] - said.get(key, 0)) for key, by_state in counts.items()}
