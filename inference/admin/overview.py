"""The list of deployments and the day of one: what the metric windows say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import badge
from common.plots import Series, plot
from inference.admin.numbers import Standing, in_order
from inference.figures import metrics
from inference.models import Deployment, Route

STATES = {
    "ready": ("good", _("serving")),
    "starting": ("busy", _("loading")),
    "failed": ("bad", _("failed")),
    "stopped": ("bad", _("stopped")),
    "silent": ("bad", _("no sign of life")),
    "disabled": ("quiet", _("out of service")),
    "none": ("quiet", _("no version chosen")),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One deployment in the list."""

    deployment: Deployment
    state: str
    badge: SafeString
    version: str
    url: str
    try_url: str
    log_url: str
    hours: Sequence[int]
    requests: int


def rows_of(deployments: Sequence[Deployment]) -> list[Row]:
    """Give deployments with their state and the traffic of a day, in a few queries for all."""
    routes: dict[int, list[Route]] = defaultdict(list)
    found = Route.objects.filter(deployment__in=deployments).select_related("version__model", "version__runner")
    for route in found:
        routes[route.deployment_id].append(route)
    seen = metrics.look()
    traffic = metrics.hours_by_deployment(seen) if deployments else {}
    return [_row(Standing(one, in_order(routes[one.pk])), traffic.get(one.name, []), seen.day) for one in deployments]


def state_badge(state: str) -> SafeString:
    """Give the state of a deployment or runner for a reader."""
    tone, label = STATES.get(state, ("quiet", state))
    return badge(state, label, tone)


def day_of(name: str) -> dict[str, Any]:
    """Give the last day of a deployment: its hours as a plot, its figures by version; empty where nobody called."""
    seen = metrics.look()
    by_version = metrics.by_version(seen, deployment=name)
    if not by_version:
        return {}
    now, before = metrics.day_and_day_before(seen, deployment=name)
    labels = [date_format(timezone.localtime(point.at), "H:i") for point in now]
    series = [
        Series(gettext("requests"), [point.requests for point in now], is_bars=True),
        Series(gettext("the day before"), [point.requests for point in before], tone="before"),
        Series(gettext("errors"), [point.errors for point in now], tone="bad"),
    ]
    return {
        "plot": plot(series, labels, title=gettext("Requests per hour, last 24 hours")),
        "all_url": log_url(name, **span_of(seen.day)),
        "versions": [
            _of_version(figures, {"name": name, "version": version}, span_of(seen.day))
            for version, figures in sorted(by_version.items(), reverse=True)
        ],
    }


def _of_version(figures: metrics.Figures, calls: dict[str, Any], span: dict[str, str]) -> dict[str, Any]:
    """Give one version's figures, each with the address of the calls behind it."""
    times = (figures.p50_ms, figures.p95_ms, figures.p99_ms)
    return {
        "number": calls["version"],
        "figures": figures,
        "url": log_url(**calls, **span),
        "errors_url": log_url(**calls, status="errors", **span),
        "times": [(value, slower_url(value, **calls, **span)) for value in times],
    }


def _row(standing: Standing, hours: Sequence[int], day: metrics.Counted) -> Row:
    deployment, live = standing.deployment, standing.live
    return Row(
        deployment,
        standing.state,
        state_badge(standing.state),
        str(live.version) if live else "",
        reverse("admin:inference_deployment_change", args=[deployment.pk]),
        reverse("admin:inference_deployment_try", args=[deployment.pk]) if live and deployment.is_enabled else "",
        log_url(deployment.name, **span_of(day)),
        hours,
        sum(hours),
    )


def log_url(name: str = "", **more: Any) -> str:
    """Give the address of the calls of a deployment, of all without a name."""
    asked = {key: value for key, value in {"deployment": name, **more}.items() if value}
    return f"{reverse('admin:inference_inferencerequest_changelist')}?{urlencode(asked)}"


def slower_url(value_ms: float | None, **calls: Any) -> str:
    """Give the address of the calls that took longer than a percentile says, empty where there is none."""
    return log_url(**calls, slower_than_ms=f"{value_ms:.3f}") if value_ms is not None else ""


def span_of(counted: metrics.Counted) -> dict[str, str]:
    """Give a span as the fields of the log's search: in the reader's own time, as its form shows it."""
    return {"since": _own_time(counted.since), "until": _own_time(counted.until)}


def _own_time(moment: datetime) -> str:
    return timezone.localtime(moment).replace(tzinfo=None).isoformat(timespec="milliseconds").removesuffix(":00.000")
