"""The forms of the verbs that move calls between versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from common.confirm import ReasonForm
from inference.admin.deploying import VersionField
from inference.admin.history import change_of
from inference.admin.lately import pulse_of
from inference.admin.shares import Share, SharesField, SharesWidget
from inference.models import Deployment, Revision, Route
from inference.services.routing import last_number
from inference.traffic.choosing import SLOTS, scaled
from inference.traffic.judging import Guard
from registry.services.gates import planned_guard

FIRST_WEIGHT, FIRST_COPIES = 5, 10
REVISIONS_OFFERED = 50
Kind = Route.Kind
PLANNED = "planned"
GUARDS = {
    "usual": Guard(),
    "early": Guard(error_rate=0.002, latency_factor=1.2, drift=0.1, min_requests=1000),
    "late": Guard(error_rate=0.05, latency_factor=3.0, drift=1.0, min_requests=200),
}
_GUARD_LABELS = (
    ("usual", _("as usual: 1 % more errors, 1.5 times as slow, answers that drift")),
    ("early", _("early: 0.2 % more errors, 1.2 times as slow, answers that drift a little")),
    ("late", _("late: 5 % more errors, 3 times as slow, answers that drift far")),
)


def routes_of(obj: Deployment, *kinds: str) -> list[Route]:
    """Give the routes of some kinds that get calls, the largest first; from what was read with the row."""
    found = [route for route in obj.routes.all() if route.weight and (not kinds or route.kind in kinds)]
    return sorted(found, key=lambda route: (-route.weight, -route.pk))


def tried(obj: Deployment) -> list[Route]:
    """Give the canaries and shadows."""
    return routes_of(obj, Kind.CANARY, Kind.SHADOW)


def candidates(obj: Deployment) -> list[Route]:
    """Give what could answer alone: a canary or shadow, or one of several live versions."""
    live = routes_of(obj, Kind.LIVE)
    return tried(obj) + (live if len(live) > 1 else [])


def can_go_back(obj: Deployment, revision: Revision) -> bool:
    """Tell whether a roll-back to that change would bring its routes back: canaries and shadows do not come again."""
    then = revision.live_weights
    now = {route.version_id: route.weight for route in routes_of(obj, Kind.LIVE)}
    if not then or not now or scaled(then, SLOTS) == now:
        return False
    return scaled(then, SLOTS) != scaled(now, SLOTS) or len(then) == len(revision.routes)


def _guards(obj: Deployment) -> list[tuple[str, Any]]:
    """Give the ways to guard a canary; the plan of the model's gate first, where there is one."""
    models = {route.version.model for route in routes_of(obj, Kind.LIVE)}
    has_plan = any(planned_guard(model) for model in models)
    plan = [(PLANNED, _("as the gate of its model plans it, with its steps"))] if has_plan else []
    return [*plan, *_GUARD_LABELS]


def canary_form(obj: Deployment) -> type[ReasonForm]:
    """Which version, how many calls, and when it is stopped or grown without anybody asking."""
    return _form(
        obj,
        version=_newcomers(obj, _("It gets calls as soon as it has loaded.")),
        weight=_percent(_("Share of the calls in %"), FIRST_WEIGHT, 99, _("The same callers keep meeting it.")),
        guard=forms.ChoiceField(label=_("When it is stopped by itself"), choices=_guards(obj)),
        grows=forms.ChoiceField(
            label=_("If it does no harm"),
            choices=[("", _("it keeps its share")), ("yes", _("it grows to 25, 50, 100 %, a step every 10 minutes"))],
            required=False,
        ),
    )


def shadow_form(obj: Deployment) -> type[ReasonForm]:
    """Which version, and how many calls are copied."""
    return _form(
        obj,
        version=_newcomers(obj, _("Its answers are compared and kept; no caller gets them.")),
        share_percent=_percent(_("Share of the calls to copy in %"), FIRST_COPIES, 100),
    )


def weights_form(obj: Deployment) -> type[ReasonForm]:
    """The shares of all that answer."""
    shares = [
        Share(route.version_id.hex, str(route.version), route.kind, route.get_kind_display(), route.weight)
        for route in routes_of(obj, Kind.LIVE, Kind.CANARY)
    ]
    widget = SharesWidget(shares, pulse_of(obj.name, with_scores=False).whole.per_minute)
    return _form(obj, weights=SharesField(label=_("Shares of the calls"), widget=widget))


def promote_form(obj: Deployment) -> type[ReasonForm]:
    """Which one."""
    return _form(obj, route=_route_field(candidates(obj)))


def end_form(obj: Deployment) -> type[ReasonForm]:
    """Which canary or shadow."""
    return _form(obj, route=_route_field(tried(obj)))


def rollback_form(obj: Deployment) -> type[ReasonForm]:
    """Which earlier change."""
    earlier = obj.revisions.select_related("user").order_by("-number")[:REVISIONS_OFFERED]
    found = {str(revision.number): revision for revision in earlier if can_go_back(obj, revision)}
    choices = [(number, f"#{number} · {change_of(one).summary}") for number, one in found.items()]
    return _form(obj, to=forms.TypedChoiceField(label=_("Back to"), choices=choices, coerce=found.__getitem__))


def _form(obj: Deployment, **fields: forms.Field) -> type[ReasonForm]:
    """Give a form of its own fields, the reason, and the change that the reader saw last."""
    seen = forms.IntegerField(widget=forms.HiddenInput, initial=last_number(obj))
    return type("TrafficForm", (ReasonForm,), {**fields, "revision": seen, "field_order": (*fields, "reason")})


def _newcomers(obj: Deployment, help_text: Any) -> VersionField:
    """Offer the versions of the live model that get no calls yet."""
    live = routes_of(obj, Kind.LIVE)
    field = VersionField(help_text=help_text)
    others = field.queryset.exclude(pk__in=[route.version_id for route in routes_of(obj)])
    field.offer(others.filter(model=live[0].version.model_id) if live else others)
    return field


def _percent(label: Any, initial: int, most: int, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, initial=initial, min_value=1, max_value=most, help_text=help_text)


def _route_field(routes: Iterable[Route]) -> forms.TypedChoiceField:
    found = {str(route.pk): route for route in routes}
    choices = [(key, f"{one.version} · {one.get_kind_display()}, {one.weight} %") for key, one in found.items()]
    return forms.TypedChoiceField(label=_("Version"), choices=choices, coerce=found.__getitem__)
