"""The evidence of a request as a reader sees it: a table of figures with differences, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext

from registry.measures.catalogue import METRICS, gain
from registry.measures.words import difference_in_words, figure_in_words, metric_label


def tables(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a table for the author's figures, and one for each evaluation, with where it leads."""
    found = []
    if evidence.get("figures"):
        found.append({"title": gettext("What its author measured"), "rows": _rows(evidence["figures"])})
    for one in evidence.get("evaluations", []):
        rows = number_format(one["rows"] or 0, 0, force_grouping=True)
        title = gettext("Evaluation over %(data)s (%(rows)s rows)") % {"data": one["data"], "rows": rows}
        found.append({"title": title, "rows": _rows(one["figures"]), "url": _evaluation_url(one["id"])})
    return found


def _rows(figures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for figure in figures:
        name, value, before = figure["name"], figure["value"], figure["before"]
        row = {"label": metric_label(name), "value": _words(name, value), "before": _words(name, before)}
        if value is not None and before is not None:
            row |= _difference(name, value, before)
        rows.append(row)
    return rows


def _words(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return figure_in_words(name, value) if name in METRICS else f"{value:.4g}"


def _difference(name: str, value: float, before: float) -> dict[str, str]:
    """Give the difference in words, with its tone where it is known which way is better."""
    apart = value - before
    if not apart:
        return {"change": "="}
    sign = "+" if apart > 0 else "−"
    size = difference_in_words(name, abs(apart)) if name in METRICS else _words(name, abs(apart))
    tone = ("fm-better" if gain(name, value, before) > 0 else "fm-worse") if name in METRICS else ""
    return {"change": f"{sign}{size}", "tone": tone}


def _evaluation_url(key: str) -> str:
    return reverse("admin:registry_evaluation_change", args=[key])
