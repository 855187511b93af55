"""Each route of a deployment as its page shows it: who it is, what it gets, how it does, what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from inference.admin.lately import Lately
from inference.admin.numbers import Standing, is_ready, runner_of, short, state_of
from inference.admin.overview import log_url, slower_url, span_of, state_badge
from inference.admin.shadows import shadow_words
from inference.admin.traffic import TRAFFIC
from inference.figures.metrics import Counted
from inference.models import Route, RunnerState
from inference.services import canary_standing, shadow_standing
from inference.traffic.judging import Guard
from inference.traffic.wording import guard_words, progress, verdict_words

TONES = 3


@dataclass(frozen=True, slots=True)
class Lane:
    """One route. `waits` is what it waits for while its version does not answer, nothing when it does."""

    route: Route
    tone: str
    name: str
    runner: RunnerState | None
    badge: SafeString | str
    waits: str
    role: str
    now: Lately
    urls: Mapping[str, str]
    buttons: Sequence[Mapping[str, Any]] = ()
    verdict: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spread(self) -> SafeString:
        """The range of its scores on a line from 0 to 1."""
        low, middle, high = self.now.scores or (0.0, 0.0, 0.0)
        return format_html(
            '<span class="tr-strip" role="img" aria-label="{}"><i style="left: {}%; width: {}%"></i>'
            '<b style="left: {}%"></b></span> <small title="{}">{}</small>',
            gettext("scores from %(low)s to %(high)s, middle %(middle)s")
            % {"low": f"{low:.2f}", "high": f"{high:.2f}", "middle": f"{middle:.2f}"},
            f"{low * 100:.1f}",
            f"{max(1.0, (high - low) * 100):.1f}",
            f"{middle * 100:.1f}",
            gettext("eight of ten scores lie here; the middle one is marked"),
            f"{low:.2f} – {high:.2f}",
        )

    @property
    def times(self) -> list[tuple[str, float | None, str]]:
        """Its percentiles, each with the address of the calls that took longer."""
        found = (("p50", self.now.p50_ms), ("p95", self.now.p95_ms), ("p99", self.now.p99_ms))
        return [(name, value, self.urls[name]) for name, value in found]

    @property
    def is_copy(self) -> bool:
        """Whether it gets copies of calls that others answer."""
        return bool(self.route.kind == Route.Kind.SHADOW)


def lanes_of(standing: Standing, request: HttpRequest, model_admin: Any) -> list[Lane]:
    """Give the routes in the order of the page, with what this person may do with each."""
    return [
        _lane(standing, route, place, _buttons(request, model_admin, route))
        for place, route in enumerate(standing.routes)
    ]


def _lane(standing: Standing, route: Route, place: int, buttons: Sequence[Mapping[str, Any]]) -> Lane:
    state = state_of(route)
    live = standing.live.version if standing.live else None
    tone, now = route.kind, standing.pulse.of(route.version_id)
    if route.kind == Route.Kind.LIVE and place:
        tone = f"live-{min(place + 1, TONES)}"
    return Lane(
        route=route,
        tone=f"tr-{tone}",
        name=short(route.version, live),
        runner=runner_of(route),
        badge="" if state == "ready" else state_badge(state),
        waits="" if is_ready(route) else state,
        role=_role(standing, route),
        now=now,
        urls=_urls(standing, route, now),
        buttons=buttons,
        verdict=_verdict(standing, route),
    )


def _urls(standing: Standing, route: Route, now: Lately) -> dict[str, str]:
    """Give the addresses of the calls behind each figure."""
    calls = {"name": standing.deployment.name, "model": route.version.model.name, "version": route.version.number}
    span = span_of(Counted(pulse.since, pulse.until)) if (pulse := standing.pulse).since and pulse.until else {}
    times = {"p50": now.p50_ms, "p95": now.p95_ms, "p99": now.p99_ms}
    return {
        "requests": log_url(**calls, **span),
        "errors": log_url(**calls, status="5xx", **span),
        **{name: slower_url(value, **calls, **span) for name, value in times.items()},
    }


def _role(standing: Standing, route: Route) -> str:
    """Say what a route gets, in words."""
    share = {"share": f"{route.weight} %"}
    if not standing.deployment.is_enabled:
        return gettext("out of service")
    if state_of(route) in ("failed", "stopped"):
        return ""
    if not is_ready(route):
        return gettext("gets %(share)s once it has loaded") % share if route.weight else ""
    if route.kind != Route.Kind.LIVE:
        return str(_ROLES[Route.Kind(route.kind)]) % share
    if not route.weight:
        return gettext("answers until the new version has loaded")
    others = [one for one in standing.routes if one.kind != Route.Kind.SHADOW and is_ready(one)]
    return gettext("answers all calls") if len(others) == 1 else gettext("live: answers %(share)s of the calls") % share


_ROLES = {
    Route.Kind.CANARY: _("canary: answers %(share)s of the calls"),
    Route.Kind.SHADOW: _("shadow: a copy of %(share)s of the calls, its answers are only compared"),
}


def _verdict(standing: Standing, route: Route) -> dict[str, Any]:
    """Give what is said of a canary or shadow, from what the web processes have counted. One query."""
    live = short(standing.live.version, route.version) if standing.live else ""
    if route.kind == Route.Kind.CANARY and is_ready(route):
        verdict = canary_standing(route)
        words = verdict_words(verdict, short(route.version, route.version), live)
        guard = guard_words(Guard.from_dict(route.guard or {}))
        return {"state": verdict.state, "words": words, "progress": progress(verdict), "hint": guard}
    if route.kind == Route.Kind.SHADOW and is_ready(route):
        return {"state": "watching", "words": shadow_words(shadow_standing(route))}
    return {}


def _buttons(request: HttpRequest, model_admin: Any, route: Route) -> list[Mapping[str, Any]]:
    """Give what can be done with one canary or shadow."""
    if route.kind == Route.Kind.LIVE:
        return []
    verbs = [verb for verb in TRAFFIC if "route" in verb.from_query and verb.is_allowed(request, route.deployment)]
    buttons = [verb.button(model_admin, route.deployment) for verb in verbs]
    return [{**button, "url": f"{button['url']}?route={route.pk}"} for button in buttons]
