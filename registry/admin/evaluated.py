"""What evaluations said of a version, for its page: the newest over each data, and whether the gate is passed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from registry.admin.gates import lacks_url
from registry.measures.catalogue import CLASSIFICATION, gain
from registry.measures.words import difference_in_words, figure_in_words, metric_label
from registry.models import Evaluation, GatePolicy, ModelVersion
from registry.services.gates import failures

LOOKED_AT, SHOWN = 30, 5


def evaluated(request: HttpRequest, version: ModelVersion) -> dict[str, Any]:
    """Give the newest results, and what the gate says; nothing for those who may not see evaluations."""
    if not request.user.has_perm("registry.view_evaluation"):  # type: ignore[union-attr]
        return {}
    done = Evaluation.objects.filter(version=version, finished_at__isnull=False).defer("report", "baseline__report")
    newest: dict[Any, Evaluation] = {}
    for one in done.select_related("dataset_version__dataset", "baseline__version__model").order_by("-id")[:LOOKED_AT]:
        newest.setdefault((one.dataset_version_id, one.options.get("split", "")), one)
    policy = GatePolicy.objects.filter(model_id=version.model_id).first()
    return {
        "results": [_line(one) for one in list(newest.values())[:SHOWN]],
        "gate": {"url": lacks_url(version), "lacking": len(failures(version=version, policy=policy))} if policy else {},
    }


def _line(one: Evaluation) -> dict[str, Any]:
    name = "accuracy" if one.task == CLASSIFICATION else "mae"
    figure = one.metrics.get(name)
    other = one.baseline.metrics.get(name) if one.baseline else None
    better = gain(name, figure, other) if figure is not None and other is not None else None
    return {
        "data": str(one.dataset_version),
        "split": one.options.get("split", ""),
        "metric": metric_label(name),
        "figure": figure_in_words(name, figure),
        "gap": difference_in_words(name, abs(better)) if better else "",
        "is_better": bool(better and better > 0),
        "other": str(one.baseline.version) if one.baseline else "",
        "rows": one.rows,
        "url": _url(one),
    }


def _url(one: Evaluation) -> str:
    try:
        return reverse("admin:registry_evaluation_change", args=[one.pk])
    except NoReverseMatch:
        return ""
