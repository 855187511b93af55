"""The list of deployments and the day of one: what the metric windows say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
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
    """Give deployments with their state and the traffic of a day, in two queries for all."""
    routes: dict[int, list[Route]] = defaultdict(list)
    found = Route.objects.filter(deployment__in=deployments).select_related("version__model", "version__runner")
    for route in found:
        routes[route.deployment_id].append(route)
    traffic = metrics.hours_by_deployment() if deployments else {}
    return [_row(Standing(one, in_order(routes[one.pk])), traffic.get(one.name, [])) for one in deployments]


def state_badge(state: str) -> SafeString:
    """Give the state of a deployment or runner for a reader."""
    tone, label = STATES.get(state, ("quiet", state))
    return badge(state, label, tone)


def day_of(name: str) -> dict[str, Any]:
    """Give the last day of a deployment: its hours as a plot, its figures by version; empty where nobody called."""
    by_version = metrics.by_version(deployment=name)
    if not by_version:
        return {}
    now, before = metrics.day_and_day_before(deployment=name)
    labels = [date_format(timezone.localtime(point.at), "H:i") for point in now]
    series = [
        Series(gettext("requests"), [point.requests for point in now], is_bars=True),
        Series(gettext("the day before"), [point.requests for point in before], tone="before"),
        Series(gettext("errors"), [point.errors for point in now], tone="bad"),
    ]
    return {
        "plot": plot(series, labels, title=gettext("Requests per hour, last 24 hours")),
        "versions": [
            (version, figures, log_url(name, version=version), log_url(name, version=version, status="errors"))
            for version, figures in sorted(by_version.items(), reverse=True)
        ],
    }


def _row(standing: Standing, hours: Sequence[int]) -> Row:
    deployment, live = standing.deployment, standing.live
    return Row(
        deployment,
        standing.state,
        state_badge(standing.state),
        str(live.version) if live else "",
        reverse("admin:inference_deployment_change", args=[deployment.pk]),
        reverse("admin:inference_deployment_try", args=[deployment.pk]) if live and deployment.is_enabled else "",
        log_url(deployment.name),
        hours,
        sum(hours),
    )


def log_url(name: str, **more: Any) -> str:
    """Give the address of the calls of a deployment."""
    return f"{reverse('admin:inference_inferencerequest_changelist')}?{urlencode({'deployment': name, **more})}"
