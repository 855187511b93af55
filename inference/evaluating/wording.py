"""What an evaluation found, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext

from common.display import thousands
from jobs.models import Job
from registry.measures.catalogue import CLASSIFICATION, MAIN
from registry.measures.words import difference_in_words, figure_in_words, metric_label, signed
from registry.models import Evaluation

TESTS = {
    "mcnemar_exact": "McNemar",
    "mcnemar_chi_squared": "McNemar",
    "wilcoxon": "Wilcoxon",
}


def main_metric(evaluation: Evaluation) -> str:
    """Give the number that an evaluation is told by."""
    return MAIN[evaluation.task]


def headline(evaluation: Evaluation) -> str:
    """Say how good the version is over which rows, and how much better than the other one."""
    if evaluation.finished_at is None:
        return _unfinished(evaluation)
    name = main_metric(evaluation)
    figure = evaluation.metrics.get(name)
    numbers = {"version": evaluation.version, "rows": thousands(evaluation.rows), "data": evaluation.dataset_version}
    if figure is None:
        return gettext("%(version)s gave nothing that can be judged over %(rows)s rows of %(data)s") % numbers
    numbers["figure"] = figure_in_words(name, figure)
    if evaluation.task == CLASSIFICATION:
        said = gettext("%(version)s: %(figure)s right over %(rows)s rows of %(data)s") % numbers
    else:
        said = gettext("%(version)s is %(figure)s away on average over %(rows)s rows of %(data)s") % numbers
    gap = comparison_of(evaluation).get("metrics", {}).get(name)
    return f"{said}{gettext(', ')}{_beside(name, gap, comparison_of(evaluation)['version'])}" if gap else said


def comparison_of(evaluation: Evaluation) -> Mapping[str, Any]:
    """Give how it compares with another version; empty where it was compared with none."""
    found: Mapping[str, Any] = evaluation.report.get("comparison", {})
    return found


def difference_words(name: str, found: Mapping[str, float], evaluation: Evaluation) -> str:
    """Say by how much the version is better or worse, and between which limits that surely lies."""
    other = comparison_of(evaluation)["version"]
    numbers = {
        "version": evaluation.version,
        "other": other,
        "gap": difference_in_words(name, abs(found["value"])),
        "low": signed(name, found["low"]),
        "high": signed(name, found["high"]),
        "metric": metric_label(name),
    }
    if found["low"] > 0:
        said = gettext("%(version)s is better than %(other)s by %(gap)s of %(metric)s (95 %%: %(low)s to %(high)s)")
    elif found["high"] < 0:
        said = gettext("%(version)s is worse than %(other)s by %(gap)s of %(metric)s (95 %%: %(low)s to %(high)s)")
    else:
        said = gettext(
            "No difference between %(version)s and %(other)s is sure: %(metric)s %(gap)s (95 %%: %(low)s to %(high)s)"
        )
    return said % numbers


def test_words(comparison: Mapping[str, Any]) -> str:
    """Say what the test of the paired rows found."""
    test = comparison.get("test")
    if not test:
        return ""
    p = "< 0.0001" if test["p"] < 0.0001 else f"= {test['p']:.4f}"
    return f"{TESTS.get(test['name'], test['name'])}: p {p}"


def _beside(name: str, found: Mapping[str, float], other: str) -> str:
    gap = {"gap": difference_in_words(name, abs(found["value"])), "other": other}
    if not found["value"]:
        return gettext("as good as %(other)s") % gap
    return (
        gettext("%(gap)s better than %(other)s") if found["value"] > 0 else gettext("%(gap)s worse than %(other)s")
    ) % gap


def _unfinished(evaluation: Evaluation) -> str:
    numbers = {"version": evaluation.version, "data": evaluation.dataset_version}
    state = evaluation.job.state if evaluation.job else Job.State.FAILED
    said = {
        Job.State.QUEUED: gettext("%(version)s over %(data)s: waits for a worker"),
        Job.State.RUNNING: gettext("%(version)s over %(data)s: is being evaluated"),
        Job.State.CANCELLED: gettext("%(version)s over %(data)s: was cancelled"),
    }.get(Job.State(state), gettext("%(version)s over %(data)s: could not be evaluated"))
    return said % numbers
