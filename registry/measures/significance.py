"""Whether one version is better than another over the same rows, or only luckier. Pure.

Sources: McNemar (1947); Dietterich (1998), "Approximate statistical tests for comparing supervised classification
learning algorithms", section 3.1 (chi-squared with continuity correction; the exact binomial where few rows differ);
Efron & Tibshirani (1993), "An Introduction to the Bootstrap", section 13.3 (percentile interval); Wilcoxon (1945) with
the normal approximation and the correction for ties of Hollander & Wolfe (1999), section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

FEW = 25  # rows that differ, below which the exact test is used
DRAWS = 1000
MOST_WORK = 200_000_000  # numbers drawn in all
LEAST_DRAWS = 200
SEED = 19930515
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Test:
    """A test of "there is no difference": its name, and how likely so much of one is then."""

    name: str
    p: float


def mcnemar(only_one: int, only_two: int) -> Test:
    """Test two versions by the rows that only one of them answers rightly."""
    differ = only_one + only_two
    if not differ:
        return Test("exact", 1.0)
    if differ < FEW:
        tail = sum(math.comb(differ, k) for k in range(min(only_one, only_two) + 1)) / 2**differ
        return Test("exact", min(1.0, 2 * tail))
    square = max(0.0, abs(only_one - only_two) - 1) ** 2 / differ
    return Test("chi_squared", math.erfc(math.sqrt(square / 2)))


def wilcoxon(differences: np.ndarray) -> Test:
    """Test paired numbers by the ranks of their differences; rows without one are left out."""
    values = differences[differences != 0]
    rows = len(values)
    if not rows:
        return Test("wilcoxon", 1.0)
    size = np.abs(values)
    order = np.argsort(size, kind="stable")
    ordered = size[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.diff(np.append(starts, rows)).astype(np.float64)
    ranks = np.repeat(starts + (counts + 1) / 2, counts.astype(np.int64))
    plus = float(ranks[values[order] > 0].sum())
    mean = rows * (rows + 1) / 4
    variance = rows * (rows + 1) * (2 * rows + 1) / 24 - float((counts**3 - counts).sum()) / 48
    reach = max(0.0, abs(plus - mean) - 0.5)
    return Test("wilcoxon", math.erfc(reach / math.sqrt(2 * variance)) if variance > 0 else 1.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much the first is above the second, and the 95 % interval of it."""

    value: float
    low: float
    high: float


Statistic = Callable[[np.ndarray], Mapping[str, float]]


def bootstrap(counts: np.ndarray, statistic: Statistic) -> dict[str, Difference]:
    """Draw rows anew, paired, from groups of equal rows; give the interval of each number.

    Rows drawn with replacement are a multinomial draw of the groups' counts, so this costs by groups, not by rows.
    `statistic` gives differences by name for counts (groups,).
    """
    rows = int(counts.sum())
    if not rows:
        return {}
    told = statistic(counts.astype(np.float64))
    dice = np.random.default_rng(SEED)
    draws = max(LEAST_DRAWS, min(DRAWS, MOST_WORK // max(1, len(counts))))
    shares = counts / rows
    found: dict[str, list[float]] = {name: [] for name in told}
    for _ in range(draws):
        for name, value in statistic(dice.multinomial(rows, shares).astype(np.float64)).items():
            if name in found:
                found[name].append(value)
    return {name: _interval(told[name], np.array(values)) for name, values in found.items() if values}


def bootstrap_sums(sums: np.ndarray, statistic: Statistic) -> dict[str, Difference]:
    """Do the same for sums over blocks of rows, (blocks, sums): whole blocks are drawn.

    `statistic` gives differences by name for the sums (sums,). With as many blocks as rows these are drawn themselves.
    """
    return bootstrap(np.ones(len(sums), np.int64), lambda weights: statistic(weights @ sums))


def _interval(value: float, drawn: np.ndarray) -> Difference:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(value), float(low), float(high))
