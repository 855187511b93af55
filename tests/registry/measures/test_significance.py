"""Tests of paired answers against published numbers and scipy; intervals hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from registry.measures.classification import Tally, metrics_of
from registry.measures.intervals import wilson
from registry.measures.samples import Sample
from registry.measures.significance import bootstrap, bootstrap_sums, mcnemar, wilcoxon


@pytest.mark.parametrize(("one", "two"), [(0, 0), (1, 0), (5, 5), (2, 9), (0, 24), (11, 13)])
def test_mcnemar_when_few_rows_differ_then_the_exact_binomial(one, two):
    found = mcnemar(one, two)
    wanted = stats.binomtest(one, one + two).pvalue if one + two else 1.0
    assert found.name == "exact"
    assert found.p == pytest.approx(wanted)


@pytest.mark.parametrize(("one", "two"), [(25, 0), (59, 6), (100, 101), (12, 40), (121, 59)])
def test_mcnemar_when_many_rows_differ_then_chi_squared_with_continuity(one, two):
    found = mcnemar(one, two)
    square = (abs(one - two) - 1) ** 2 / (one + two)
    assert found.name == "chi_squared"
    assert found.p == pytest.approx(stats.chi2.sf(square, 1), rel=1e-9)


def test_mcnemar_when_the_example_of_agresti_then_its_number():
    # Agresti (2002), "Categorical Data Analysis", table 10.1: 150 approve only before, 86 only after; z² = 17.36
    # without continuity, (|150 - 86| - 1)² / 236 = 16.82 with it.
    assert mcnemar(150, 86).p == pytest.approx(stats.chi2.sf(16.8178, 1), rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_when_with_ties_and_noughts_then_as_scipy(seed):
    dice = np.random.default_rng(seed)
    values = np.round(dice.normal(0.1 * seed, 1, 200), 1)
    wanted = stats.wilcoxon(values, zero_method="wilcox", correction=True, method="approx").pvalue
    assert wilcoxon(values).p == pytest.approx(wanted, rel=1e-9)


def test_wilcoxon_when_nothing_differs_then_certainty_of_nothing():
    assert wilcoxon(np.zeros(10)).p == 1.0
    assert wilcoxon(np.array([])).p == 1.0
    assert wilcoxon(np.array([1.0])).p == pytest.approx(1.0)


def test_bootstrap_when_drawn_by_groups_then_as_by_rows():
    dice = np.random.default_rng(4)
    right = dice.integers(0, 3, 600)
    mine = np.where(dice.random(600) < 0.9, right, (right + 1) % 3)
    theirs = np.where(dice.random(600) < 0.8, right, (right + 1) % 3)
    cells, counts = np.unique(np.column_stack([right, mine, theirs]), axis=0, return_counts=True)

    def differences(weights):
        one, two = (metrics_of(Tally.of(3, cells[:, 0], cells[:, side], weights)) for side in (1, 2))
        return {name: one[name] - two[name] for name in ("accuracy", "f1_macro")}

    found = bootstrap(counts, differences)["accuracy"]
    gap = (mine == right).astype(float) - (theirs == right)
    drawn = [gap[dice.integers(0, 600, 600)].mean() for _ in range(2000)]
    assert found.value == pytest.approx(gap.mean())
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)
    assert bootstrap(counts, differences)["f1_macro"] == bootstrap(counts, differences)["f1_macro"]
    assert bootstrap(np.array([0]), differences) == {}


def test_bootstrap_of_sums_when_of_means_then_as_the_normal_interval():
    dice = np.random.default_rng(5)
    values = dice.normal(2, 1, 1000)
    found = bootstrap_sums(np.column_stack([np.ones(1000), values]), lambda sums: {"mean": sums[1] / sums[0]})["mean"]
    reach = 1.96 * values.std() / np.sqrt(1000)
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.01)


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (1, 3), (941, 1000), (0, 1)])
def test_wilson_when_asked_then_as_scipy(hits, rows):
    wanted = stats.binomtest(hits, rows).proportion_ci(0.95, "wilson")
    assert wilson(hits, rows) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


def test_sample_when_more_than_is_kept_then_still_near():
    sample = Sample(1000)
    for at in range(0, 10_000, 700):
        sample.add(np.arange(at, min(at + 700, 10_000), dtype=np.float64))
    sample.add(np.array([np.nan, np.inf]))
    assert sample.percentiles((0.5, 0.95)) == pytest.approx([5000, 9500], abs=30)
    assert Sample().percentiles((0.5,)) == []
