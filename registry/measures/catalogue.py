"""The metrics by name: for which task they are, and which way is better. Pure."""

from __future__ import annotations

from dataclasses import dataclass

CLASSIFICATION, REGRESSION = "classification", "regression"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that says how good answers are. `is_share`: it lies between 0 and 1 and is told in percent."""

    name: str
    task: str
    is_higher_better: bool = True
    is_share: bool = True


METRICS = {
    one.name: one
    for one in (
        Metric("accuracy", CLASSIFICATION),
        Metric("balanced_accuracy", CLASSIFICATION),
        Metric("f1_macro", CLASSIFICATION),
        Metric("f1_micro", CLASSIFICATION),
        Metric("f1_weighted", CLASSIFICATION),
        Metric("precision_macro", CLASSIFICATION),
        Metric("precision_micro", CLASSIFICATION),
        Metric("precision_weighted", CLASSIFICATION),
        Metric("recall_macro", CLASSIFICATION),
        Metric("recall_micro", CLASSIFICATION),
        Metric("recall_weighted", CLASSIFICATION),
        Metric("top_3_accuracy", CLASSIFICATION),
        Metric("top_5_accuracy", CLASSIFICATION),
        Metric("roc_auc", CLASSIFICATION),
        Metric("average_precision", CLASSIFICATION),
        Metric("log_loss", CLASSIFICATION, is_higher_better=False, is_share=False),
        Metric("brier", CLASSIFICATION, is_higher_better=False, is_share=False),
        Metric("ece", CLASSIFICATION, is_higher_better=False),
        Metric("mae", REGRESSION, is_higher_better=False, is_share=False),
        Metric("rmse", REGRESSION, is_higher_better=False, is_share=False),
        Metric("mape", REGRESSION, is_higher_better=False),
        Metric("r2", REGRESSION, is_share=False),
        Metric("unanswered", CLASSIFICATION, is_higher_better=False),
        Metric("p50_ms", "", is_higher_better=False, is_share=False),
        Metric("p95_ms", "", is_higher_better=False, is_share=False),
        Metric("p99_ms", "", is_higher_better=False, is_share=False),
    )
}
MAIN = {CLASSIFICATION: "accuracy", REGRESSION: "mae"}  # the number that an evaluation is told by
# Of these a comparison tells the difference with its 95 % interval (`inference/evaluating/comparing.py`).
COMPARED_METRICS = (
    "accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "f1_weighted", "precision_macro", "precision_micro",
    "precision_weighted", "recall_macro", "recall_micro", "recall_weighted", "log_loss", "brier", "unanswered",
    "mae", "rmse",
)  # fmt: skip
SLICED = ("accuracy", "mae", "rmse")  # what is known of each slice
MOST_SLICES = 200  # values of a column that are told, the most frequent ones


def gain(name: str, new: float, old: float) -> float:
    """Give by how much a number is better than another; less than nought where it is worse."""
    return new - old if METRICS[name].is_higher_better else old - new
