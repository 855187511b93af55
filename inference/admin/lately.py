"""The newest calls of a deployment, by version: what the minute windows do not hold yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext, ngettext

from common.display import thousands
from common.ids import floor_of
from inference.log.search import time_of
from inference.models import InferenceRequest, Prediction, prediction_key

SPAN = timedelta(minutes=5)
MOST_CALLS = 2000
MOST_SCORES = 200
CLIENTS_WITHIN = timedelta(hours=1)
MOST_CLIENT_CALLS = 5000


@dataclass(frozen=True, slots=True)
class Lately:
    """Some calls of the last minutes, None for what there was none of; `scores`: 10th, 50th and 90th percentile."""

    requests: int = 0
    per_minute: float = 0.0
    errors: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    scores: tuple[float, float, float] | None = None

    @property
    def error_share(self) -> float | None:
        """The share of calls that failed for no fault of the caller's."""
        return self.errors / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Pulse:
    """All calls of a deployment in the last `span`, together and by the id of the version that was asked."""

    span: timedelta = SPAN
    since: datetime | None = None
    until: datetime | None = None
    whole: Lately = field(default_factory=Lately)
    versions: dict[UUID, Lately] = field(default_factory=dict)

    def of(self, version_id: UUID) -> Lately:
        """Give the calls of one version."""
        return self.versions.get(version_id, Lately())


def pulse_of(name: str, *, with_scores: bool = True) -> Pulse:
    """Read the newest calls of a deployment, at most `MOST_CALLS`, in one query, and the scores in a second."""
    now = timezone.now()
    since = (now - SPAN).replace(microsecond=0)
    calls: list[Any] = list(
        InferenceRequest.objects.filter(deployment=name, id__gte=floor_of(since))
        .order_by("-id")
        .values_list("id", "version_id", "latency_ms", "status")[:MOST_CALLS]
    )
    if not calls:
        return Pulse()
    since = time_of(calls[-1][0]) if len(calls) == MOST_CALLS else since
    until = time_of(calls[0][0]) + timedelta(milliseconds=1)
    span = max(now - since, timedelta(seconds=1)) if len(calls) == MOST_CALLS else SPAN
    scores = _scores(calls) if with_scores else {}
    groups: dict[UUID, list[Any]] = defaultdict(list)
    for call in calls:
        groups[call[1]].append(call)
    versions = {key: _lately(group, span, scores.get(key, [])) for key, group in groups.items()}
    return Pulse(span, since, until, _lately(calls, span, []), versions)


def _lately(calls: Sequence[Any], span: timedelta, scores: Sequence[float]) -> Lately:
    times = sorted(latency for _key, _version, latency, status in calls if status < 400)
    return Lately(
        requests=len(calls),
        per_minute=len(calls) / (span / timedelta(minutes=1)),
        errors=sum(status >= 500 for _key, _version, _latency, status in calls),
        p50_ms=_at(times, 0.5),
        p95_ms=_at(times, 0.95),
        p99_ms=_at(times, 0.99),
        scores=(_at(scores, 0.1), _at(scores, 0.5), _at(scores, 0.9)) if scores else None,  # type: ignore[arg-type]
    )


def _scores(calls: Sequence[Any]) -> dict[UUID, list[float]]:
    """Give the sorted scores of the first rows of the newest answers of each version."""
    asked: dict[UUID, UUID] = {}
    counts: dict[UUID, int] = defaultdict(int)
    for key, version, _latency, status in calls:
        if status < 400 and counts[version] < MOST_SCORES:
            counts[version] += 1
            asked[prediction_key(key, 0)] = version
    found: dict[UUID, list[float]] = defaultdict(list)
    rows = Prediction.objects.filter(pk__in=list(asked), score__isnull=False).values_list("pk", "score")
    for key, score in rows:
        found[asked[key]].append(score)
    return {version: sorted(scores) for version, scores in found.items()}


def _at(ranked: Sequence[float], share: float) -> float | None:
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else None


def rate(per_minute: float) -> str:
    """Say how often, by the second where that is more than a few."""
    if per_minute >= 120:
        count = round(per_minute / 60)
        return ngettext("%(count)s request/s", "%(count)s requests/s", count) % {"count": thousands(count)}
    count = round(per_minute) or 1
    return ngettext("%(count)s request/min", "%(count)s requests/min", count) % {"count": thousands(count)}


def span_words(span: timedelta) -> str:
    """Say which time the figures are of."""
    seconds = round(span.total_seconds())
    if seconds < 120:
        return ngettext("the last second", "the last %(count)s seconds", seconds) % {"count": seconds}
    return gettext("the last %(count)s minutes") % {"count": seconds // 60}


def clients_lately(name: str) -> str:
    """Say how many clients called a deployment in the last hour, by its newest calls."""
    rows = InferenceRequest.objects.filter(deployment=name, id__gte=floor_of(timezone.now() - CLIENTS_WITHIN))
    calls: list[Any] = list(rows.order_by("-id").values_list("caller", flat=True)[:MOST_CLIENT_CALLS])
    clients = len(set(calls))
    if not clients:
        return gettext("Nobody has called it in the last hour.")
    words = ngettext(
        "%(clients)s client has called it in the last hour, %(calls)s times.",
        "%(clients)s clients have called it in the last hour, %(calls)s times.",
        clients,
    )
    more = "+" if len(calls) == MOST_CLIENT_CALLS else ""
    return words % {"clients": f"{clients}{more}", "calls": f"{thousands(len(calls))}{more}"}
