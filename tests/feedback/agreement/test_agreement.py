"""Agreement against published worked numbers, plain definitions, and another library."""

from __future__ import annotations

import time
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from feedback.agreement import (
    INTERVAL,
    NOMINAL,
    ORDINAL,
    alpha_interval,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    raw_agreement,
    strength,
    tally,
)

# Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, part C: four observers, twelve units.
OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
# Source: Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses.
DIAGNOSES = (
    "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 "
    "00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"
)


def krippendorffs() -> Any:
    said = [(unit, int(value)) for line in OBSERVERS for unit, value in enumerate(line.split()) if value != "."]
    return tally([unit for unit, _value in said], [value for _unit, value in said])


def fleiss() -> Any:
    cells = [(n, c, int(k)) for n, line in enumerate(DIAGNOSES.split()) for c, k in enumerate(line)]
    said = [(unit, code) for unit, code, count in cells for _ in range(count)]
    return tally([unit for unit, _code in said], [code for _unit, code in said])


@pytest.mark.parametrize(("level", "published"), [(NOMINAL, 0.743), (ORDINAL, 0.815), (INTERVAL, 0.849)])
def test_alpha_when_computed_for_krippendorffs_example_then_as_published(level: str, published: float) -> None:
    assert krippendorff_alpha(krippendorffs(), level=level) == pytest.approx(published, abs=0.0005)


def test_fleiss_when_computed_for_his_diagnoses_then_as_published() -> None:
    assert fleiss_kappa(fleiss()) == pytest.approx(0.430, abs=0.0005)


def test_cohen_when_computed_for_his_table_then_as_published() -> None:
    """Source: Cohen 1960, the example with 200 subjects: agreement .70, by chance .41, kappa .492."""
    table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    pairs = [(a, b) for a, row in enumerate(table) for b, count in enumerate(row) for _ in range(count)]
    first, second = [a for a, _b in pairs], [b for _a, b in pairs]
    assert cohen_kappa(first, second) == pytest.approx(0.492, abs=0.0005)
    units = [*range(200), *range(200)]
    assert raw_agreement(tally(units, [*first, *second])) == pytest.approx(0.70)


def test_cohen_when_compared_with_scikit_learn_then_the_same() -> None:
    draw = np.random.default_rng(3)
    for values in (2, 3, 7):
        first = draw.integers(0, values, 400)
        second = np.where(draw.random(400) < 0.6, first, draw.integers(0, values, 400))
        wanted = cohen_kappa_score(first, second)
        assert cohen_kappa(first.tolist(), second.tolist()) == pytest.approx(wanted, abs=1e-12)


def plain_alpha(units: list[list[int]], level: str) -> float | None:
    """Give alpha by its definition: a matrix of coincidences made of every pair."""
    size = 5
    seen = np.zeros((size, size))
    for said in units:
        for one, other in permutations(said, 2):
            seen[one, other] += 1 / (len(said) - 1)
    by_value = seen.sum(0)
    total = by_value.sum()

    def apart(c: int, k: int) -> float:
        if level == NOMINAL:
            return float(c != k)
        if level == INTERVAL:
            return float((c - k) ** 2)
        low, high = min(c, k), max(c, k)
        return float((by_value[low : high + 1].sum() - (by_value[c] + by_value[k]) / 2) ** 2)

    distances = np.array([[apart(c, k) for k in range(size)] for c in range(size)])
    chance = (np.outer(by_value, by_value) * distances).sum()
    return None if chance == 0 else 1 - (total - 1) * (seen * distances).sum() / chance


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=12))
def test_alpha_when_data_are_any_then_as_by_definition(units: list[list[int]]) -> None:
    said = [(number, value) for number, unit in enumerate(units) for value in unit]
    counted = tally([unit for unit, _value in said], [value for _unit, value in said])
    for level in (NOMINAL, ORDINAL, INTERVAL):
        wanted = plain_alpha([unit for unit in units if len(unit) > 1], level)
        found = krippendorff_alpha(counted, level=level)
        assert found is None if wanted is None else found == pytest.approx(wanted, abs=1e-9)


def test_interval_when_drawn_then_it_holds_alpha_and_is_the_same_each_time() -> None:
    counted = fleiss()
    low, high = alpha_interval(counted) or (0.0, 0.0)
    assert (low, high) == alpha_interval(counted)
    assert low < (krippendorff_alpha(counted) or 0) < high
    assert 0.1 < high - low < 0.4


def test_figures_when_nothing_varies_or_pairs_up_then_none() -> None:
    same, alone = tally([1, 1, 2, 2], ["a"] * 4), tally([1, 2], ["a", "b"])
    assert raw_agreement(same) == 1
    assert krippendorff_alpha(same) is fleiss_kappa(same) is cohen_kappa("aa", "aa") is alpha_interval(same) is None
    assert raw_agreement(alone) is krippendorff_alpha(alone) is fleiss_kappa(alone) is None


def test_fleiss_when_units_were_judged_unequally_often_then_of_the_usual_number() -> None:
    counted = tally([1, 1, 2, 2, 3, 3, 3], list("ababaaa"))
    assert fleiss_kappa(counted) == fleiss_kappa(tally([1, 1, 2, 2], list("abab")))


@pytest.mark.parametrize(
    ("value", "word"),
    [(-0.1, "poor"), (0.1, "slight"), (0.21, "fair"), (0.6, "moderate"), (0.7, "substantial"), (0.9, "almost_perfect")],
)
def test_strength_when_asked_then_the_words_of_landis_and_koch(value: float, word: str) -> None:
    assert strength(value) == word


def test_alpha_when_of_a_million_reviews_then_within_seconds() -> None:
    draw = np.random.default_rng(1)
    units = np.repeat(np.arange(400_000), 3)[:1_000_000]
    values = draw.integers(0, 6, len(units)).tolist()
    began = time.process_time()
    counted = tally(units, values)
    assert abs(krippendorff_alpha(counted) or 1) < 0.01
    assert alpha_interval(counted) is not None
    assert time.process_time() - began < 10  # 2 on a machine of one's own
