"""The verbs that move calls between versions, each through one service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import Consequence, Verb
from inference import services
from inference.admin.guarded import guard_words
from inference.admin.lately import clients_lately, pulse_of, rate
from inference.admin.traffic_forms import (
    GUARDS,
    PLANNED,
    Kind,
    canary_form,
    candidates,
    end_form,
    promote_form,
    rollback_form,
    routes_of,
    shadow_form,
    tried,
    weights_form,
)
from inference.models import Deployment, Revision, Route
from inference.services.routing import last_number

MAY = "inference.deploy_deployment"
STEPS = (25, 50, 100)


def _start_canary(obj: Deployment, actor: User, reason: str, guard: str, grows: str, **given: Any) -> str:
    steps = tuple(step for step in STEPS if step > given["weight"]) if grows else ()
    wanted = None if guard == PLANNED else replace(GUARDS[guard], steps=steps)
    services.start_canary(deployment=obj, actor=actor, reason=reason, guard=wanted, **given)
    told = gettext("%(version)s is loading; then it gets %(share)s of the calls.")
    return told % {"version": given["version"], "share": f"{given['weight']} %"}


def _start_shadow(obj: Deployment, actor: User, reason: str, **given: Any) -> str:
    services.start_shadow(deployment=obj, actor=actor, reason=reason, **given)
    told = gettext("%(version)s is loading; then it gets copies of %(share)s of the calls.")
    return told % {"version": given["version"], "share": f"{given['share_percent']} %"}


def _set_weights(obj: Deployment, actor: User, reason: str, weights: dict[str, int], revision: int) -> str:
    percents = {UUID(key): percent for key, percent in weights.items()}
    services.set_weights(deployment=obj, weights=percents, actor=actor, reason=reason, revision=revision)
    return gettext("The shares are changed; all web processes follow within a second.")


def _promote(obj: Deployment, actor: User, reason: str, route: Route, revision: int) -> str:
    services.promote(deployment=obj, version=route.version, actor=actor, reason=reason, revision=revision)
    return gettext("%(version)s is live and answers all calls.") % {"version": route.version}


def _end(obj: Deployment, actor: User, reason: str, route: Route, revision: int) -> str:
    services.end_route(route=route, actor=actor, reason=reason, revision=revision)
    return gettext("%(version)s gets no more calls; what it has begun is answered.") % {"version": route.version}


def _rollback(obj: Deployment, actor: User, reason: str, to: Revision, revision: int) -> str:
    services.rollback(deployment=obj, actor=actor, reason=reason, to=to, revision=revision)
    return gettext("Rolled back to change #%(number)s.") % {"number": to.number}


# -- what each will change, in numbers ---------------------------------------------------------------------------------
def _calls_now(obj: Deployment, *more: str) -> Consequence:
    now = pulse_of(obj.name, with_scores=False).whole
    said = [clients_lately(obj.name), *more]
    if now.requests:
        said.insert(0, gettext("%(rate)s now.") % {"rate": rate(now.per_minute)})
    return Consequence(" ".join(part for part in said if part))


def _before_canary(obj: Deployment) -> Consequence:
    return _calls_now(obj, gettext("The live versions give up the share that the canary gets."), guard_words(obj))


def _before_shadow(obj: Deployment) -> Consequence:
    return _calls_now(obj, gettext("Callers notice nothing: copies go out after the answer."))


def _before_promote(obj: Deployment) -> Consequence:
    """Say what each route gets before and after; where several can be promoted, that the others end."""
    only = candidates(obj)
    if len(only) > 1:
        return _calls_now(obj, _now(obj), gettext("The chosen version gets 100 %, all others end."), guard_words(obj))
    ends = gettext("ends")
    changes = [(route.version, _gets(route), "100 %" if route in only else ends) for route in routes_of(obj)]
    return Consequence(_calls_now(obj, guard_words(obj)).text, changes)


def _before_end(obj: Deployment) -> Consequence:
    return _calls_now(obj, gettext("What a canary got goes back to the live versions; a shadow's answers stay."))


def _before_rollback(obj: Deployment) -> Consequence:
    ending = len(tried(obj))
    more = ngettext("The canary or shadow ends.", "Canaries and shadows end.", ending) if ending else ""
    return _calls_now(obj, _now(obj), more)


def _now(obj: Deployment) -> str:
    routes = ", ".join(f"{route.version} {_gets(route)}" for route in routes_of(obj))
    return gettext("Now: %(routes)s.") % {"routes": routes}


def _gets(route: Route) -> str:
    return f"{route.weight} %" if route.kind == Kind.LIVE else f"{route.weight} % ({route.get_kind_display()})"


TRAFFIC = (
    Verb(
        "start-canary",
        _("Start a canary"),
        MAY,
        _start_canary,
        title=lambda obj: gettext("Which version shall %(name)s try on a few callers?") % {"name": obj.name},
        consequence=_before_canary,
        form=canary_form,
        is_offered=lambda obj: bool(routes_of(obj, Kind.LIVE)) and not routes_of(obj, Kind.CANARY),
        is_in_head=False,
        from_query=("version", "weight"),
    ),
    Verb(
        "start-shadow",
        _("Start a shadow"),
        MAY,
        _start_shadow,
        title=lambda obj: gettext("Which version shall answer copies of the calls of %(name)s?") % {"name": obj.name},
        consequence=_before_shadow,
        form=shadow_form,
        is_offered=lambda obj: bool(routes_of(obj, Kind.LIVE)),
        is_in_head=False,
        from_query=("version", "share_percent"),
    ),
    Verb(
        "set-weights",
        _("Change the shares"),
        MAY,
        _set_weights,
        title=lambda obj: gettext("Who shall get how many of the calls of %(name)s?") % {"name": obj.name},
        consequence=_calls_now,
        form=weights_form,
        is_offered=lambda obj: len(routes_of(obj, Kind.LIVE, Kind.CANARY)) > 1,
        is_in_head=False,
    ),
    Verb(
        "promote",
        _("Make it live"),
        MAY,
        _promote,
        title=lambda obj: gettext("Which version shall answer all calls of %(name)s?") % {"name": obj.name},
        consequence=_before_promote,
        form=promote_form,
        is_offered=lambda obj: bool(candidates(obj)),
        is_in_head=False,
        from_query=("route",),
    ),
    Verb(
        "end",
        _("End it"),
        MAY,
        _end,
        title=lambda obj: gettext("What shall end in %(name)s?") % {"name": obj.name},
        consequence=_before_end,
        form=end_form,
        is_offered=lambda obj: bool(tried(obj)),
        is_destructive=True,
        is_in_head=False,
        from_query=("route",),
    ),
    Verb(
        "rollback",
        _("Roll back"),
        MAY,
        _rollback,
        title=lambda obj: gettext("Where shall %(name)s go back to?") % {"name": obj.name},
        consequence=_before_rollback,
        form=rollback_form,
        is_offered=lambda obj: last_number(obj) > 1,
        is_in_head=False,
        from_query=("to",),
    ),
)
