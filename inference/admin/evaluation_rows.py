"""The rows of an evaluation as a page shows them: what is asked, the rows, and the way on."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import percent, thousands
from common.errors import FluemanError
from inference.evaluating import COMPARED
from inference.evaluating.plan import Plan
from inference.evaluating.rows_asked import read_asked
from inference.evaluating.wording import comparison_of
from registry.measures.catalogue import CLASSIFICATION
from registry.models import Evaluation

NAMES = {
    "wrong": _("wrong"),
    "right": _("right"),
    "unanswered": _("without an answer"),
    "unlabelled": _("without a right answer"),
    "became_right": _("became right"),
    "became_wrong": _("became wrong"),
    "nearer": _("nearer"),
    "further": _("further away"),
}
LABELS_OFFERED = 300


def rows_context(request: HttpRequest, evaluation: Evaluation) -> dict[str, Any]:
    """Give the rows that the address asks for; what is wrong with it stands in `rows_error`."""
    from inference.evaluating.rows import Wanted, find_rows  # noqa: PLC0415 - loads Polars and Arrow

    context = _form(request, evaluation)
    try:
        wanted, place, most = read_asked(request.GET)
        found = find_rows(evaluation=evaluation, wanted=Wanted(**wanted), place=place, most=most)
    except FluemanError as error:
        return context | {"rows_error": error}
    following = request.GET.copy()
    following["place"] = str(found.next_place)
    return context | {
        "lines": [_line(evaluation, row, context["label_names"]) for row in found.rows],
        "columns": list(dict.fromkeys(Plan.from_dict(evaluation.options).inputs.values())),
        "searched": gettext("%(rows)s of %(total)s rows searched")
        % {"rows": thousands(found.searched), "total": thousands(found.total)},
        "next_url": f"?{following.urlencode()}" if found.next_place is not None else "",
        "is_first": place == 0,
    }


def _form(request: HttpRequest, evaluation: Evaluation) -> dict[str, Any]:
    report, query = evaluation.report, request.GET
    names = report.get("label_names", {})
    labels = [(label, names.get(label, label)) for label in report.get("labels", [])[:LABELS_OFFERED]]
    has_other = bool(comparison_of(evaluation))
    foreign = ("nearer", "further") if evaluation.task == CLASSIFICATION else ("wrong", "right", *COMPARED[:2])
    offered = [kind for kind in NAMES if kind not in foreign and (has_other or kind not in COMPARED)]
    kinds = [(kind, NAMES[kind]) for kind in offered]
    slices = [
        {
            "column": column,
            "values": [(f"{column}={one['value']}", one["value"] or "–") for one in values],
        }
        for column, values in report.get("slices", {}).items()
    ]
    return {
        "asked": {name: query.get(name, "") for name in ("kind", "right", "answer", "q")},
        "asked_slices": query.getlist("slice"),
        "kinds": kinds,
        "labels": labels,
        "slice_columns": slices,
        "label_names": names,
        "has_other": has_other,
        "other": comparison_of(evaluation).get("version", ""),
        "is_narrowed": any(query.get(name) for name in ("kind", "right", "answer", "q", "slice")),
    }


def _line(evaluation: Evaluation, row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    score = row.get("score")
    difference = row.get("difference")
    return {
        "number": row["row"] + 1,
        "url": reverse("admin:datasets_datasetversion_row", args=[evaluation.dataset_version_id, row["row"] + 1]),
        "values": [_short(value) for value in row["values"].values()],
        "right": _named(row["right"], names),
        "answer": _named(row["answer"], names),
        "other": _named(row.get("other"), names),
        "is_wrong": row["is_wrong"],
        "error": row["error"] or "",
        "score": percent(score) if score is not None else "",
        "difference": f"{difference:+.4g}" if difference is not None else "",
    }


def _named(value: Any, names: dict[str, str]) -> str:
    if value is None:
        return "–"
    return names.get(value, value) if isinstance(value, str) else f"{value:.6g}"


def _short(value: Any) -> str:
    if value is None:
        return "–"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
