"""What stays small however many values are seen: how many are distinct, which are frequent, how they are spread."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

LONGEST_VALUE = 120  # characters of a frequent text
_WHOLE = float(2**64)


@dataclass(slots=True)
class Distinct:
    """How many different keys there are: all up to `most`, beyond that the `kept` smallest, which tell the rest.

    Keys are 64-bit hashes. A key that is kept has been kept since it was first seen, so its count is exact.
    Source: Bar-Yossef, Jayram, Kumar, Sivakumar and Trevisan, Counting Distinct Elements in a Data Stream (2002), 2.1.
    """

    most: int
    kept: int
    _keys: Any = field(default_factory=lambda: np.empty(0, np.uint64))
    _counts: Any = field(default_factory=lambda: np.empty(0, np.int64))
    _waiting: list[Any] = field(default_factory=list)
    _waiting_size: int = 0
    is_exact: bool = True

    def add(self, keys: Any) -> None:
        """Take in the keys of some rows, a uint64 array."""
        if not self.is_exact and len(self._keys):
            keys = keys[keys <= self._keys[-1]]
        self._waiting.append(keys)
        self._waiting_size += len(keys)
        if self._waiting_size > max(self.most if self.is_exact else self.kept, 1 << 16):
            self._settle()

    def _settle(self) -> None:
        """Put what waits among what is kept, sorted, and forget what is too much."""
        if not self._waiting:
            return
        keys, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._waiting, self._waiting_size = [], 0
        if len(self._keys):
            keys, places = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
            counts = np.bincount(places, weights=np.concatenate([self._counts, counts])).astype(np.int64)
        if len(keys) > (self.most if self.is_exact else self.kept):
            keys, counts, self.is_exact = keys[: self.kept].copy(), counts[: self.kept].copy(), False
        self._keys, self._counts = keys, counts

    @property
    def count(self) -> int:
        """How many there are, or about how many."""
        self._settle()
        if self.is_exact or len(self._keys) < 2:
            return len(self._keys)
        return round((len(self._keys) - 1) / ((float(self._keys[-1]) + 1) / _WHOLE))

    @property
    def error(self) -> float:
        """The standard error of `count` as a share of it, 0 where it is exact."""
        self._settle()
        return 0.0 if self.is_exact else 1 / math.sqrt(max(1, len(self._keys) - 2))

    @property
    def repeated(self) -> int:
        """How many rows say again what an earlier one said, or about how many."""
        self._settle()
        again = int((self._counts - 1).sum())
        return again if self.is_exact else round(again * self.count / max(1, len(self._keys)))


@dataclass(slots=True)
class Frequent:
    """The most frequent values, each with a count that is at most `error` too low.

    Source: Agarwal, Cormode, Huang, Phillips, Wei and Yi, Mergeable Summaries (2012), 3.1 (Misra-Gries).
    """

    most: int
    error: int = 0
    _found: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def add(self, values: pl.Series, keys: pl.Series) -> None:
        """Take in the values of some rows, without the missing ones, and their hashes."""
        shown = values.str.slice(0, LONGEST_VALUE) if values.dtype == pl.String else values
        counted = pl.DataFrame([keys.alias("key"), shown.alias("value")]).group_by("key")
        rows = counted.agg(pl.len().cast(pl.Int64).alias("count"), pl.col("value").first()).sort("count", "key")
        cut, kept = 0, rows
        if len(rows) > self.most:
            cut, kept = int(rows["count"][-self.most - 1]), rows.tail(self.most)
            kept = kept.filter(pl.col("count") > cut)
        for key, count, value in kept.select("key", "count", "value").iter_rows():
            known = self._found.get(key)
            self._found[key] = (count - cut + (known[0] if known else 0), known[1] if known else value)
        self.error += cut
        self._prune()

    def _prune(self) -> None:
        if len(self._found) <= self.most:
            return
        ranked = sorted((count for count, _value in self._found.values()), reverse=True)
        cut = ranked[self.most]
        self._found = {key: (count - cut, value) for key, (count, value) in self._found.items() if count > cut}
        self.error += cut

    def top(self, most: int) -> list[tuple[Any, int]]:
        """Give the most frequent values with their counts, the most frequent first."""
        ranked = sorted(self._found.items(), key=lambda item: (-item[1][0], item[0]))
        return [(value, count) for _key, (count, value) in ranked[:most]]


@dataclass(slots=True)
class Moments:
    """Count, least, most, mean and spread of numbers, put together from parts.

    Source: Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances (1979).
    """

    count: int = 0
    least: Any = None
    most: Any = None
    mean: float = 0.0
    squares: float = 0.0

    def add(self, count: int, least: Any, most: Any, mean: float | None, variance: float | None) -> None:
        """Take in what is known of some numbers; `variance` is that of these alone, not of what they stand for."""
        if not count or mean is None:
            return
        self.least = least if self.least is None else min(self.least, least)
        self.most = most if self.most is None else max(self.most, most)
        whole, apart = self.count + count, mean - self.mean
        self.squares += (variance or 0.0) * count + apart * apart * self.count * count / whole
        self.mean += apart * count / whole
        self.count = whole

    @property
    def deviation(self) -> float | None:
        """The standard deviation, of more than one number; `None` where it is beyond reckoning."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 and math.isfinite(self.squares) else None
