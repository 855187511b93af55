"""What counts prove: bounds of a share of calls, and how far two distributions are apart.

Pure. The bounds hold at every moment at once, so that one may look each second and stop when they say so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from inference.figures.latency import LOG_WIDTH, Histogram

ALPHA = 0.001  # of each bound
GROUPS = 10  # of scores, at most: tenths of the live ones
MOST_LABELS = 100
OTHER_LABELS = "(other)"
SCORE_BUCKETS = 20  # to one


def lower_bound(hits: int, calls: int, alpha: float = ALPHA) -> float:
    """Give a share that the true one is not below, whenever one looks, but with probability `alpha`.

    The mixture of all shares bets against each: a share is out once the bet has paid 1/alpha.
    Source: Robbins, Statistical methods related to the law of the iterated logarithm (1970); Howard, Ramdas, McAuliffe,
    Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences (2021); Ville's inequality.
    """
    if hits == 0:
        return 0.0
    return _where_bet_pays(hits, calls, alpha, 0.0, hits / calls)


def upper_bound(hits: int, calls: int, alpha: float = ALPHA) -> float:
    """Give a share that the true one is not above, whenever one looks, but with probability `alpha`."""
    return 1.0 - lower_bound(calls - hits, calls, alpha)


def _where_bet_pays(hits: int, calls: int, alpha: float, low: float, high: float) -> float:
    misses = calls - hits
    bet = math.lgamma(hits + 1) + math.lgamma(misses + 1) - math.lgamma(calls + 2) + math.log(alpha)

    def pays(share: float) -> bool:
        return bet >= hits * math.log(share) + (misses * math.log1p(-share) if misses else 0.0)

    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if middle <= 0 or pays(middle) else (low, middle)
    return low


def surely_under(histogram: Histogram, share: float) -> float | None:
    """Give the upper edge of the first bucket under which surely `share` of the calls lie, `None` while none is."""
    calls, seen = sum(histogram.values()), 0
    for bucket in sorted(map(int, histogram)):
        seen += histogram[str(bucket)]
        if lower_bound(seen, calls) >= share:
            return floor_ms(bucket + 1)
    return None


def floor_ms(bucket: int) -> float:
    """Give the lower edge of a bucket of latencies."""
    return math.exp(bucket * LOG_WIDTH)


def score_bucket(score: float) -> int:
    """Give the bucket of a score or any other number: a twentieth near nought, a twentieth of itself far away."""
    return math.floor(math.asinh(score) * SCORE_BUCKETS)


def score_middle(bucket: int) -> float:
    """Give the number in the middle of a bucket."""
    return math.sinh((bucket + 0.5) / SCORE_BUCKETS)


def stability(canary: Mapping[Any, int], live: Mapping[Any, int]) -> tuple[float, float] | None:
    """Give the population stability index of two distributions over the same groups, and how much of it may be noise.

    `None` with fewer than 100 of either. Without drift the index is distributed as chi-squared times (1/n + 1/m).
    Source: Siddiqi, Credit Risk Scorecards (2006); Yurdakul, Statistical Properties of Population Stability Index
    (2018).
    """
    n, m, groups = sum(canary.values()), sum(live.values()), sorted(set(canary) | set(live))
    if min(n, m) < 100 or len(groups) < 2:
        return (0.0, 0.0) if min(n, m) >= 100 else None
    index = 0.0
    for group in groups:
        ours = (canary.get(group, 0) + 0.5) / (n + 0.5 * len(groups))
        theirs = (live.get(group, 0) + 0.5) / (m + 0.5 * len(groups))
        index += (ours - theirs) * math.log(ours / theirs)
    return index, _chi_squared(len(groups) - 1) * (1 / n + 1 / m)


def _chi_squared(degrees: int) -> float:
    """Give the quantile that noise passes once in a million. Source: Wilson and Hilferty (1931)."""
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + 4.7534 * math.sqrt(spread)) ** 3)


def in_tenths(canary: Histogram, live: Histogram) -> tuple[Counter[int], Counter[int]]:
    """Give both histograms over tenths of the live one."""
    total, seen = sum(live.values()), 0
    edges: list[int] = []
    for bucket in sorted(map(int, live)):
        seen += live[str(bucket)]
        if seen < total and seen >= total * (len(edges) + 1) / GROUPS:
            edges.append(bucket)
    place = _placer(edges)
    return _regroup(canary, place), _regroup(live, place)


def _placer(edges: list[int]) -> Callable[[str], int]:
    return lambda bucket: sum(int(bucket) > edge for edge in edges)


def _regroup(histogram: Histogram, place: Callable[[str], int]) -> Counter[int]:
    groups: Counter[int] = Counter()
    for bucket, n in histogram.items():
        groups[place(bucket)] += n
    return groups


def by_label(canary: Mapping[str, int], live: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """Give both label counts over the labels that come up most; all others are one."""
    together = Counter(canary)
    together.update(live)
    known = {label for label, _ in together.most_common(MOST_LABELS)} - {OTHER_LABELS}
    return _named(canary, known), _named(live, known)


def _named(labels: Mapping[str, int], known: set[str]) -> Counter[str]:
    named: Counter[str] = Counter()
    for label, n in labels.items():
        named[label if label in known else OTHER_LABELS] += n
    return named
