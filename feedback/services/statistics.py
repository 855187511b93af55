"""How reviewing goes: of a queue, of each reviewer. Counts are exact; agreement is that of the newest reviews."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import dropwhile
from statistics import median
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from feedback import agreement
from feedback.models import Review, ReviewItem, ReviewQueue

State = ReviewItem.State
MOST_REVIEWS = 100_000
LEAST_PAIRS = 2
DAYS = 30


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far reviewers agree on items; figures are `None` where there is too little. `strength` words alpha.

    `reviews` is how many it is made of; `is_whole` is false when there are more.
    """

    raw: float | None = None
    alpha: float | None = None
    low: float | None = None
    high: float | None = None
    fleiss: float | None = None
    cohen: float | None = None
    strength: str = ""
    level: str = agreement.NOMINAL
    reviews: int = 0
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """Items by state (golden ones apart), reviews, and agreement.

    `per_day` is of the last thirty days, from the first one on that has reviews.
    """

    items: dict[str, int]
    reviews: int
    skipped: int
    agreement: Agreement
    median_seconds: float | None
    per_day: list[tuple[date, int]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Items that are to be judged, or were."""
        return sum(count for state, count in self.items.items() if state not in (State.GOLDEN, State.LEFT_OUT))

    @property
    def done(self) -> int:
        """Items that have their answer."""
        return self.items[State.AGREED] + self.items[State.SETTLED]


@dataclass(frozen=True, slots=True)
class ReviewerStatistics:
    """What one person did in a queue. Seconds and agreement with the majority are those of the newest reviews."""

    reviewer_id: int | None
    name: str
    done: int
    skipped: int
    median_seconds: float | None
    golden_right: int
    golden: int
    with_majority: int
    majority: int
    last_at: datetime | None


Row = tuple[int, int | None, str, Any, float, bool, datetime]


def queue_statistics(queue: ReviewQueue) -> QueueStatistics:
    """Give the figures of a queue."""
    items = dict(queue.items.order_by().values_list("state").annotate(count=Count("pk")))
    kinds = dict(_reviews(queue).order_by().values_list("state").annotate(count=Count("pk")))
    rows = _newest(queue)
    return QueueStatistics(
        items=dict.fromkeys(State.values, 0) | items,
        reviews=kinds.get(Review.State.COUNTS, 0),
        skipped=kinds.get(Review.State.SKIPPED, 0),
        agreement=agreement_of(queue, rows),
        median_seconds=median(row[4] for row in rows) if rows else None,
        per_day=_per_day(rows),
    )


def reviewer_statistics(queue: ReviewQueue) -> list[ReviewerStatistics]:
    """Give the figures of everybody who has reviewed here, the busiest first."""
    totals = _reviews(queue).order_by().values("reviewer_id", "state").annotate(
        count=Count("pk"), name=Max("reviewer_name"), last=Max("created_at")
    )  # fmt: skip
    by_person: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    for one in totals:
        by_person[one["reviewer_id"]].append(dict(one))
    seconds, same = _seconds_and_majority(_newest(queue))
    golden = _golden(queue)
    found = [_of_person(key, told, seconds[key], same[key], golden[key]) for key, told in by_person.items()]
    return sorted(found, key=lambda one: (-one.done, one.name))


def agreement_of(queue: ReviewQueue, rows: Sequence[Row] | None = None) -> Agreement:
    """Give how far reviewers of a queue agree, golden items left aside."""
    newest = _newest(queue) if rows is None else rows
    judged = [row for row in newest if not row[5]]
    is_rating = queue.answer == ReviewQueue.Answer.RATING
    level = agreement.ORDINAL if is_rating else agreement.NOMINAL
    given = agreement.tally([row[0] for row in judged], [row[3] if is_rating else row[2] for row in judged])
    alpha = agreement.krippendorff_alpha(given, level=level) if judged else None
    interval = agreement.alpha_interval(given, level=level) if alpha is not None else None
    return Agreement(
        raw=agreement.raw_agreement(given) if judged else None,
        alpha=alpha,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        fleiss=agreement.fleiss_kappa(given) if judged else None,
        cohen=_cohen(judged),
        strength=agreement.strength(alpha) if alpha is not None else "",
        level=level,
        reviews=len(judged),
        is_whole=len(newest) < MOST_REVIEWS,
    )


def _reviews(queue: ReviewQueue) -> QuerySet[Review]:
    return Review.objects.filter(queue=queue).exclude(state=Review.State.UNDONE)


def _newest(queue: ReviewQueue) -> list[Row]:
    """Give the newest reviews that count: item, reviewer, key, answer, seconds, whether golden, time."""
    counting = Review.objects.filter(queue=queue, state=Review.State.COUNTS).order_by("-id")
    columns = ("item_id", "reviewer_id", "answer_key", "answer", "seconds", "item__is_golden", "created_at")
    return list(counting.values_list(*columns)[:MOST_REVIEWS])


def _cohen(rows: list[Row]) -> float | None:
    """Give Cohen's kappa where exactly two people judged; what people said whose accounts are gone is left out."""
    said: dict[int, dict[int, str]] = defaultdict(dict)
    for item, person, key, *_more in rows:
        if person is not None:
            said[person][item] = key
    if len(said) != 2:
        return None
    one, other = said.values()
    both = [item for item in one if item in other]
    return agreement.cohen_kappa([one[item] for item in both], [other[item] for item in both])


def _per_day(rows: list[Row]) -> list[tuple[date, int]]:
    counted, today = Counter(timezone.localdate(row[6]) for row in rows), timezone.localdate()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    return [(day, counted[day]) for day in dropwhile(lambda day: not counted[day], days)]


def _seconds_and_majority(rows: list[Row]) -> tuple[dict[int | None, list[float]], dict[int | None, tuple[int, int]]]:
    """Give seconds by person, and how often each said what most said, of items where more than half said the same."""
    seconds: dict[int | None, list[float]] = defaultdict(list)
    by_item: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        seconds[row[1]].append(row[4])
        if not row[5]:
            by_item[row[0]].append(row)
    same: dict[int | None, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for said in by_item.values():
        key, count = Counter(row[2] for row in said).most_common(1)[0]
        if len(said) < LEAST_PAIRS or count * 2 <= len(said):
            continue
        for row in said:
            right, total = same[row[1]]
            same[row[1]] = (right + (row[2] == key), total + 1)
    return seconds, same


def _golden(queue: ReviewQueue) -> dict[int | None, tuple[int, int]]:
    """Give how many golden items each person judged rightly, and how many they judged."""
    judged = Review.objects.filter(queue=queue, state=Review.State.COUNTS, is_right__isnull=False)
    counted: dict[int | None, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for key, is_right, count in judged.order_by().values_list("reviewer_id", "is_right").annotate(count=Count("pk")):
        right, total = counted[key]
        counted[key] = (right + (count if is_right else 0), total + count)
    return counted


def _of_person(
    key: int | None, told: list[dict[str, Any]], seconds: list[float], same: tuple[int, int], golden: tuple[int, int]
) -> ReviewerStatistics:
    by_state = {one["state"]: one["count"] for one in told}
    return ReviewerStatistics(
        reviewer_id=key,
        name=told[0]["name"],
        done=by_state.get(Review.State.COUNTS, 0),
        skipped=by_state.get(Review.State.SKIPPED, 0),
        median_seconds=median(seconds) if seconds else None,
        golden_right=golden[0],
        golden=golden[1],
        with_majority=same[0],
        majority=same[1],
        last_at=max(one["last"] for one in told),
    )
