"""What is said of canaries, and what follows from it without anybody asking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from common.transactions import transactional
from inference.models import Revision, Route
from inference.services.routing import Kind, Share, locked, reroute, reweighed, shares_of
from inference.services.traffic import without
from inference.traffic.choosing import SLOTS, scaled
from inference.traffic.judging import Counts, Guard, Verdict, judge

GUARD = "canary guard"


def canary_standing(route: Route) -> Verdict:
    """Give the verdict on a canary, from what all web processes have counted so far. One query."""
    canary, live = Counts(), Counts()
    for counts in route.tallies.values_list("counts", flat=True):
        canary.add(Counts.from_dict(counts.get("canary", {})))
        live.add(Counts.from_dict(counts.get("live", {})))
    return judge(canary, live, Guard.from_dict(route.guard or {}))


@transactional
def stop_canary(*, route: Route, data: Mapping[str, Any]) -> bool:
    """End a canary for what was found, and tell of it; give whether it was there to be ended.

    `data` has the `reason` and figures of a verdict. Of the processes that find the same at once one ends it.
    """
    deployment = locked(route.deployment)
    shares = shares_of(deployment)
    ended = _canary(shares, route)
    if ended is None:
        return False
    reroute(
        deployment,
        without(shares, ended),
        what=Revision.What.CANARY_STOPPED,
        action="canary_stopped",
        actor=GUARD,
        reason=str(data["reason"]["code"]),
        data={"version": str(ended.version), "weight": ended.weight, **data},
    )
    return True


@transactional
def advance(*, route: Route) -> bool:
    """Let a good canary grow to the next of its steps, if it has been long enough at this one; 100 makes it live."""
    deployment = locked(route.deployment)
    shares = shares_of(deployment)
    canary = _canary(shares, route)
    if canary is None or canary.guard is None or not _is_due(Route.objects.get(pk=route.pk), canary.guard):
        return False
    step = next((step for step in canary.guard.steps if step > canary.weight), None)
    if step is None:
        return False
    live = [share for share in shares if share.kind == Kind.LIVE]
    if step == SLOTS:
        wanted, what = [Share(canary.version, Kind.LIVE, SLOTS)], Revision.What.PROMOTED
    else:
        lighter = scaled({share.version.pk: share.weight for share in live}, SLOTS - step)
        kept = [share for share in live if lighter[share.version.pk]]
        rest = [share for share in shares if share.kind == Kind.SHADOW]
        wanted = [*reweighed(kept, lighter), Share(canary.version, Kind.CANARY, step, canary.guard), *rest]
        what = Revision.What.CANARY_STEPPED
    reroute(
        deployment,
        wanted,
        what=what,
        action=str(what.value),
        actor=GUARD,
        reason="",
        data={"version": str(canary.version), "weight": step, "kind": str(Kind.CANARY)},
    )
    return True


def _canary(shares: list[Share], route: Route) -> Share | None:
    return next((s for s in shares if s.version.pk == route.version_id and s.kind == Kind.CANARY), None)


def _is_due(route: Route, guard: Guard) -> bool:
    since = route.weighed_at or route.created_at
    return timezone.now() - since >= timedelta(minutes=guard.step_minutes)
