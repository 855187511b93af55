"""How far people who judge the same things agree. Pure: counts in, numbers out; NumPy is loaded where it is used.

All but Cohen's kappa work on how often each value was given to a unit, so the work grows with units and not with pairs
of judgements, and units that were judged alike count once, with a multiplicity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NOMINAL, ORDINAL, INTERVAL = "nominal", "ordinal", "interval"
RESAMPLES, WIDTH, SEED = 1000, 0.95, 20260101
MOST_WORK = 200_000_000  # counts touched by all resamples together; fewer are drawn from more data


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each value was given: entries (`pattern`, `code`, `count`) of patterns, of which `times` units exist.

    `values` are sorted, so that codes of ordered values are ordered.
    """

    values: tuple[Any, ...]
    pattern: Array
    code: Array
    count: Array
    times: Array

    @property
    def sizes(self) -> Array:
        """Judgements of a unit, by pattern."""
        return _sums(self.pattern, self.count, len(self.times))


def tally(units: Sequence[int], values: Sequence[Hashable]) -> Tally:
    """Count judgements given as a unit and a value each; a missing one is simply not there."""
    import numpy as np  # noqa: PLC0415

    known = tuple(sorted(set(values), key=lambda one: (str(type(one)), one)))  # type: ignore[type-var]
    codes = {value: code for code, value in enumerate(known)}
    code = np.fromiter((codes[value] for value in values), np.int64, len(values))
    unit = np.unique(np.asarray(units, dtype=np.int64), return_inverse=True)[1].ravel()
    cells, count = np.unique(unit * max(1, len(known)) + code, return_counts=True)
    unit, code = np.divmod(cells, max(1, len(known)))
    # Units with equal sums of random words by value were judged alike (but for one chance in 2**40 or so).
    words = np.random.default_rng(SEED).integers(0, 1 << 63, size=max(1, len(known)), dtype=np.uint64)
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    mixed = np.add.reduceat(words[code] * count.astype(np.uint64), starts) if len(starts) else words[:0]
    _words, first, times = np.unique(mixed, return_index=True, return_counts=True)
    place = np.full(len(starts), -1, np.int64)
    place[first] = np.arange(len(first))
    kept = place[unit] >= 0
    return Tally(known, place[unit][kept], code[kept], count[kept], times)


def raw_agreement(given: Tally) -> float | None:
    """Give the share of pairs of judgements of one unit that are equal, `None` without pairs."""
    sizes = given.sizes
    equal = _sums(given.pattern, given.count * (given.count - 1), len(given.times))
    pairs = float((given.times * sizes * (sizes - 1)).sum())
    return float((given.times * equal).sum()) / pairs if pairs else None


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Give kappa of two people over the same units, `None` without variation.

    The work grows with units, however many values there are. Source: Cohen 1960, Educational and Psychological
    Measurement 20.
    """
    units, ones, others = len(first), Counter(first), Counter(second)
    apart = sum(one != other for one, other in zip(first, second, strict=True))
    expected = units * units - sum(count * others[value] for value, count in ones.items())  # times units
    return 1 - units * apart / expected if expected else None


def fleiss_kappa(given: Tally) -> float | None:
    """Give kappa of units that were all judged equally often, by whomever; others (the rarer sizes) are left out.

    Source: Fleiss 1971, Psychological Bulletin 76.
    """
    import numpy as np  # noqa: PLC0415

    sizes = given.sizes
    by_size = _sums(sizes, given.times, int(sizes.max(initial=0)) + 1)
    by_size[:2] = 0
    judges = int(np.argmax(by_size))
    units = float(by_size[judges])
    if not units:
        return None
    weight = np.where(sizes == judges, given.times, 0)
    squares = _sums(given.pattern, given.count * (given.count - 1), len(given.times))
    seen = float((weight * squares).sum()) / (units * judges * (judges - 1))
    shares = _sums(given.code, given.count * weight[given.pattern], len(given.values)) / (units * judges)
    chance = float((shares**2).sum())
    return (seen - chance) / (1 - chance) if chance < 1 else None


def krippendorff_alpha(given: Tally, *, level: str = NOMINAL) -> float | None:
    """Give alpha, for any number of people and with judgements missing; `None` where nothing varies or pairs up.

    Values of the levels `ordinal` and `interval` are numbers. Source: Krippendorff 2011, Computing Krippendorff's
    Alpha-Reliability; Hayes and Krippendorff 2007, Communication Methods and Measures 1.
    """
    return _Alpha(given, level).of(given.times)


def alpha_interval(
    given: Tally, *, level: str = NOMINAL, resamples: int = RESAMPLES, width: float = WIDTH
) -> tuple[float, float] | None:
    """Give the percentile interval of alpha from units drawn again with replacement; the same each time.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. (The macro of Hayes and
    Krippendorff 2007 draws single disagreements instead, as if those of one unit had nothing to do with each other.)
    """
    import numpy as np  # noqa: PLC0415

    alpha, units = _Alpha(given, level), int(given.times.sum())
    if alpha.of(given.times) is None:
        return None
    draw = np.random.default_rng(SEED)
    chances = given.times / units
    count = max(100, min(resamples, MOST_WORK // max(1, len(given.code))))
    drawn = [alpha.of(draw.multinomial(units, chances)) for _ in range(count)]
    found = [one for one in drawn if one is not None]
    low, high = np.quantile(found, [(1 - width) / 2, (1 + width) / 2])
    return float(low), float(high)


def strength(value: float) -> str:
    """Give the usual word for a kappa or alpha. Source: Landis and Koch 1977, Biometrics 33 (words, not a test)."""
    if value < 0:
        return "poor"
    words = ((0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
    return next((word for most, word in words if value <= most), "almost_perfect")


class _Alpha:
    """Alpha of one tally under many weights of its patterns."""

    def __init__(self, given: Tally, level: str) -> None:
        sizes = given.sizes
        self._given, self._level, self._units = given, level, len(given.times)
        self._is_paired = sizes >= 2
        self._below = 1.0 / (sizes - 1 + (sizes < 2))  # of those without a pair the weight is nought
        self._sizes = sizes
        if level == NOMINAL:
            squares = _sums(given.pattern, given.count**2, self._units)
            self._apart = (sizes**2 - squares) * self._below
        else:
            self._table = _table(given)

    def of(self, times: Array) -> float | None:
        """Give alpha if there were so many units of each pattern."""
        import numpy as np  # noqa: PLC0415

        given = self._given
        weight = np.where(self._is_paired, times, 0)
        by_value = _sums(given.code, given.count * weight[given.pattern], len(given.values)).astype(float)
        total = by_value.sum()
        if self._level == NOMINAL:
            seen, chance = (weight * self._apart).sum(), total**2 - (by_value**2).sum()
        else:
            squared = self._distances(by_value)
            apart = ((self._table @ squared) * self._table).sum(1) * self._below
            seen, chance = (weight * apart).sum(), by_value @ squared @ by_value
        return float(1 - (total - 1) * seen / chance) if chance > 0 else None

    def _distances(self, by_value: Array) -> Array:
        """Give squared distances of values by values."""
        import numpy as np  # noqa: PLC0415

        if self._level == ORDINAL:  # the sum of the frequencies from c to k, less half of both ends
            ranks = np.cumsum(by_value) - by_value / 2
        else:
            ranks = np.asarray(self._given.values, dtype=float)
        distances: Array = np.subtract.outer(ranks, ranks) ** 2
        return distances


def _table(given: Tally) -> Array:
    """Give counts as patterns by values: for levels whose values are few."""
    import numpy as np  # noqa: PLC0415

    table = np.zeros((len(given.times), len(given.values)))
    table[given.pattern, given.code] = given.count
    return table


def _sums(places: Array, amounts: Array, length: int) -> Array:
    """Add amounts up by place, as whole numbers."""
    import numpy as np  # noqa: PLC0415

    return np.bincount(places, weights=amounts, minlength=length).astype(np.int64)
