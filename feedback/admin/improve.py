"""Improve a model: where does it stand on the way from a wrong answer to a better version, and what is next?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import Onlooker, require
from common.live import live_part
from feedback.improving.shown import improvement_of
from feedback.next_steps import SEE, improve_url
from inference.models import Route
from registry.models import RegisteredModel

MOST_MODELS = 5
TONES = {"done": "good", "going_on": "busy", "waits": "warn", "blocked": "bad"}


def improve_view(request: HttpRequest, model_admin: Any, model: str) -> HttpResponseBase:
    """Show the loop of a model."""
    found = _model(request, model)
    improvement = _improvement(request, found)
    return model_admin.page(  # type: ignore[no-any-return]
        request,
        "admin/feedback/improve.html",
        title=gettext("Improve %(model)s") % {"model": found},
        headline=gettext("Improve %(model)s") % {"model": found},
        question=gettext("From a wrong answer to a better version: what is next?"),
        links=[{"label": _("The model"), "url": reverse("admin:registry_registeredmodel_change", args=[found.pk])}],
        improvement=improvement,
        live_url=reverse("admin:feedback_feedback_improve_live", args=[found.name]),
    )


def improve_live_view(request: HttpRequest, model: str) -> HttpResponse:
    """Give the content of the page anew."""
    context = {"improvement": _improvement(request, _model(request, model))}
    return live_part(request, "admin/feedback/improve_body.html", context)


def improve_links(request: HttpRequest, deployments: Iterable[str]) -> list[dict[str, Any]]:
    """Give the buttons that lead to the models which are live in some deployments."""
    if not request.user.has_perm(SEE):  # type: ignore[union-attr]
        return []
    live = Route.objects.filter(deployment__name__in=list(deployments), kind=Route.Kind.LIVE, weight__gt=0)
    names = sorted(set(live.values_list("version__model__name", flat=True)[:MOST_MODELS]))
    return [{"label": gettext("Improve %(model)s") % {"model": name}, "url": improve_url(name)} for name in names]


def _improvement(request: HttpRequest, model: RegisteredModel) -> dict[str, Any]:
    found = improvement_of(model, Onlooker(request.user))
    for step in found["steps"]:
        step["tone"] = TONES.get(step["state"], "quiet")
        step["is_next"] = step["name"] == found["next"]["step"]
    return found


def _model(request: HttpRequest, name: str) -> RegisteredModel:
    require(request, SEE)
    found = RegisteredModel.objects.present().filter(name=name).first()
    if found is None:
        raise Http404
    return found
