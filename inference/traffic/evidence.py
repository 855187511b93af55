"""What counts prove: bounds of a share of calls, and how far two distributions are apart.

Pure. The bounds hold at every moment at once, so that one may look each second and stop when they say so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from inference.figures.latency import LOG_WIDTH, Histogram

G = TypeVar("G", bound=Hashable)

ALPHA = 0.001  # of each bound
LEAST_CALLS = 100  # of each side, before two distributions are compared
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


def stability(canary: Mapping[G, float], live: Mapping[G, float]) -> tuple[float, float] | None:
    """Give the population stability index of two distributions over the same groups, and how much of it may be noise.

    Both are counts of calls; `None` with fewer than 100 of either.
    Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    n, m, groups = sum(canary.values()), sum(live.values()), set(canary) | set(live)
    if min(n, m) < LEAST_CALLS:
        return None
    index = 0.0
    for group in groups:
        ours = (canary.get(group, 0) + 0.5) / (n + 0.5 * len(groups))
        theirs = (live.get(group, 0) + 0.5) / (m + 0.5 * len(groups))
        index += (ours - theirs) * math.log(ours / theirs)
    return index, noise(n, m, len(groups))


def noise(n: float, m: float, groups: int) -> float:
    """Give what the index of two like sides of `n` and `m` calls is never above but with probability `ALPHA`.

    Without drift the index is chi-squared of `groups - 1` degrees times (1/n + 1/m). Over time it is |W(t)|^2 / t^2 of
    a Brownian motion W at t = 1 / (1/n + 1/m), however the calls were shared, and
    |W(t)|^2 / t <= (1 + r/t) (degrees log(1 + t/r) + 2 log(1/alpha)) for all t at once, by the mixture that pays best
    from t = r on. A call of many rows varies no more than one of a single row, as its shares add up to one.
    Source: Yurdakul, Statistical Properties of Population Stability Index (2018); Jennison and Turnbull, Group
    Sequential Methods (2000), section 3.1; Robbins (1970), with Ville's inequality.
    """
    if groups < 2:
        return 0.0
    t = 1 / (1 / n + 1 / m)
    return (1 + LEAST_CALLS / t) * ((groups - 1) * math.log1p(t / LEAST_CALLS) - 2 * math.log(ALPHA)) / t


def in_tenths(canary: Mapping[str, float], live: Mapping[str, float]) -> tuple[dict[int, float], dict[int, float]]:
    """Give both histograms over tenths of the live one."""
    total, seen = sum(live.values()), 0.0
    edges: list[int] = []
    for bucket in sorted(map(int, live))[:-1]:
        seen += live[str(bucket)]
        if seen >= total * (len(edges) + 1) / GROUPS:
            edges.append(bucket)

    def place(bucket: str) -> int:
        return sum(int(bucket) > edge for edge in edges)

    return _regroup(canary, place), _regroup(live, place)


def by_label(canary: Mapping[str, float], live: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Give both label counts over the labels that come up most; all others are one."""
    often = sorted(canary.keys() | live.keys(), key=lambda label: (-canary.get(label, 0) - live.get(label, 0), label))
    known = set(often[:MOST_LABELS]) - {OTHER_LABELS}

    def place(label: str) -> str:
        return label if label in known else OTHER_LABELS

    return _regroup(canary, place), _regroup(live, place)


def _regroup(counts: Mapping[str, float], place: Callable[[str], G]) -> dict[G, float]:
    groups: defaultdict[G, float] = defaultdict(float)
    for name, calls in counts.items():
        groups[place(name)] += calls
    return groups
