"""Metrics, curves and losses are those of scikit-learn, over random data and over odd data."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import exceptions, metrics

from registry.measures.calibration import Calibration, are_probabilities, losses
from registry.measures.classification import Tally, by_label, metrics_of, ranks
from registry.measures.curves import curves_of
from registry.measures.regression import Errors

CLOSE = pytest.approx
labels = st.integers(1, 6).flatmap(
    lambda most: st.tuples(
        st.just(most), st.lists(st.tuples(st.integers(0, most - 1), st.integers(0, most - 1)), min_size=1, max_size=80)
    )
)
finite = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.UndefinedMetricWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


@settings(max_examples=60, deadline=None)
@given(labels)
def test_classification_when_random_or_degenerate_then_as_scikit_learn(case):
    most, pairs = case
    right, answers = (np.array(side) for side in zip(*pairs, strict=True))
    tally = Tally.of(most, right, answers)
    found = metrics_of(tally)
    assert found["accuracy"] == CLOSE(metrics.accuracy_score(right, answers))
    assert found["balanced_accuracy"] == CLOSE(metrics.balanced_accuracy_score(right, answers))
    for average in ("macro", "micro", "weighted"):
        wanted = metrics.precision_recall_fscore_support(right, answers, average=average, zero_division=0)
        told = [found[f"{name}_{average}"] for name in ("precision", "recall", "f1")]
        assert told == CLOSE(list(wanted[:3]))
    rows = by_label(tally, [str(place) for place in range(most)])
    precision, recall, f1, support = metrics.precision_recall_fscore_support(right, answers, zero_division=0)
    assert [row["precision"] for row in rows] == CLOSE(list(precision))
    assert [row["recall"] for row in rows] == CLOSE(list(recall))
    assert [row["f1"] for row in rows] == CLOSE(list(f1))
    assert [row["support"] for row in rows] == list(support)


def test_tally_when_counted_in_groups_or_pieces_then_the_same():
    dice = np.random.default_rng(1)
    right, answers = dice.integers(0, 5, 400), dice.integers(-1, 5, 400)
    pairs, counts = np.unique(np.column_stack([right, answers]), axis=0, return_counts=True)
    whole = metrics_of(Tally.of(5, right, answers))
    assert metrics_of(Tally.of(5, pairs[:, 0], pairs[:, 1], counts.astype(float))) == CLOSE(whole)
    pieces = Tally.of(3, right[right < 3], np.where(answers < 3, answers, -1)[right < 3])
    assert (pieces + Tally.of(5, right[:0], answers[:0])).support.tolist() == [*pieces.support.tolist(), 0, 0]
    assert whole["unanswered"] == CLOSE((answers < 0).mean())
    assert metrics_of(Tally.of(2, right[:0], answers[:0])) == {}


def test_unanswered_when_some_then_they_count_against_recall_and_not_precision():
    found = metrics_of(Tally.of(2, np.array([0, 0, 1, 1]), np.array([0, -1, 1, -1])))
    assert (found["precision_micro"], found["recall_micro"], found["accuracy"]) == (1.0, 0.5, 0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=60))
def test_curves_when_random_with_ties_then_as_scikit_learn(rows):
    positive, scores = (np.array(side) for side in zip(*rows, strict=True))
    scores = scores.astype(np.float32)
    found = curves_of(positive, scores)
    if positive.all() or not positive.any():
        assert found is None
        return
    assert found.roc_auc == CLOSE(metrics.roc_auc_score(positive, scores), abs=1e-9)
    assert found.average_precision == CLOSE(metrics.average_precision_score(positive, scores), abs=1e-9)
    across, up, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    assert np.array(found.roc) == CLOSE(np.column_stack([across, up]), abs=1e-4)


def test_curve_when_long_then_thinned_with_both_ends():
    dice = np.random.default_rng(2)
    positive = dice.random(50_000) < 0.3
    found = curves_of(positive, (dice.random(50_000) + positive).astype(np.float32))
    assert len(found.roc) <= 120
    assert found.roc[0] == [0, 0]
    assert found.roc[-1] == [1, 1]
    assert found.pr[-1][0] == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_probabilities_when_random_then_losses_and_ranks_as_scikit_learn(columns, rows, seed):
    dice = np.random.default_rng(seed)
    scores = dice.dirichlet(np.ones(columns), rows)
    right = dice.integers(0, columns, rows)
    assert are_probabilities(scores)
    log, brier = losses(right, scores)
    assert log.mean() == CLOSE(metrics.log_loss(right, scores, labels=range(columns)))
    one_hot = np.eye(columns)[right]
    assert brier.mean() == CLOSE(np.square(scores - one_hot).sum(1).mean())
    if columns == 2:
        assert brier.mean() / 2 == CLOSE(metrics.brier_score_loss(right, scores[:, 1], pos_label=1))
    for top in range(1, columns):
        told = (ranks(right, scores) < top).mean()
        wanted = metrics.top_k_accuracy_score(
            right, scores if columns > 2 else scores[:, 1], k=top, labels=range(columns)
        )
        assert told == CLOSE(wanted)


def test_losses_when_the_right_label_is_unknown_then_it_had_no_probability():
    log, brier = losses(np.array([2, -1]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert log[0] == CLOSE(-math.log(np.finfo(np.float64).eps))
    assert brier[0] == CLOSE(1.5)
    assert ranks(np.array([2, 0]), np.array([[0.5, 0.5], [0.5, 0.5]])).tolist() == [2, 0]
    assert not are_probabilities(np.array([[0.5, 0.6]]))
    assert not are_probabilities(np.array([[3.0, -2.0]]))


def test_calibration_when_added_in_pieces_then_the_error_of_guo():
    dice = np.random.default_rng(3)
    scores, is_right = dice.random(3000), dice.random(3000) < 0.6
    whole, pieces = Calibration(), Calibration()
    whole.add(scores, is_right)
    for at in range(0, 3000, 700):
        pieces.add(scores[at : at + 700], is_right[at : at + 700])
    edges = np.linspace(0, 1, 16)
    wanted = 0.0
    for low, high in pairwise(edges):
        mask = (scores > low) & (scores <= high)
        if mask.any():
            wanted += mask.mean() * abs(is_right[mask].mean() - scores[mask].mean())
    assert whole.error == CLOSE(wanted)
    assert pieces.error == CLOSE(wanted)
    assert sum(one["rows"] for one in whole.curve()) == 3000
    assert Calibration().error is None
    edge = Calibration()
    edge.add(np.array([0.0, 1.0]), np.array([False, True]))
    assert edge.error == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=60))
def test_regression_when_random_then_as_scikit_learn(rows):
    right, answers = (np.array(side) for side in zip(*rows, strict=True))
    sums = Errors()
    for at in range(0, len(right), 7):
        sums.add(right[at : at + 7], answers[at : at + 7])
    found = sums.metrics()
    assert found["mae"] == CLOSE(metrics.mean_absolute_error(right, answers))
    assert found["rmse"] == CLOSE(metrics.root_mean_squared_error(right, answers))
    if np.ptp(right) > 1e-3:
        assert found["r2"] == CLOSE(metrics.r2_score(right, answers), rel=1e-6, abs=1e-6)
    if (np.abs(right) > 1e-3).all():
        assert found["mape"] == CLOSE(metrics.mean_absolute_percentage_error(right, answers))


def test_regression_when_undefined_then_left_out():
    sums = Errors()
    sums.add(np.array([0.0, 0.0]), np.array([1.0, 3.0]))
    assert sums.metrics() == {"mae": 2.0, "rmse": CLOSE(math.sqrt(5))}
    assert Errors().metrics() == {}
    huge = Errors()
    for value in (1e200, -1e200, 3.0):  # squares are beyond float64
        huge.add(np.array([value]), np.array([value + 1.0]))
    assert huge.metrics()["mae"] == CLOSE(1 / 3)
    assert "r2" not in huge.metrics()
    far = Errors()
    far.add(np.full(1000, 1e9) + np.arange(1000), np.full(1000, 1e9) + np.arange(1000) + 1)
    assert far.metrics()["r2"] == CLOSE(1 - 1000 / (1000 * (1000**2 - 1) / 12))
