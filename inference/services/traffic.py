"""Who gets what of a deployment's calls: each verb is one change of all its routes (`routing.reroute`).

`revision` is the number of the change that the caller saw last: with it a change made meanwhile is a Conflict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.utils.translation import gettext as _

from common.errors import Conflict, Invalid
from common.names import safe_name
from common.transactions import transactional
from inference.models import Deployment, Revision, Route
from inference.services.deployments import Actor
from inference.services.permits import permitted, served_before
from inference.services.routing import Kind, Share, locked, reroute, reweighed, servable, shares_of
from inference.traffic.choosing import SLOTS, scaled
from inference.traffic.judging import Guard
from registry.models import ModelVersion
from registry.services.gates import planned_guard

What = Revision.What
NAME_LENGTH = 100


@transactional
def deploy(
    *, name: str, version: ModelVersion, actor: Actor, reason: str = "", revision: int | None = None
) -> Deployment:
    """Let one version alone answer for a deployment, which is made if there is none.

    The versions that served before go on until the new one has loaded. Raises Invalid for a bad name, Conflict if the
    version is not ready. Safe to call again.
    """
    version = servable(version)
    deployment = Deployment.objects.get_or_create(name=_checked_name(name))[0]
    deployment = locked(deployment, revision)
    wanted = [Share(version, Kind.LIVE, SLOTS)]
    if (shares := shares_of(deployment)) != wanted:
        permit = permitted(deployment, version, shares, actor)
        reroute(deployment, wanted, what=What.DEPLOYED, action="deployed", actor=actor, reason=reason)
        permit.use(actor)
    return deployment


@transactional
def start_canary(
    *,
    deployment: Deployment,
    version: ModelVersion,
    weight: int,
    actor: Actor,
    reason: str = "",
    guard: Guard | None = None,
    revision: int | None = None,
) -> Route:
    """Give a new version a share of the calls, taken from the live ones by their weights; `guard` stops it.

    Without a guard it is that of the gate of the version's model. Raises Conflict if the version is not ready, has
    another signature, is routed already, if there is a canary, or if its share or a step leaves a live version nothing.
    """
    _checked_percent(weight, most=SLOTS - 1)
    version = servable(version)
    deployment = locked(deployment, revision)
    shares = _without(shares_of(deployment), version, but=Kind.CANARY)
    live, others = _live(shares), [share for share in shares if share.kind != Kind.LIVE]
    if any(share.kind == Kind.CANARY for share in others):
        said = _("%(name)s has a canary already; end it first") % {"name": deployment.name}
        raise Conflict(said, code="has_canary")
    _check_same_signature(live, version)
    guard = (guard or planned_guard(version.model) or Guard()).checked()
    _check_room(live, [weight, *(step for step in guard.steps if weight < step < SLOTS)])
    permit = permitted(deployment, version, shares, actor)
    lighter = reweighed(live, scaled(_weights(live), SLOTS - weight))
    canary = Share(version, Kind.CANARY, weight, guard)
    data = {"version": str(version), "weight": weight}
    reroute(
        deployment,
        [*lighter, canary, *others],
        what=What.CANARY_STARTED,
        action="canary_started",
        actor=actor,
        reason=reason,
        data=data,
    )
    permit.use(actor)
    return Route.objects.get(deployment=deployment, version=version, kind=Kind.CANARY)


@transactional
def set_weights(
    *,
    deployment: Deployment,
    weights: Mapping[UUID, int],
    actor: Actor,
    reason: str = "",
    revision: int | None = None,
) -> Deployment:
    """Give versions their percent of the calls; a canary stays one, a version that was not routed becomes live.

    Versions that are left out, or given nought, end. Raises Invalid unless the weights add up to 100, Conflict where a
    version cannot be served beside the others or no live version would be left.
    """
    wanted = {key: _checked_percent(weight, least=0) for key, weight in weights.items() if weight}
    if sum(wanted.values()) != SLOTS:
        raise Invalid(_("weights add up to 100"), fields={"weights": _("add up to another number")})
    deployment = locked(deployment, revision)
    shares = shares_of(deployment)
    known = {share.version.pk: share for share in shares if share.kind != Kind.SHADOW}
    new = [servable(version) for version in ModelVersion.objects.filter(pk__in=wanted.keys() - known.keys())]
    if unknown := wanted.keys() - known.keys() - {version.pk for version in new}:
        said = _("there is no version %(version)s") % {"version": min(map(str, unknown))}
        raise Invalid(said, fields={"weights": _("names no version")})
    for version in new:
        _check_same_signature(_live(shares), version)
        known[version.pk] = Share(version, Kind.LIVE, 0)
    changed = reweighed([known[key] for key in wanted], wanted)
    if not _live(changed):
        raise Conflict(_("a canary cannot have everything; promote it instead"), code="no_live_version")
    shadows = [share for share in shares if share.kind == Kind.SHADOW and share.version.pk not in wanted]
    if _weights(changed) != _weights(list(_routed(shares))):
        permits = [permitted(deployment, share.version, shares, actor) for share in changed]
        reroute(
            deployment, [*changed, *shadows], what=What.WEIGHTS_SET, action="weights_set", actor=actor, reason=reason
        )
        for permit in permits:
            permit.use(actor)
    return deployment


@transactional
def start_shadow(
    *,
    deployment: Deployment,
    version: ModelVersion,
    share_percent: int,
    actor: Actor,
    reason: str = "",
    revision: int | None = None,
) -> Route:
    """Send a version copies of a share of the calls; what it answers is compared, and reaches no caller.

    For a version that is a shadow already its share changes. Raises Conflict if it is not ready, takes other inputs,
    or answers callers.
    """
    _checked_percent(share_percent)
    version = servable(version)
    deployment = locked(deployment, revision)
    shares = _without(shares_of(deployment), version, but=Kind.SHADOW)
    _check_same_signature(_live(shares), version, is_shadow=True)
    others = [share for share in shares if share.version != version]
    data = {"version": str(version), "weight": share_percent}
    reroute(
        deployment,
        [*others, Share(version, Kind.SHADOW, share_percent)],
        what=What.SHADOW_STARTED,
        action="shadow_started",
        actor=actor,
        reason=reason,
        data=data,
    )
    return Route.objects.get(deployment=deployment, version=version, kind=Kind.SHADOW)


@transactional
def end_route(*, route: Route, actor: Actor, reason: str = "", revision: int | None = None) -> Deployment:
    """End a canary, whose share goes back to the live versions, or a shadow. What it is answering is answered.

    Raises Conflict for a live route, and where the route has ended already.
    """
    deployment = locked(route.deployment, revision)
    shares = shares_of(deployment)
    ended = next((s for s in shares if s.version.pk == route.version_id and s.kind == route.kind), None)
    if ended is None:
        raise Conflict(_("the route has ended already"), code="has_ended")
    if ended.kind == Kind.LIVE:
        raise Conflict(_("a live version ends when others take its share"), code="is_live")
    data = {"version": str(ended.version), "kind": ended.kind}
    reroute(
        deployment,
        without(shares, ended),
        what=What.ROUTE_ENDED,
        action="route_ended",
        actor=actor,
        reason=reason,
        data=data,
    )
    return deployment


@transactional
def promote(
    *, deployment: Deployment, version: ModelVersion, actor: Actor, reason: str = "", revision: int | None = None
) -> Deployment:
    """Let a version that is canary, shadow or one of several live ones answer alone.

    Raises Conflict if it is none of these.
    """
    version = servable(version)
    deployment = locked(deployment, revision)
    shares = shares_of(deployment)
    before = next((share for share in shares if share.version == version), None)
    if before is None:
        said = _("%(name)s does not try %(version)s") % {"name": deployment.name, "version": version}
        raise Conflict(said, code="not_routed")
    if shares == [Share(version, Kind.LIVE, SLOTS)]:
        return deployment
    if before.kind == Kind.SHADOW:
        _check_same_signature(_live(shares), version)
    permit = permitted(deployment, version, shares, actor)
    data = {"version": str(version), "kind": before.kind}
    wanted = [Share(version, Kind.LIVE, SLOTS)]
    reroute(deployment, wanted, what=What.PROMOTED, action="promoted", actor=actor, reason=reason, data=data)
    permit.use(actor)
    return deployment


@transactional
def rollback(
    *, deployment: Deployment, actor: Actor, reason: str = "", to: Revision | None = None, revision: int | None = None
) -> Deployment:
    """Give the live versions of an earlier revision their shares back; without `to`, of the last one that differs.

    Rolling back again goes further back. Canaries and shadows end. Raises Conflict where there is nothing to go back
    to, or a version of then is not ready any more.
    """
    deployment = locked(deployment, revision)
    target = _checked_target(deployment, to) if to else _last_other(deployment)
    weights = scaled(target.live_weights, SLOTS)
    found = {version.pk: servable(version) for version in ModelVersion.objects.filter(pk__in=weights)}
    if missing := weights.keys() - found.keys():
        told = {"number": target.number, "version": min(map(str, missing))}
        raise Conflict(_("a version of revision %(number)s is gone: %(version)s") % told, code="version_gone")
    wanted = [Share(found[key], Kind.LIVE, weight) for key, weight in weights.items()]
    shares = shares_of(deployment)
    earlier = served_before(deployment, shares)
    permits = [
        permitted(deployment, version, shares, actor, is_return=version.pk.hex in earlier) for version in found.values()
    ]
    reroute(
        deployment,
        wanted,
        what=What.ROLLED_BACK,
        action="rolled_back",
        actor=actor,
        reason=reason,
        data={"to": target.number},
    )
    for permit in permits:
        permit.use(actor)
    return deployment


def without(shares: Sequence[Share], ended: Share) -> list[Share]:
    """Give the shares without one; what a canary had goes back to the live versions."""
    rest = [share for share in shares if share is not ended]
    if ended.kind != Kind.CANARY:
        return rest
    live = _live(rest)
    return [*reweighed(live, scaled(_weights(live), SLOTS)), *(share for share in rest if share.kind != Kind.LIVE)]


def _checked_target(deployment: Deployment, to: Revision) -> Revision:
    if to.deployment_id != deployment.pk:
        raise Conflict(_("that revision is of another deployment"), code="other_deployment")
    return to


def _last_other(deployment: Deployment) -> Revision:
    """Give the newest revision that a roll-back changes anything by, before the one rolled back to.

    What was rolled back from is passed over, also where other changes came after that roll-back.
    """
    now = {(share.version.pk, str(share.kind), share.weight) for share in shares_of(deployment)}
    before: int | None = None
    for revision in deployment.revisions.order_by("-number").iterator(chunk_size=100):
        if before is None and revision.what == What.NOT_LOADED:
            continue  # that changed no routes: where we stand is what the one before it says
        if before is None:
            before = revision.data.get("to", revision.number)
        live = revision.live_weights
        if revision.number > before or not live:
            continue
        is_now = now == {(key, str(Kind.LIVE), weight) for key, weight in scaled(live, SLOTS).items()}
        if is_now and revision.what == What.ROLLED_BACK:
            before = revision.data["to"]
        elif not is_now and revision.number < before:
            return revision
    said = _("%(name)s has nothing to go back to") % {"name": deployment.name}
    raise Conflict(said, code="nothing_before")


def _live(shares: Sequence[Share]) -> list[Share]:
    return [share for share in shares if share.kind == Kind.LIVE]


def _routed(shares: Sequence[Share]) -> list[Share]:
    return [share for share in shares if share.kind != Kind.SHADOW]


def _weights(shares: Sequence[Share]) -> dict[UUID, int]:
    return {share.version.pk: share.weight for share in shares}


def _without(shares: list[Share], version: ModelVersion, *, but: str) -> list[Share]:
    """Give the shares, without a shadow of the version that becomes a canary. Raises Conflict if it is routed else."""
    same = next((share for share in shares if share.version == version), None)
    if same is None or same.kind == but == Kind.SHADOW:
        return shares
    if same.kind == Kind.SHADOW:
        return [share for share in shares if share is not same]
    raise Conflict(_("%(version)s answers callers already") % {"version": version}, code="is_routed")


def _check_same_signature(live: Sequence[Share], version: ModelVersion, *, is_shadow: bool = False) -> None:
    """Raise Conflict if there is no live version, or callers would get or have to send something else."""
    if not live:
        raise Conflict(_("there is no live version beside which this one could serve"), code="no_live_version")
    mine, theirs = version.parsed_signature(), live[0].version.parsed_signature()
    if mine.inputs != theirs.inputs or (not is_shadow and mine.outputs != theirs.outputs):
        told = {"version": version, "other": live[0].version}
        raise Conflict(_("%(version)s has another signature than %(other)s") % told, code="other_signature")


def _check_room(live: Sequence[Share], shares: Sequence[int]) -> None:
    """Raise Conflict where a live version would get nothing, and so end, beside a canary that grows by these shares."""
    left = _weights(live)
    for share in shares:
        left = scaled(left, SLOTS - share)  # of what the step before has left, as the canary will do it
        without_any = next((one.version for one in live if not left[one.version.pk]), None)
        if without_any is not None:
            told = {"share": share, "version": without_any}
            raise Conflict(_("a canary of %(share)s %% leaves nothing for %(version)s") % told, code="no_room")


def _checked_percent(percent: int, *, least: int = 1, most: int = SLOTS) -> int:
    if isinstance(percent, bool) or not isinstance(percent, int) or not least <= percent <= most:
        said = _("a share is a whole number from %(least)s to %(most)s") % {"least": least, "most": most}
        raise Invalid(said, fields={"weight": said})
    return percent


def _checked_name(name: str) -> str:
    cleaned = safe_name(name)
    if not cleaned or len(cleaned) > NAME_LENGTH or "/" in cleaned:
        said = _("a deployment's name has 1 to 100 characters and no slash")
        raise Invalid(said, fields={"name": said})
    return cleaned
