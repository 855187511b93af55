"""The one way in which routes change: all of a deployment at once, with a revision, an audit event and a notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict
from guards.services import bump
from inference.models import Deployment, Revision, Route, RunnerState
from inference.services.deployments import STAMP, Actor
from inference.traffic.choosing import allot
from inference.traffic.judging import Guard
from notify.services import publish
from registry.conversion import demand_servable_kind
from registry.models import ModelVersion

Kind = Route.Kind


@dataclass(frozen=True, slots=True)
class Share:
    """What a version gets of a deployment's calls."""

    version: ModelVersion
    kind: str
    weight: int
    guard: Guard | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give what a revision keeps."""
        told = {"version": self.version.pk.hex, "name": str(self.version), "kind": self.kind, "weight": self.weight}
        return {**told, "guard": self.guard.as_dict()} if self.guard else told

    def __str__(self) -> str:
        return f"{self.version} {self.weight}%" + ("" if self.kind == Kind.LIVE else f" {self.kind}")


def locked(deployment: Deployment, revision: int | None = None) -> Deployment:
    """Give the deployment with its row locked. Raises Conflict if its routes have changed since `revision`."""
    found = Deployment.objects.select_for_update().get(pk=deployment.pk)
    if revision is not None and _has_changed(found, revision):
        said = _("the traffic of %(name)s has changed meanwhile; look again") % {"name": found.name}
        raise Conflict(said, code="changed_meanwhile")
    return found


def _has_changed(deployment: Deployment, revision: int) -> bool:
    """Tell whether another change than that is the last; that a version could not be loaded changes no route."""
    later = deployment.revisions.filter(number__gt=revision).exclude(what=Revision.What.NOT_LOADED)
    return revision > last_number(deployment) or later.exists()


def servable(version: ModelVersion) -> ModelVersion:
    """Give the version with its row locked. Raises Conflict if it is not ready, NotServable if it never will be."""
    version = ModelVersion.objects.select_for_update().select_related("model").get(pk=version.pk)
    demand_servable_kind(version)
    if version.state != ModelVersion.State.READY:
        told = {"version": version, "state": version.get_state_display()}
        raise Conflict(_("%(version)s is %(state)s; only a version that is ready can be deployed") % told)
    return version


def shares_of(deployment: Deployment) -> list[Share]:
    """Give what each version gets, the largest first; what only stands in for another is left out."""
    routes = deployment.routes.filter(weight__gt=0).select_related("version__model").order_by("-weight", "-id")
    return [
        Share(route.version, route.kind, route.weight, Guard.from_dict(route.guard) if route.guard else None)
        for route in routes
    ]


def reroute(
    deployment: Deployment,
    shares: Sequence[Share],
    *,
    what: Revision.What,
    action: str,
    actor: Actor,
    reason: str,
    data: Mapping[str, Any] | None = None,
) -> Revision:
    """Give each version its share, end all other routes, and tell of it. The deployment's row is locked.

    While a version that is to be live has not loaded, those before it stay at weight nought and stand in for it.
    """
    before = shares_of(deployment)
    _write_routes(deployment, shares)
    drop_stand_ins(deployment)
    deployment.save(update_fields=["updated_at"])
    revision = write_revision(deployment, shares, what=what, actor=actor, reason=reason, data=data)
    told = {"deployment": deployment.name, "before": _said(before) or None, "after": _said(shares)}
    if what == Revision.What.CANARY_STOPPED:
        publish(event="canary.stopped", payload={**told, "reason": reason}, target=deployment)
    else:
        publish(event="deployment.changed", payload=told, target=deployment)
    record(
        action=f"inference.{action}",
        actor=actor,
        target=deployment,
        before={"version": told["before"], "routes": [str(share) for share in before]},
        after={"version": told["after"], "routes": [str(share) for share in shares], "revision": revision.number},
        reason=reason,
    )
    bump(STAMP)
    return revision


def write_revision(
    deployment: Deployment,
    shares: Sequence[Share],
    *,
    what: Revision.What,
    actor: Actor,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> Revision:
    """Add to the history of a deployment, whose row is locked."""
    return Revision.objects.create(
        deployment=deployment,
        number=last_number(deployment) + 1,
        what=what,
        routes=[share.as_dict() for share in shares],
        data=dict(data or {}),
        user=actor if isinstance(actor, User) else None,
        agent=actor[:100] if isinstance(actor, str) else "",
        reason=reason,
    )


def last_number(deployment: Deployment) -> int:
    """Give the number of the last change, 0 before the first."""
    return deployment.revisions.order_by("-number").values_list("number", flat=True).first() or 0


def drop_stand_ins(deployment: Deployment) -> None:
    """End the routes of weight nought that nobody needs: all once every live version serves, else those that do not."""
    live = list(deployment.routes.filter(kind=Kind.LIVE).select_related("version__runner"))
    serving = {route.pk for route in live if _state_of(route) == RunnerState.State.READY}
    standing_in = [route for route in live if not route.weight]
    if all(route.pk in serving for route in live if route.weight):
        kept: list[Route] = []
    else:
        kept = [route for route in standing_in if route.pk in serving] or standing_in[-1:]
    deployment.routes.filter(pk__in=[route.pk for route in standing_in if route not in kept]).delete()


def _state_of(route: Route) -> str:
    runner: RunnerState | None = getattr(route.version, "runner", None)
    return runner.state if runner else ""


def _write_routes(deployment: Deployment, shares: Sequence[Share]) -> None:
    """Write the routes. One that stays what it was keeps its row, and its slots as far as its weight goes."""
    routes = {(route.version_id, route.kind): route for route in deployment.routes.all()}
    held = {route.version_id: route.slots for route in routes.values() if route.slots}
    taking = [share for share in shares if share.kind != Kind.SHADOW]
    seed = max(taking, key=lambda share: share.weight - len(held.get(share.version.pk, ()))).version.pk.hex
    slots = allot(held, {share.version.pk: share.weight for share in taking}, seed=seed)
    now = timezone.now()
    for share in shares:
        route = routes.pop((share.version.pk, share.kind), None)
        is_same_weight = route is not None and route.weight == share.weight
        Route.objects.update_or_create(
            deployment=deployment,
            version=share.version,
            kind=share.kind,
            defaults={
                "weight": share.weight,
                "slots": None if share.kind == Kind.SHADOW else slots[share.version.pk],
                "guard": share.guard.as_dict() if share.guard else None,
                "weighed_at": route.weighed_at if route is not None and is_same_weight else now,
            },
        )
    for route in routes.values():  # also one that shall be tried meanwhile stands in
        if route.kind == Kind.LIVE:
            Route.objects.filter(pk=route.pk).update(weight=0, slots=None)
        else:
            route.delete()


def _said(shares: Sequence[Share]) -> str:
    """Give the routes for a sentence: just the version where it gets everything."""
    if len(shares) == 1 and shares[0].kind == Kind.LIVE:
        return str(shares[0].version)
    return ", ".join(map(str, shares))


def reweighed(shares: Sequence[Share], weights: Mapping[Any, int]) -> list[Share]:
    """Give the shares with weights by version key."""
    return [replace(share, weight=weights[share.version.pk]) for share in shares]
