"""The card of a model: a page to read, print on A4 and hand on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from common.admin import require
from common.display import actor_name
from common.markdown import markdown
from common.numbers import whole
from registry.admin import shown
from registry.admin.compare import label_of, words_of
from registry.card import card_of, chosen
from registry.card_text import as_markdown
from registry.models import ApprovalRequest, ModelVersion, RegisteredModel
from registry.steps import STEPS

_TIMES = ("since", "until", "asked_at", "finished_at", "sealed_at")


def card_view(request: HttpRequest, model_admin: Any, pk: int) -> HttpResponseBase:
    """Show the card; `?version=3` of another version, `?as=html` or `?as=markdown` as a file."""
    require(request, "registry.view_registeredmodel")
    model = RegisteredModel.objects.present().select_related("owner").filter(pk=pk).first()
    if model is None:
        raise Http404
    version = chosen(model, whole(request.GET.get("version", "")))
    return answer(request, model, version, request.GET.get("as", ""))


def answer(request: HttpRequest, model: RegisteredModel, version: ModelVersion | None, way: str) -> HttpResponse:
    """Give the card as a page, or as a file of HTML or Markdown."""
    card = card_of(model, version)
    if way == "markdown":
        return _file(as_markdown(card).encode(), f"{model.name}.md", "text/markdown; charset=utf-8")
    context = {
        "card": card,
        "made_at": parse_datetime(card["made_at"]),
        "model": model,
        "version": version,
        "is_file": way == "html",
        "texts": {name: markdown(card[name]) for name in ("description", "intended_use", "limits") if card[name]},
        "back": reverse("admin:registry_registeredmodel_change", args=[model.pk]),
        **(_version(card["version"], version) if version else {}),
        "history": [_acted(one) for one in card["history"]],
        "alias_history": [_acted(one) for one in card["alias_history"]],
    }
    response = render(request, "admin/registry/card.html", context)
    if way == "html":
        return _file(response.content, f"{model.name}.html", "text/html; charset=utf-8")
    return response


def _version(found: dict[str, Any], version: ModelVersion) -> dict[str, Any]:
    states = dict(ApprovalRequest.State.choices)
    return {
        "about": found,
        "signature": shown.signature_rows(version.signature),
        "steps": [
            {"label": STEPS[one["step"]].label, "is_passed": one["state"] == "passed"}
            for one in found["check"]["steps"]
            if one["step"] in STEPS
        ],
        "walls": shown.walls(version.check_report),
        "latencies": shown.latencies(version.check_report),
        "figures": [(name, words_of(name, value)) for name, value in version.metrics.items()],
        "traffic": [(label_of(name), words_of(name, value)) for name, value in found["traffic"].items() if value],
        "training_data": [_timed(one) for one in found["training_data"]],
        "evaluations": [_evaluation(one) for one in found["evaluations"]],
        "approvals": [{**_timed(one), "said": states.get(one["state"], one["state"])} for one in found["approvals"]],
    }


def _evaluation(one: dict[str, Any]) -> dict[str, Any]:
    slices = [
        {"column": column, "value": row["value"] or gettext("none"), "rows": row.get("rows"), "said": _said(row)}
        for column, rows in one["slices"].items()
        for row in rows
    ]
    figures = [(label_of(name), words_of(name, value)) for name, value in one["metrics"].items()]
    return {**_timed(one), "figures": figures, "slices": slices}


def _said(row: dict[str, Any]) -> str:
    name = next((key for key in ("accuracy", "mae", "rmse") if key in row), "")
    return f"{label_of(name)} {words_of(name, row[name])}" if name else ""


def _timed(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, **{key: parse_datetime(one[key]) for key in _TIMES if one.get(key)}}


def _acted(one: dict[str, Any]) -> dict[str, Any]:
    return {**_timed(one), "by": actor_name(one["by"])}


def _file(content: bytes, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    response["X-Content-Type-Options"] = "nosniff"
    return response
