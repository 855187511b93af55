"""What shadows answered, kept and summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from common.deleting import delete_in_pieces
from common.ids import floor_of
from inference.figures.latency import merge, percentile
from inference.models import Route, ShadowResult
from inference.traffic.evidence import score_middle

BATCH = 200


@dataclass(frozen=True, slots=True)
class ShadowFigures:
    """What became of the copies of calls. `score_differences`: how many differ by how much, (difference, calls)."""

    answered: int
    failed: int
    dropped: int
    same_labels: float | None
    mean_difference: float | None
    p50_ms: float | None
    p95_ms: float | None
    score_differences: list[tuple[float, int]]


def keep_shadow_results(*, results: Sequence[ShadowResult]) -> None:
    """Write what shadows answered, some hundred rows a statement."""
    ShadowResult.objects.bulk_create(results, batch_size=BATCH)


def forget_shadow_results() -> int:
    """Delete what shadows answered more than SHADOW_KEEP_DAYS ago, and give how many rows went; safe to break off."""
    if not settings.SHADOW_KEEP_DAYS:
        return 0
    until = timezone.now() - timedelta(days=settings.SHADOW_KEEP_DAYS)
    return delete_in_pieces(ShadowResult.objects.filter(pk__lt=floor_of(until)).order_by("pk"))


def shadow_standing(route: Route) -> ShadowFigures:
    """Give the figures of a shadow, from what all web processes have counted so far. One query."""
    counts = list(route.tallies.values_list("counts", flat=True))
    total: Counter[str] = Counter()
    for one in counts:
        total.update({name: value for name, value in one.items() if isinstance(value, int | float)})
    latency = merge(one.get("latency", {}) for one in counts)
    differences = merge(one.get("score_differences", {}) for one in counts)
    answered, labelled = int(total["answered"]), total["labelled"]
    return ShadowFigures(
        answered=answered,
        failed=int(total["failed"]),
        dropped=int(total["dropped"]),
        same_labels=total["same_labels"] / labelled if labelled else None,
        mean_difference=total["difference"] / answered if answered else None,
        p50_ms=percentile(latency, 0.5),
        p95_ms=percentile(latency, 0.95),
        score_differences=[
            (score_middle(bucket), differences[str(bucket)]) for bucket in sorted(map(int, differences))
        ],
    )
