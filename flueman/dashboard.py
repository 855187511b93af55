"""Home: is everything well, and what waits for me?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext

from audit.models import AuditEvent
from audit.sentences import references_in, sentence
from audit.services import names_of
from common.display import duration, percent, thousands
from common.plots import Series, plot
from feedback.admin.queue_list import my_reviews
from flueman.health import health_of, state_of
from inference.admin.overview import log_url, slower_url, span_of
from inference.figures import metrics
from inference.models import Deployment, Route
from jobs.handlers import label_of
from jobs.models import Job
from registry.admin import approvals
from registry.models import RegisteredModel

_EVENTS, _JOBS = 8, 6
_CARDS = 12
_ERRORS_ARE_MANY, _CHANGE_IS_SMALL = 0.05, 0.1


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the metric windows say, read once for the whole page."""

    points: list[metrics.Point]
    before: list[metrics.Point]
    hourly: dict[str, list[int]]
    lately: dict[str, metrics.Figures]
    hour: metrics.Figures
    minutes: list[metrics.Point]
    seen: metrics.Look

    @property
    def count(self) -> int:
        """Requests of the last 24 hours."""
        return sum(point.requests for point in self.points)

    @property
    def wrong(self) -> int:
        """Those of them that failed."""
        return sum(point.errors for point in self.points)


def environment(_request: HttpRequest) -> list[str] | None:
    """Name the installation where it is not production, so that nobody takes one for the other."""
    return None if settings.ENVIRONMENT == "PROD" else [settings.ENVIRONMENT, "info"]


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give what the home page shows, each part to those who may see it; with `?live=1` only its inside."""
    may = request.user.has_perm  # type: ignore[union-attr]
    shown: dict[str, Any] = {"frame": "admin/home/live.html"} if "live" in request.GET else {}
    deployments = list(_deployments()) if may("inference.view_deployment") else None
    traffic = _traffic() if may("inference.view_metricwindow") else None
    if deployments is not None:
        shown |= {"deployments": [_card(one, traffic) for one in deployments], **_first_step(request, deployments)}
    if traffic and deployments:
        shown |= _figures(traffic)
    shown["reviews"] = my_reviews(request.user)
    shown["approvals"] = approvals.cards(request.user)  # type: ignore[arg-type]
    shown["jobs"] = _jobs() if may("jobs.view_job") else None
    shown["events"] = _events() if may("audit.view_auditevent") else None
    shown["health"] = health_of(deployments, may("jobs.view_job"))
    waiting = approvals.waiting_count(request.user) if shown["approvals"] else 0  # type: ignore[arg-type]
    shown["headline"] = _headline(shown["health"], waiting, deployments, traffic)
    return {**context, **shown, "title": gettext("Home")}


def _traffic() -> Traffic:
    seen = metrics.look()
    points, before = metrics.day_and_day_before(seen)
    hour = metrics.last_hour(seen)
    return Traffic(
        points=points,
        before=before,
        seen=seen,
        hourly=metrics.hours_by_deployment(seen),
        lately=metrics.by_deployment(hour),
        hour=metrics.total(hour),
        minutes=metrics.minutes(hour, now=seen.now),
    )


def _deployments() -> list[Deployment]:
    routes = Prefetch(
        "routes",
        Route.objects.filter(kind=Route.Kind.LIVE)
        .select_related("version__model", "version__runner")
        .order_by("-weight"),
    )
    return list(Deployment.objects.prefetch_related(routes).order_by("name")[:_CARDS])


def _card(deployment: Deployment, traffic: Traffic | None) -> dict[str, Any]:
    state, label, _runner = state_of(deployment)
    route = next(iter(deployment.routes.all()), None)
    hourly = traffic.hourly.get(deployment.name, []) if traffic else []
    text = gettext("no requests in the last 24 hours")
    if sum(hourly):
        text = gettext("%(count)s requests in 24 hours") % {"count": thousands(sum(hourly))}
    if traffic and (lately := traffic.lately.get(deployment.name)):
        told = {"text": text, "p95": duration(lately.p95_ms), "errors": percent(lately.error_share)}
        text = gettext("%(text)s; in the last hour p95 %(p95)s, errors %(errors)s") % told
    return {
        "name": deployment.name,
        "url": reverse("admin:inference_deployment_change", args=[deployment.pk]),
        "state": state,
        "state_label": label,
        "version": str(route.version) if route else gettext("no version"),
        "requests": hourly,
        "spark_label": gettext("requests per hour"),
        "text": text,
    }


def _headline(
    health: list[dict[str, str]], waiting: int, deployments: list[Deployment] | None, traffic: Traffic | None
) -> str:
    """Say what needs the reader, troubles and approvals that wait, else how it goes."""
    if things := waiting + sum(part["tone"] == "bad" for part in health):
        return ngettext("%d thing needs you", "%d things need you", things) % things
    if deployments == []:
        return gettext("Welcome. Nothing is served yet.")
    if traffic is None or not traffic.count:
        return gettext("Everything is well; no requests in the last 24 hours")
    if traffic.wrong / traffic.count > _ERRORS_ARE_MANY:
        share = percent(traffic.wrong / traffic.count)
        return gettext("%(errors)s of the requests of the last 24 hours failed") % {"errors": share}
    told = gettext("Everything is well: %(requests)s requests in the last 24 hours")
    return told % {"requests": thousands(traffic.count)}


def _figures(traffic: Traffic) -> dict[str, Any]:
    before, wrong_before = sum(p.requests for p in traffic.before), sum(p.errors for p in traffic.before)
    share = traffic.wrong / traffic.count if traffic.count else None
    share_before = wrong_before / before if before else None
    than, hour = gettext("against the day before"), gettext("in the last hour")
    seen = traffic.seen
    day, lately = span_of(seen.day), span_of(metrics.Counted(traffic.minutes[0].at, seen.until))
    figures = [
        {
            "label": gettext("Requests, 24 hours"),
            "value": thousands(traffic.count),
            "note": than,
            "url": log_url(**day),
        }
        | _change(traffic.count, before, None),
        {
            "label": gettext("Errors, 24 hours"),
            "value": percent(share),
            "note": than,
            "url": log_url(status="errors", **day),
        }
        | _change(share, share_before, False),
        *(
            {
                "label": label,
                "value": duration(value),
                "note": hour,
                "url": slower_url(value, **lately),
            }
            for label, value in (
                (gettext("Latency p50"), traffic.hour.p50_ms),
                (gettext("Latency p95"), traffic.hour.p95_ms),
            )
        ),
    ]
    return {"figures": figures, **_plots(traffic)}


def _change(now: float | None, before: float | None, more_is_better: bool | None) -> dict[str, str]:
    """Give the change in percent and its tone: none where more is neither good nor bad, or the change is small.

    Without a change there is nothing to say of the time before either.
    """
    if not now or not before:
        return {"note": ""}
    share = now / before - 1
    tone = "fm-better" if (share > 0) == more_is_better else "fm-worse"
    tone = "" if more_is_better is None or abs(share) < _CHANGE_IS_SMALL else tone
    return {"change": f"{'+' if share > 0 else '−'}{thousands(abs(share) * 100)}\N{NO-BREAK SPACE}%", "tone": tone}


def _plots(traffic: Traffic) -> dict[str, Any]:
    hours = [date_format(timezone.localtime(point.at), "H:i") for point in traffic.points]
    minutes = [date_format(timezone.localtime(point.at), "H:i") for point in traffic.minutes]
    requests = [
        Series(gettext("requests"), [point.requests for point in traffic.points], is_bars=True),
        Series(gettext("errors"), [point.errors for point in traffic.points], "bad", is_bars=True),
        Series(gettext("day before"), [point.requests for point in traffic.before], "before"),
    ]
    latencies = [
        Series("p95", [point.p95_ms for point in traffic.minutes]),
        Series("p50", [point.p50_ms for point in traffic.minutes], "before"),
    ]
    return {
        "traffic_plot": plot(requests, hours, title=gettext("Requests per hour")),
        "latency_plot": plot(latencies, minutes, title=gettext("Latency in the last hour"), unit="ms"),
    }


def _jobs() -> list[dict[str, Any]]:
    return [
        {
            "title": f"{label_of(job.kind)} {job.target_label}".strip(),
            "url": reverse("admin:jobs_job_change", args=[job.pk]),
            "step": job.step or job.get_state_display(),
            "progress": job.progress,
            "at": job.started_at or job.created_at,
        }
        for job in Job.objects.unfinished().order_by("-id")[:_JOBS]
    ]


def _events() -> list[dict[str, Any]]:
    events = list(AuditEvent.objects.exclude(action="accounts.logged_in").order_by("-sequence")[:_EVENTS])
    names = names_of(reference for event in events for reference in references_in(event))
    return [
        {
            "sentence": sentence(event, names),
            "url": reverse("admin:audit_auditevent_change", args=[event.pk]),
            "at": event.at,
        }
        for event in events
    ]


def _first_step(request: HttpRequest, deployments: list[Deployment]) -> dict[str, Any]:
    """Give the one thing to begin with where nothing is served."""
    if deployments:
        return {}
    if not RegisteredModel.objects.present().exists():
        step = {
            "text": gettext(
                "A model is uploaded, checked in a sandbox, and then deployed under a name that applications call."
            ),
            "url": reverse("admin:registry_registeredmodel_changelist"),
            "label": gettext("Upload the first model"),
            "command": "python manage.py import_model PATH --name NAME --deploy",
        }
    else:
        step = {
            "text": gettext("There are models; none is served yet. Deploy a version that is ready."),
            "url": reverse("admin:registry_registeredmodel_changelist"),
            "label": gettext("Choose a model"),
            "command": "",
        }
    return {"first_step": step}
