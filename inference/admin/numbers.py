"""How a deployment is doing now: from its newest calls, which the minute windows do not hold yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext

from common.display import duration, percent, thousands
from common.ids import uuid7_floor
from inference.log import time_of
from inference.models import Deployment, InferenceRequest, Route, RunnerState

LATELY = timedelta(minutes=5)
MOST_CALLS = 1000
MANY_ERRORS = 0.01
SILENT_AFTER = timedelta(seconds=60)
CLIENTS_WITHIN = timedelta(hours=1)
MOST_CLIENT_CALLS = 5000


@dataclass(frozen=True, slots=True)
class Lately:
    """The calls of the last minutes: how many a minute, how slow, how many failed; None where there were none."""

    per_minute: float = 0.0
    p95_ms: float | None = None
    error_share: float | None = None


@dataclass(slots=True)
class Standing:
    """Where a deployment stands: its routes with the live one first, the runners' states, the newest calls."""

    deployment: Deployment
    routes: list[Route]
    lately: Lately = field(default_factory=Lately)

    @property
    def live(self) -> Route | None:
        """The route of the version that is meant to serve."""
        return self.routes[0] if self.routes else None

    @property
    def state(self) -> str:
        """One of `none`, `disabled`, `ready`, `silent`, `starting`, `failed`, `stopped`."""
        if self.live is None:
            return "none"
        if not self.deployment.is_enabled:
            return "disabled"
        runner = runner_of(self.live)
        return state_of(runner) if runner else RunnerState.State.STARTING.value

    @property
    def serving(self) -> Route | None:
        """The route that answers now: the first whose version has loaded."""
        return next((r for r in self.routes if (runner := runner_of(r)) and runner.state == "ready"), None)


def runner_of(route: Route) -> RunnerState | None:
    """Give what the model host says of a route's version."""
    return getattr(route.version, "runner", None)


def state_of(runner: RunnerState) -> str:
    """Give a runner's state; one that says it serves and has been still for a minute is `silent`."""
    is_still = runner.heartbeat_at is None or runner.heartbeat_at < timezone.now() - SILENT_AFTER
    return "silent" if runner.state == RunnerState.State.READY and is_still else runner.state


def standing_of(deployment: Deployment) -> Standing:
    """Read where a deployment stands, in two queries."""
    routes = (
        Route.objects.filter(deployment=deployment)
        .select_related("version__model", "version__runner")
        .order_by("-weight", "-id")
    )
    return Standing(deployment, list(routes), lately(deployment.name))


def lately(name: str) -> Lately:
    """Read the newest calls of a deployment, at most `MOST_CALLS`."""
    now = timezone.now()
    calls = list(
        InferenceRequest.objects.filter(deployment=name, id__gte=_floor(now - LATELY))
        .order_by("-id")
        .values_list("id", "latency_ms", "status")[:MOST_CALLS]
    )
    if not calls:
        return Lately()
    is_cut = len(calls) == MOST_CALLS
    minutes = (now - time_of(calls[-1][0])).total_seconds() / 60 if is_cut else LATELY.total_seconds() / 60
    times = sorted(latency for _key, latency, status in calls if status < 400)
    failed = sum(status >= 500 for _key, _latency, status in calls)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))] if times else None
    return Lately(len(calls) / max(minutes, 1e-6), p95, failed / len(calls))


def headline(standing: Standing) -> str:
    """Say what is live and how it does."""
    live, serving, state = standing.live, standing.serving, standing.state
    if state in ("failed", "stopped") and serving is not None:
        state = "fallen back"
    words = gettext(_HEADLINES[state]) % {
        "name": standing.deployment.name,
        "version": live.version if live else "",
        "old": serving.version if serving else "",
    }
    words = f"{words}, {_health(standing.lately)}" if state == "ready" else words
    is_named = live is None or live.version.model.name == standing.deployment.name or state == "disabled"
    return words if is_named else f"{standing.deployment.name}: {words}"


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


def _health(now: Lately) -> str:
    if now.error_share is None:
        return gettext("healthy, no calls in the last minutes")
    health = gettext("healthy")
    if now.error_share >= MANY_ERRORS:
        health = gettext("%(share)s of calls fail") % {"share": percent(now.error_share)}
    return f"{health}, {_rate(now)}"


def _rate(now: Lately) -> str:
    count = round(now.per_minute) or 1
    said = ngettext("%(count)s request/min", "%(count)s requests/min", count) % {"count": thousands(count)}
    return f"{said}, p95 {duration(now.p95_ms)}" if now.p95_ms is not None else said


def clients_lately(name: str) -> str:
    """Say how many clients called a deployment in the last hour, by its newest calls."""
    rows = InferenceRequest.objects.filter(deployment=name, id__gte=_floor(timezone.now() - CLIENTS_WITHIN))
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


def _floor(moment: Any) -> Any:
    return uuid7_floor(int(moment.timestamp() * 1000))
