"""What is gathered of one column while its rows go by, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from datasets.profile.sketches import Distinct, Frequent, Moments
from datasets.profile.texts import Texts
from datasets.values import plain

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_SPREAD = 10  # a range that many times that of all but the outermost hundredths is drawn without these
_FAR, _NEAR = 2.0**1000, 2.0**-1000  # numbers and distances with which can be reckoned
_DAY_S, _MICRO = 86_400, 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept of each column: less of each where there are many."""

    distinct: int
    frequent: int
    shown: int
    bins: int
    numbers: int
    texts: int

    @classmethod
    def of(cls, columns: int) -> Limits:
        """Give what fits into some hundred megabytes for so many columns."""
        share = max(1, columns)
        return cls(
            distinct=max(512, min(65_536, 4_000_000 // share)),
            frequent=max(50, min(1000, 50_000 // share)),
            shown=10 if share <= 500 else 3,
            bins=20 if share <= 500 else 8,
            numbers=max(1000, min(1_000_000, 6_000_000 // share)),
            texts=max(200, min(20_000, 400_000 // share)),
        )


@dataclass(slots=True)
class Column:
    """One column: its facts are asked of a frame by `measures`, all columns at once, and taken in by `take`."""

    name: str
    kind: str
    limits: Limits
    rows: int
    facts: dict[str, int] = field(default_factory=dict)
    moments: Moments = field(default_factory=Moments)
    distinct: Distinct = field(init=False)
    frequent: Frequent = field(init=False)
    texts: Texts = field(default_factory=Texts)
    _sample: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.distinct = Distinct(self.limits.distinct, self.limits.distinct)
        self.frequent = Frequent(self.limits.frequent)

    def measures(self) -> Iterator[pl.Expr]:
        """Give what is to be known of a frame, as expressions named `<fact>`."""
        column = pl.col(self.name)
        yield column.null_count().alias("missing")
        if self.kind == "text":
            yield (column.str.len_bytes() == 0).sum().alias("empty")
            yield (~column.str.contains(r"\S")).sum().alias("blank")
        elif self.kind == "truth":
            yield column.sum().alias("true")
        elif self.kind == "number":
            yield column.is_nan().sum().alias("nan")
            yield column.is_infinite().sum().alias("infinite")
        if self.kind in ("number", "integer"):
            yield (column == 0).sum().alias("zero")
            yield (column < 0).sum().alias("negative")
        if (numbers := self.numbers()) is not None:
            yield numbers.count().alias("count")
            yield numbers.min().alias("least")
            yield numbers.max().alias("most")
            yield numbers.mean().alias("mean")
            yield numbers.var(ddof=0).alias("variance")

    def numbers(self) -> pl.Expr | None:
        """Give the numbers that stand for the values: themselves, points in time, or lengths."""
        column = pl.col(self.name)
        if self.kind == "number":
            return column.filter(column.is_finite())
        if self.kind == "integer":
            return column.drop_nulls()
        if self.kind in ("date", "datetime", "duration"):
            return column.to_physical().cast(pl.Int64).drop_nulls()
        if self.kind == "text":
            return column.str.len_chars().drop_nulls()
        return column.list.len().drop_nulls() if self.kind.startswith("list") else None

    def take(self, found: dict[str, Any], frame: pl.DataFrame, sampled: Any) -> None:
        """Take in a frame: what its measures found, the keys of its values, and some rows of it looked at closely."""
        for name in found.keys() - {"count", "least", "most", "mean", "variance"}:
            self.facts[name] = self.facts.get(name, 0) + int(found[name] or 0)
        if "count" in found:
            self.moments.add(found["count"], found["least"], found["most"], found["mean"], found["variance"])
        values = frame[self.name].drop_nulls()
        if self.kind != "truth" and len(values):
            keys = keys_of(values)
            self.distinct.add(keys.to_numpy())
            if not self.kind.startswith("list"):
                self.frequent.add(values, keys)
        if (numbers := self.numbers()) is not None:
            some = frame.select(self.name)[sampled.numbers]
            self._sample.append(some.select(numbers.alias("n"))["n"].to_numpy().copy())
        if self.kind == "text":
            self.texts.add(frame[self.name][sampled.texts].drop_nulls())

    def told(self) -> dict[str, Any]:
        """Give all that was found, as JSON."""
        said: dict[str, Any] = {"name": self.name, "type": self.kind, **self.facts}
        if self.kind == "truth":
            said["distinct"] = len({True, False} & self._truths())
            said["top"] = sorted(self._counts_of_truth(), key=lambda pair: -pair[1])
        else:
            there = self.rows - self.facts.get("missing", 0)  # an estimate may lie above
            said |= {"distinct": min(self.distinct.count, there), "distinct_error": round(self.distinct.error, 4)}
            said |= {"top": self._top(), "top_error": self.frequent.error}
        if self.moments.count:
            said["lengths" if self._is_measured else "values"] = self._spread()
        if self.kind == "text":
            said |= self.texts.told()
        return said

    @property
    def _is_measured(self) -> bool:
        return self.kind == "text" or self.kind.startswith("list")

    def _truths(self) -> set[bool]:
        return {value for value, count in self._counts_of_truth() if count}

    def _counts_of_truth(self) -> list[tuple[bool, int]]:
        true = self.facts.get("true", 0)
        return [(True, true), (False, self.rows - self.facts.get("missing", 0) - true)]

    def _top(self) -> list[tuple[Any, int]]:
        found = [(plain(value), count) for value, count in self.frequent.top(self.limits.shown)]
        # Values that are no more frequent than what may have been missed tell nothing; nor do those seen once.
        return [pair for pair in found if pair[1] > max(1, self.frequent.error)] or (
            found if self.distinct.is_exact and self.distinct.count <= self.limits.shown else []
        )

    def _spread(self) -> dict[str, Any]:
        """Give least, most, mean, quantiles and a histogram; the latter two of a sample where there are many rows."""
        moments, sample = self.moments, np.sort(np.concatenate(self._sample))
        say = self._say if not self._is_measured else plain
        quantiles = np.quantile(sample, QUANTILES, method="linear") if len(sample) else []
        spread = None if moments.deviation is None else moments.deviation / self._unit
        return {
            "count": moments.count,
            "least": say(moments.least),
            "most": say(moments.most),
            "mean": say(moments.mean),
            "deviation": spread,
            "quantiles": {f"{share:g}": say(float(value)) for share, value in zip(QUANTILES, quantiles, strict=False)},
            "histogram": self._histogram(sample, say),
            "sample": 0 if len(sample) == moments.count else len(sample),
        }

    @property
    def _unit(self) -> float:
        """How much of the number is one of what the deviation is told in: seconds for times, days for dates."""
        return _MICRO if self.kind in ("datetime", "duration") else 1

    def _histogram(self, sample: Any, say: Any) -> dict[str, Any] | None:
        if not len(sample):
            return None
        low, high = max(float(self.moments.least), -_FAR), min(float(self.moments.most), _FAR)
        inner = [float(one) for one in np.quantile(sample, (0.01, 0.99), method="linear")]
        if high - low > _SPREAD * (inner[1] - inner[0]) > 0:
            low, high = inner[0], inner[1]
        bins = self.limits.bins
        if self._is_measured or self.kind == "integer":  # each bar for as many whole numbers as the others
            low, high, bins = _whole_bars(low, high, bins)
        else:
            low, high = _room(low, high, bins)
        counts, edges = np.histogram(sample, bins, (low, high))
        below, above = int((sample < low).sum()), int((sample > high).sum())
        told = [float(edge) for edge in edges] if self._is_measured else [say(float(edge)) for edge in edges]
        return {"edges": told, "counts": [int(count) for count in counts], "below": below, "above": above}

    def _say(self, number: Any) -> Any:
        """Give a number as a value of the column's type."""
        if self.kind == "date":
            return _moment_of(float(number) * _DAY_S)[:10]
        if self.kind == "datetime":
            return _moment_of(float(number) / _MICRO)
        return float(number) / _MICRO if self.kind == "duration" else plain(number)


def _whole_bars(low: float, high: float, bins: int) -> tuple[float, float, int]:
    """Give borders and the number of bars, each for as many whole numbers; large ones are not told apart by floats."""
    unit = max(1.0, 2 * math.ulp(max(abs(low), abs(high))))
    low = math.floor(low) - unit / 2
    width = max(unit, math.ceil((high + unit / 2 - low) / bins))
    bins = math.ceil((high + unit / 2 - low) / width)
    return low, low + width * bins, bins


def _room(low: float, high: float, bins: int) -> tuple[float, float]:
    """Give borders that are so far apart that each bar between them has its own."""
    least = max(2 * bins * math.ulp(max(abs(low), abs(high))), _NEAR if high > low else 1.0)
    if high - low >= least:
        return low, high
    middle = low + (high - low) / 2
    return middle - least / 2, middle + least / 2


def keys_of(values: pl.Series) -> pl.Series:
    """Give a 64-bit hash of each value; the same values have the same within one run."""
    if isinstance(values.dtype, pl.List):
        return values.to_frame("v").hash_rows(seed=7)
    return values.hash(seed=7)


def _moment_of(seconds: float) -> str:
    """Give seconds since 1970 as ISO 8601, also for years that Python's own times do not reach."""
    return str(np.datetime64(round(seconds), "s")) + "Z"
