"""Deployments, and Deployment ("what is live, who gets what, is it good?")."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import ModelAdmin, require
from common.confirm import way_on
from common.display import thousands
from common.errors import FluemanError
from common.lookups import LONGEST_SEARCH
from common.wording import in_words
from inference import services
from inference.admin.deploying import VERBS, NewDeploymentForm
from inference.admin.history import Change, changes_of, stopped_canary
from inference.admin.lanes import lanes_of
from inference.admin.lately import rate, span_words
from inference.admin.manifests import manifest_view
from inference.admin.numbers import Standing, headline, standing_of
from inference.admin.overview import day_of, log_url, rows_of
from inference.admin.shadows import difference_plot, shadow_words, worst_of
from inference.admin.traffic import TRAFFIC
from inference.admin.traffic_forms import can_go_back, routes_of
from inference.admin.try_it import try_view
from inference.models import Deployment, Route
from inference.panels import DEPLOYMENT, panels_of

PER_PAGE = 50


@admin.register(Deployment)
class DeploymentAdmin(ModelAdmin):
    """What applications call."""

    detail_template = "admin/inference/deployment.html"
    verbs = (*VERBS, *TRAFFIC)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        """Read the routes with a row."""
        routes = Route.objects.select_related("version__model", "version__runner")
        return Deployment.objects.prefetch_related(Prefetch("routes", routes))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A deployment is made by choosing the version that serves."""
        return request.user.has_perm("inference.deploy_deployment")  # type: ignore[union-attr]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changes are verbs."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deletion is a verb."""
        return False

    def pages(self) -> list[Any]:
        """Add the try-it page and the part of a page that is shown anew every second."""
        return [
            ("<int:key>/try/", lambda request, key: try_view(self, request, key), "try"),
            ("<int:key>/live/", self.live_view, "live"),
            ("<int:key>/manifest/", lambda request, key: manifest_view(self, request, key), "manifest"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the deployments as rows, by name."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        term, after = request.GET.get("q", "").strip()[:LONGEST_SEARCH], request.GET.get("after", "")
        found = Deployment.objects.filter(name__gt=after)
        found = found.filter(name__icontains=term) if term else found
        deployments = list(found.order_by("name")[: PER_PAGE + 1])
        rows = rows_of(deployments[:PER_PAGE])
        new = {"label": _("New deployment"), "url": reverse("admin:inference_deployment_add"), "primary": True}
        return self.page(
            request,
            "admin/inference/deployments.html",
            title=gettext("Deployments"),
            headline=_list_headline(rows, is_whole=not term and not after and len(deployments) <= PER_PAGE),
            links=[new] if self.has_add_permission(request) else [],
            rows=rows,
            q=term,
            after=after,
            next_after=rows[-1].deployment.name if len(deployments) > PER_PAGE else "",
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Show the form of a new deployment; on POST make it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"version": request.GET.get("version", ""), "name": request.GET.get("name", "")}
        if request.method == "GET" and (known := Deployment.objects.filter(name=initial["name"]).first()):
            page = reverse("admin:inference_deployment_do", args=[known.pk, "deploy"])
            return HttpResponseRedirect(f"{page}?{urlencode({'version': initial['version']})}")
        form = NewDeploymentForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                made = services.deploy(actor=request.user, **form.cleaned_data)  # type: ignore[arg-type]
            except FluemanError as error:
                if onward := way_on(request, error, form.cleaned_data["reason"]):
                    return onward
                known = {name: text for name, text in error.fields.items() if name in form.fields}
                for name in known or [None]:
                    form.add_error(name, in_words(error.message))
            else:
                return HttpResponseRedirect(self.url_of(made))
        title = gettext("New deployment")
        is_empty = not form.fields["version"].choices
        return self.page(request, "admin/inference/new.html", title=title, form=self.dress(form), is_empty=is_empty)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what is live and how it does."""
        request.standing = standing_of(obj)  # type: ignore[attr-defined]
        return headline(request.standing)  # type: ignore[attr-defined]

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to the try-it page."""
        if not request.user.has_perm("inference.predict_deployment") or not obj.is_enabled:  # type: ignore[union-attr]
            return []
        url = reverse("admin:inference_deployment_try", args=[obj.pk])
        return [{"label": _("Try it"), "url": url, "primary": True}]

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the routes, the day's numbers by version, and what was done last."""
        return {
            **_live_context(request, self, request.standing),  # type: ignore[attr-defined]
            "day": day_of(obj.name),
            "all_url": log_url(obj.name),
            "shadows": self._shadows(request, obj),
            "panels": panels_of(DEPLOYMENT, request, obj),
            "changes": self._changes(request, obj),
            "audit_url": f"{reverse('admin:audit_auditevent_changelist')}?target_type__exact=inference.deployment"
            f"&target_id__exact={obj.pk}",
        }

    @staticmethod
    def _shadows(request: HttpRequest, obj: Deployment) -> list[dict[str, Any]]:
        """Give what shadows answer, to those who may see calls."""
        if not request.user.has_perm("inference.view_shadowresult"):  # type: ignore[union-attr]
            return []
        return [_shadow(route) for route in routes_of(obj, Route.Kind.SHADOW)]

    def _changes(self, request: HttpRequest, obj: Deployment) -> list[tuple[Change, str]]:
        """Give the newest changes, each with where it can be rolled back to, if this person may."""
        if not request.user.has_perm("inference.view_revision"):  # type: ignore[union-attr]
            return []
        verb = next(verb for verb in self.verbs if verb.name == "rollback")
        changes = changes_of(obj)
        url = verb.button(self, obj)["url"] if changes and verb.is_allowed(request, obj) else ""
        return [
            (change, f"{url}?to={change.revision.number}" if url and can_go_back(obj, change.revision) else "")
            for change in changes
        ]

    def live_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """Give the headline and runners as they are now."""
        require(request, "inference.view_deployment")
        deployment = self.get_queryset(request).filter(pk=key).first()
        if deployment is None:
            raise Http404
        context = {**_live_context(request, self, standing_of(deployment)), "original": deployment}
        return render(request, "admin/inference/live.html", context)


def _live_context(request: HttpRequest, model_admin: DeploymentAdmin, standing: Standing) -> dict[str, Any]:
    lanes = lanes_of(standing, request, model_admin)
    verbs = [
        verb for verb in TRAFFIC if "route" not in verb.from_query and verb.is_allowed(request, standing.deployment)
    ]
    return {
        "standing": standing,
        "headline": headline(standing),
        "lanes": lanes,
        "verbs": [verb.button(model_admin, standing.deployment) for verb in verbs],
        "answering": [lane for lane in lanes if lane.route.weight and not lane.is_copy],
        "copies": [lane for lane in lanes if lane.is_copy],
        "stands_in": standing.serving,
        "stopped": stopped_canary(standing.deployment),
        "span": span_words(standing.pulse.span),
        "rate": rate(standing.pulse.whole.per_minute) if standing.pulse.whole.requests else "",
    }


def _shadow(route: Route) -> dict[str, Any]:
    figures = services.shadow_standing(route)
    return {
        "route": route,
        "words": shadow_words(figures),
        "plot": difference_plot(figures),
        "worst": worst_of(route),
    }


def _list_headline(rows: list[Any], *, is_whole: bool) -> str:
    if not is_whole:
        return gettext("Deployments")
    if not rows:
        return gettext("Nothing is deployed yet")
    ready = sum(row.state == "ready" for row in rows)
    if ready == len(rows):
        return ngettext("%(count)s deployment serves", "All %(count)s deployments serve", ready) % {
            "count": thousands(ready)
        }
    return gettext("%(ready)s of %(count)s deployments serve") % {"ready": ready, "count": thousands(len(rows))}
