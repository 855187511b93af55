"""The figures of an evaluation as its page shows them; each leads to the rows behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.curves import Axis, Line, axis_of, curve_plot
from common.display import duration, percent, thousands
from inference.evaluating.plan import Plan
from inference.evaluating.rows_asked import address
from inference.evaluating.wording import comparison_of, difference_words, main_metric, test_words
from registry.measures.catalogue import CLASSIFICATION, METRICS
from registry.measures.words import figure_in_words, metric_label, signed
from registry.models import Evaluation

MOST_LABELS = 20
MOST_CURVES = 3
MOST_SLICES = 12
_FIRST = {
    CLASSIFICATION: ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "ece", "p95_ms"),
    "regression": ("mae", "rmse", "mape", "r2", "p95_ms"),
}


def found(evaluation: Evaluation, rows_url: str) -> dict[str, Any]:
    """Give what a finished evaluation found."""
    report, plan = evaluation.report, Plan.from_dict(evaluation.options)
    context = {
        "figures": _figures(evaluation, rows_url),
        "all_figures": _all_figures(evaluation, rows_url),
        "notes": _notes(evaluation, rows_url),
        "comparison": _comparison(evaluation, rows_url),
        "slices": _slices(evaluation, rows_url),
        "latency": [(name.split("_")[0], duration(value)) for name, value in report.get("latency", {}).items()],
        "pairs": list(plan.inputs.items()),
        "plan": plan,
        "wrong_url": address(rows_url, kind="wrong"),
        "unanswered_url": address(rows_url, kind="unanswered"),
        "errors": report.get("errors", []),
    }
    return context | (_labels(evaluation, rows_url) if evaluation.task == CLASSIFICATION else _numbers(report))


def _figures(evaluation: Evaluation, rows_url: str) -> list[dict[str, Any]]:
    limits = evaluation.report.get("accuracy_interval")
    notes = {"accuracy": f"95 %: {_share(limits[0])} – {_share(limits[1])}"} if limits else {}
    return [
        {
            "label": metric_label(name),
            "value": figure_in_words(name, evaluation.metrics[name]),
            "note": notes.get(name, ""),
            "url": _rows_of(name, rows_url),
        }
        for name in _FIRST[evaluation.task]
        if name in evaluation.metrics
    ]


def _all_figures(evaluation: Evaluation, rows_url: str) -> list[tuple[str, str, str]]:
    known = {name: evaluation.metrics[name] for name in METRICS if name in evaluation.metrics}
    return [
        (metric_label(name), figure_in_words(name, value), _rows_of(name, rows_url)) for name, value in known.items()
    ]


def _rows_of(name: str, rows_url: str) -> str:
    """Give the address of the rows that a figure is made of; of times none are kept by row."""
    if name.endswith("_ms"):
        return ""
    return address(rows_url, kind={"accuracy": "right", "unanswered": "unanswered"}.get(name, ""))


def _share(share: float) -> str:
    """Give a share in percent, to a tenth."""
    return figure_in_words("accuracy", share)


def _notes(evaluation: Evaluation, rows_url: str) -> list[dict[str, str]]:
    """Give what a reader has to know to read the figures rightly."""
    report, notes = evaluation.report, []
    if count := report.get("unlabelled"):
        said = gettext("%(rows)s rows have no right answer and are left out of all figures.")
        notes.append({"text": said % {"rows": thousands(count)}, "url": address(rows_url, kind="unlabelled")})
    if share := evaluation.metrics.get("unanswered"):
        said = gettext("%(share)s of the rows got no answer; these count as wrong.")
        if evaluation.task != CLASSIFICATION:
            said = gettext("%(share)s of the rows got no answer; the figures are of the others.")
        notes.append({"text": said % {"share": percent(share)}, "url": address(rows_url, kind="unanswered")})
    strange = [row["label"] for row in report.get("per_label", []) if row["answered"] and not row["support"]]
    if strange:
        said = gettext("Answered, and right nowhere: %(labels)s.")
        notes.append({"text": said % {"labels": ", ".join(strange[:10])}, "url": ""})
    if evaluation.task == CLASSIFICATION and not report.get("curves"):
        said = gettext("The version gives no scores of all its labels over rows of more than one label: no curves.")
        notes.append({"text": said, "url": ""})
    notes += [
        {
            "text": gettext("“%(column)s” has too many values; the later ones are left out.") % {"column": column},
            "url": "",
        }
        for column in report.get("cut_slices", [])
    ]
    return notes


def _comparison(evaluation: Evaluation, rows_url: str) -> dict[str, Any]:
    told = comparison_of(evaluation)
    gap = told.get("metrics", {}).get(main_metric(evaluation))
    if not gap:
        return {}
    names = [name for name in METRICS if name in told["metrics"]]
    rows = [
        {
            "label": metric_label(name),
            "value": signed(name, told["metrics"][name]["value"]),
            "limits": f"{signed(name, told['metrics'][name]['low'])} … {signed(name, told['metrics'][name]['high'])}",
            "tone": _tone(told["metrics"][name]),
            "url": rows_url,
        }
        for name in names
    ]
    changed = [
        (gettext("became right"), told.get("became_right"), address(rows_url, kind="became_right"), "good"),
        (gettext("became wrong"), told.get("became_wrong"), address(rows_url, kind="became_wrong"), "bad"),
        (gettext("nearer"), told.get("nearer"), address(rows_url, kind="nearer"), "good"),
        (gettext("further away"), told.get("further"), address(rows_url, kind="further"), "bad"),
    ]
    return {
        "words": difference_words(main_metric(evaluation), gap, evaluation),
        "test": test_words(told),
        "rows": rows,
        "changed": [one for one in changed if one[1] is not None],
        "other": told["version"],
    }


def _tone(gap: Mapping[str, float]) -> str:
    return "good" if gap["low"] > 0 else "bad" if gap["high"] < 0 else "quiet"


def _slices(evaluation: Evaluation, rows_url: str) -> list[dict[str, Any]]:
    name = main_metric(evaluation)
    kind = "wrong" if evaluation.task == CLASSIFICATION else ""
    beside = comparison_of(evaluation).get("slices", {})
    tables = []
    for column, values in evaluation.report.get("slices", {}).items():
        others = {one["value"]: one["other"] for one in beside.get(column, [])}
        known = [one for one in values if one.get(name) is not None]
        worst = sorted(known, key=lambda one: one[name] if name == "accuracy" else -one[name])
        lines = [
            {
                "value": one["value"] or "–",
                "rows": thousands(one["rows"]),
                "figure": figure_in_words(name, one[name]),
                "limits": f"{_share(one['low'])} – {_share(one['high'])}" if "low" in one else "",
                "width": round(one[name] * 100, 1) if name == "accuracy" else None,
                "gap": signed(name, one[name] - others[one["value"]]) if one["value"] in others else "",
                "rows_url": address(rows_url, slices={column: one["value"]}),
                "url": address(rows_url, kind=kind, slices={column: one["value"]}),
            }
            for one in worst
        ]
        tables.append({"column": column, "lines": lines[:MOST_SLICES], "left": max(0, len(lines) - MOST_SLICES)})
    return tables


def _labels(evaluation: Evaluation, rows_url: str) -> dict[str, Any]:
    report = evaluation.report
    names = report.get("label_names", {})
    return {
        "matrix": _matrix(report, names, rows_url),
        "per_label": [
            {
                **{name: _share(row[name]) for name in ("precision", "recall", "f1")},
                "support": row["support"],
                "name": names.get(row["label"], row["label"]),
                "url": address(rows_url, kind="wrong", right=row["label"]),
                "right_url": address(rows_url, right=row["label"]),
                "answer_url": address(rows_url, answer=row["label"]),
            }
            for row in sorted(report.get("per_label", []), key=lambda row: row["f1"])
        ],
        "plots": _curves(report.get("curves", {}), names) + _calibration(report),
    }


def _matrix(report: Mapping[str, Any], names: Mapping[str, str], rows_url: str) -> dict[str, Any]:
    """Give the confusion matrix of the most frequent labels: right answers down, given ones across."""
    labels, cells = report.get("labels", []), report.get("confusion", [])
    weights: dict[int, int] = {}
    for right, answer, count in cells:
        weights[right] = weights.get(right, 0) + count
        weights[answer] = weights.get(answer, 0) + (count if right != answer else 0)
    chosen = sorted(sorted(weights, key=lambda place: -weights[place])[:MOST_LABELS], key=lambda p: (p < 0, p))
    counts = {(right, answer): count for right, answer, count in cells}
    totals = {right: sum(count for one, _, count in cells if one == right) for right in chosen}

    def named(place: int) -> str:
        return gettext("no answer") if place < 0 else names.get(labels[place], labels[place])

    lines = []
    for right in chosen:
        if right < 0 or not totals[right]:
            continue
        own = [
            {
                "count": thousands(count) if (count := counts.get((right, answer), 0)) else "",
                "share": count / totals[right],
                "level": min(7, int(8 * count / totals[right])),
                "is_right": right == answer,
                "url": address(rows_url, right=labels[right], answer=labels[answer] if answer >= 0 else "–")
                if count
                else "",
            }
            for answer in chosen
        ]
        url = address(rows_url, right=labels[right])
        lines.append({"name": named(right), "cells": own, "total": thousands(totals[right]), "url": url})
    return {"heads": [named(place) for place in chosen], "lines": lines, "left": max(0, len(weights) - len(chosen))}


def _curves(curves: Mapping[str, Any], names: Mapping[str, str]) -> list[Any]:
    """Give ROC and precision-recall of the labels that are told apart worst."""
    if not curves:
        return []
    worst = sorted(curves, key=lambda label: curves[label]["roc_auc"])[:MOST_CURVES]
    tones = ("bad", "main", "good")

    def lines(kind: str, area: str) -> list[Line]:
        return [
            Line(f"{names.get(label, label)} {curves[label][area]:.3f}", curves[label][kind], tone)
            for label, tone in zip(worst, tones, strict=False)
        ]

    share = [gettext("share of wrong labels"), gettext("recall"), gettext("precision")]
    return [
        curve_plot(lines("roc", "roc_auc"), title="ROC", x=Axis(share[0]), y=Axis(share[1]), guide=[[0, 0], [1, 1]]),
        curve_plot(
            lines("pr", "average_precision"), title=gettext("Precision and recall"), x=Axis(share[1]), y=Axis(share[2])
        ),
    ]


def _calibration(report: Mapping[str, Any]) -> list[Any]:
    bins = report.get("calibration", [])
    if not bins:
        return []
    points: Sequence[Any] = [[one["score"], one["accuracy"]] for one in bins]
    lines = [Line("", points), Line("", points, is_dots=True)]
    axes = {"x": Axis(gettext("score of the answer")), "y": Axis(gettext("share of right answers"))}
    return [curve_plot(lines, title=gettext("Calibration"), guide=[[0, 0], [1, 1]], **axes)]


def _numbers(report: Mapping[str, Any]) -> dict[str, Any]:
    points = report.get("residuals", [])
    across = axis_of([one[0] for one in points], gettext("right number"))
    up = axis_of([one[1] for one in points] or [0.0], gettext("answer less right number"))
    guide = [[across.low, 0], [across.high, 0]]
    plots = (
        [curve_plot([Line("", points, is_dots=True)], title=_("Residuals"), x=across, y=up, guide=guide)]
        if points
        else []
    )
    quantiles = [(percent(share), f"{value:.4g}") for share, value in report.get("quantiles", [])]
    return {"plots": plots, "quantiles": quantiles}
