"""Metrics in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from registry.measures.catalogue import METRICS

_LABELS: Mapping[str, Any] = {
    "accuracy": _("accuracy"),
    "balanced_accuracy": _("balanced accuracy"),
    "f1_macro": _("F1 (macro)"),
    "f1_micro": _("F1 (micro)"),
    "f1_weighted": _("F1 (weighted)"),
    "precision_macro": _("precision (macro)"),
    "precision_micro": _("precision (micro)"),
    "precision_weighted": _("precision (weighted)"),
    "recall_macro": _("recall (macro)"),
    "recall_micro": _("recall (micro)"),
    "recall_weighted": _("recall (weighted)"),
    "top_3_accuracy": _("right among the first 3"),
    "top_5_accuracy": _("right among the first 5"),
    "roc_auc": _("area under ROC"),
    "average_precision": _("average precision"),
    "log_loss": _("log loss"),
    "brier": _("Brier score"),
    "ece": _("calibration error (ECE)"),
    "mae": _("mean absolute error"),
    "rmse": _("root mean square error"),
    "mape": _("mean absolute percentage error"),
    "r2": _("R²"),
    "unanswered": _("rows without an answer"),
    "p50_ms": _("middle latency"),
    "p90_ms": _("90th percentile of latency"),
    "p95_ms": _("95th percentile of latency"),
    "p99_ms": _("99th percentile of latency"),
}


def metric_label(name: str) -> str:
    """Give what a metric is called."""
    return str(_LABELS.get(name, name))


def figure_in_words(name: str, value: float | None) -> str:
    """Give the value of a metric as a reader sees it: shares in percent."""
    if value is None:
        return "–"
    if METRICS[name].is_share:
        return f"{_tenths(value)} %"
    if name.endswith("_ms"):
        return f"{number_format(round(value, 1), 1)} ms"
    digits = 4 if abs(value) < 10 else 2
    return number_format(round(value, digits), digits)


def difference_in_words(name: str, value: float) -> str:
    """Give how far two values of a metric are apart: points for shares."""
    if METRICS[name].is_share:
        return gettext("%(points)s points") % {"points": _tenths(value)}
    return figure_in_words(name, value)


def signed(name: str, value: float) -> str:
    """Give a difference with its sign, shares in points."""
    told = _tenths(value) if METRICS[name].is_share else figure_in_words(name, value)
    return f"+{told}" if value > 0 else told


def _tenths(share: float) -> str:
    """Give a share in percent to a tenth; Django's `number_format` cuts and does not round."""
    return number_format(round(share * 100, 1) + 0.0, 1)  # a sum with nought is never the nought below it
