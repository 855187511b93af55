"""Where a deployment stands: its routes, what the model host says of them, and the sentence over its page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from common.display import duration, percent
from inference.admin.lately import Lately, Pulse, pulse_of, rate
from inference.models import Deployment, Route, RunnerState
from registry.models import ModelVersion

MANY_ERRORS = 0.01
SILENT_AFTER = timedelta(seconds=60)
_ORDER = (Route.Kind.LIVE, Route.Kind.CANARY, Route.Kind.SHADOW)


@dataclass(slots=True)
class Standing:
    """Where a deployment stands: its routes with the live ones first, the runners' states, the newest calls."""

    deployment: Deployment
    routes: list[Route]
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def live(self) -> Route | None:
        """The route of the version that is meant to serve, of several the one with most calls."""
        return self.routes[0] if self.routes else None

    @property
    def state(self) -> str:
        """One of `none`, `disabled`, `ready`, `silent`, `starting`, `failed`, `stopped`."""
        if self.live is None:
            return "none"
        return state_of(self.live) if self.deployment.is_enabled else "disabled"

    @property
    def serving(self) -> Route | None:
        """The live route that answers now: the first whose version has loaded."""
        return next((route for route in self.of(Route.Kind.LIVE) if is_ready(route)), None)

    def of(self, kind: str) -> list[Route]:
        """Give the routes of a kind."""
        return [route for route in self.routes if route.kind == kind]


def runner_of(route: Route) -> RunnerState | None:
    """Give what the model host says of a route's version."""
    return getattr(route.version, "runner", None)


def is_ready(route: Route) -> bool:
    """Tell whether the version of a route has loaded."""
    runner = runner_of(route)
    return runner is not None and runner.state == RunnerState.State.READY


def state_of(route: Route) -> str:
    """Give the state of a route's runner; one that says it serves and has been still for a minute is `silent`."""
    runner = runner_of(route)
    if runner is None:
        return RunnerState.State.STARTING.value
    is_still = runner.heartbeat_at is None or runner.heartbeat_at < timezone.now() - SILENT_AFTER
    return "silent" if runner.state == RunnerState.State.READY and is_still else runner.state


def in_order(routes: list[Route]) -> list[Route]:
    """Give live routes first, then canaries, then shadows; of each kind the one with most calls first."""
    return sorted(routes, key=lambda route: (_ORDER.index(Route.Kind(route.kind)), -route.weight, -route.pk))


def standing_of(deployment: Deployment) -> Standing:
    """Read where a deployment stands; its routes may have been read with it."""
    return Standing(deployment, in_order(list(deployment.routes.all())), pulse_of(deployment.name))


def headline(standing: Standing) -> str:
    """Say what is live, who else gets calls, and how it does."""
    live, serving, state = standing.live, standing.serving, standing.state
    if state in ("failed", "stopped") and serving is not None:
        state = "fallen back"
    words = [
        gettext(_HEADLINES[state])
        % {
            "name": standing.deployment.name,
            "version": _live_words(standing),
            "old": serving.version if serving else "",
        }
    ]
    if state not in ("none", "disabled"):
        words += [_other_words(route, live) for route in standing.routes if route.kind != Route.Kind.LIVE]
    if state == "ready":
        words.append(_health(standing.pulse.whole))
    is_named = live is None or live.version.model.name == standing.deployment.name or state == "disabled"
    said = ", ".join(words)
    return said if is_named else f"{standing.deployment.name}: {said}"


_HEADLINES = {
    "none": gettext_noop("%(name)s serves no version yet"),
    "disabled": gettext_noop("%(name)s is out of service"),
    "silent": gettext_noop("%(version)s: no sign of life from the model host"),
    "failed": gettext_noop("%(version)s could not be loaded, nothing answers"),
    "stopped": gettext_noop("%(version)s has stopped, nothing answers"),
    "fallen back": gettext_noop("%(version)s could not be loaded, %(old)s still answers"),
    "starting": gettext_noop("%(version)s is loading"),
    "ready": gettext_noop("%(version)s is live"),
}


def _live_words(standing: Standing) -> str:
    """Name the version that is live; several that share the calls with the share of each."""
    shared = [route for route in standing.of(Route.Kind.LIVE) if route.weight]
    if standing.state != "ready" or len(shared) < 2:
        return str(standing.live.version) if standing.live else ""
    names = [str(shared[0].version), *(short(route.version, shared[0].version) for route in shared[1:])]
    return " + ".join(f"{name} ({route.weight} %)" for name, route in zip(names, shared, strict=True))


def _other_words(route: Route, live: Route | None) -> str:
    version = short(route.version, live.version if live else None)
    state = state_of(route)
    said = {"version": version, "share": f"{route.weight} %", "kind": route.get_kind_display()}
    if state in ("failed", "stopped"):
        return gettext("%(version)s could not be loaded as %(kind)s") % said
    if state == "starting":
        return gettext("%(version)s is loading as %(kind)s") % said
    if route.kind == Route.Kind.CANARY:
        return gettext("%(version)s gets %(share)s as canary") % said
    return gettext("%(version)s shadows %(share)s") % said


def short(version: ModelVersion, beside: ModelVersion | None) -> str:
    """Name a version beside another one: of the same model by its number alone."""
    return f"v{version.number}" if beside is not None and version.model_id == beside.model_id else str(version)


def _health(now: Lately) -> str:
    if now.error_share is None:
        return gettext("healthy, no calls in the last minutes")
    health = gettext("healthy")
    if now.error_share >= MANY_ERRORS:
        health = gettext("%(share)s of calls fail") % {"share": percent(now.error_share)}
    said = f"{health}, {rate(now.per_minute)}"
    return f"{said}, p95 {duration(now.p95_ms)}" if now.p95_ms is not None else said
