"""Figures of columns that come out the same however the rows are cut into parts. No Django."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from datasets.engines.table import Table
from datasets.steps.base import at

Floats = npt.NDArray[np.float64]


def finite(frame: pl.DataFrame, name: str) -> Floats:
    """Give the numbers of a column, without missing ones, NaN and infinities."""
    value = at(name).cast(pl.Float64)
    return frame.select(value.filter(value.is_finite()).alias("value"))["value"].to_numpy()


def exact_sum(values: Floats) -> Fraction:
    """Add finite floats without rounding."""
    return _added(*np.frexp(values))


def exact_squares(values: Floats) -> Fraction:
    """Add the squares of finite floats, however large; each is rounded once, the sum is not."""
    mantissas, exponents = np.frexp(values)
    squares, moved = np.frexp(mantissas**2)
    return _added(squares, moved + 2 * exponents)


def root(value: Fraction) -> float:
    """Give the square root of a number that may be too large for a float."""
    half = max(0, (value.numerator.bit_length() - value.denominator.bit_length()) // 2)
    return math.ldexp(math.sqrt(float(value / 4**half)), half)


def _added(mantissas: Floats, exponents: npt.NDArray[np.int32]) -> Fraction:
    """Add by exponent; each half of a whole mantissa is small enough for exact floats."""
    whole = (mantissas * 2.0**53).astype(np.int64)
    kinds, place = np.unique(exponents, return_inverse=True)
    high, low = (np.bincount(place, weights=half) for half in (whole >> 27, whole & (2**27 - 1)))
    total = Fraction(0)
    for exponent, upper, lower in zip(kinds.tolist(), high.tolist(), low.tolist(), strict=True):
        total += (int(upper) * 2**27 + int(lower)) * Fraction(2) ** (exponent - 53)
    return total


def divided(left: pl.Expr, right: pl.Expr, how: Any = np.divide) -> pl.Expr:
    """Divide floats as IEEE says, missing where the divisor is 0.

    Polars multiplies a column with the reciprocal of one divisor, and divides a single row: 49 / 49 is not always 1.
    """

    def reckoned(both: Sequence[pl.Series]) -> pl.Series:
        above, below = (one.cast(pl.Float64) for one in both)
        with np.errstate(all="ignore"):
            found = pl.Series(above.name, how(above.to_numpy(), below.to_numpy()))
        is_there = above.is_not_null() & below.is_not_null() & (below != 0)
        return found.to_frame("found").select(pl.when(is_there).then("found")).to_series()

    return pl.map_batches([left, right], reckoned, return_dtype=pl.Float64, is_elementwise=True)


def mean_of(values: Sequence[float]) -> float:
    """Give the mean, correctly rounded, of some numbers."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return float(exact_sum(np.array(values)) / len(values))


@dataclass(frozen=True)
class Means:
    """The means of columns."""

    columns: tuple[str, ...]

    def of(self, table: Table) -> dict[str, float | None]:
        """Give the mean of each column; `None` where it has no numbers."""
        found = table.fold(self.gather, merge_sums)
        return {name: float(total / count) if count else None for name, (total, count) in found.items()}

    def gather(self, frame: pl.DataFrame) -> dict[str, tuple[Fraction, int]]:
        """Add up the numbers of a frame."""
        found = {name: finite(frame, name) for name in self.columns}
        return {name: (exact_sum(values), len(values)) for name, values in found.items()}


@dataclass(frozen=True)
class Deviations:
    """The standard deviations of columns (of a population), around means that are known."""

    means: dict[str, float | None]

    def of(self, table: Table) -> dict[str, float | None]:
        """Give the deviation of each column; `None` where it has no numbers."""
        found = table.fold(self.gather, merge_sums)
        return {name: root(total / count) if count else None for name, (total, count) in found.items()}

    def gather(self, frame: pl.DataFrame) -> dict[str, tuple[Fraction, int]]:
        """Add up the squares of a frame."""
        found = {}
        for name, mean in self.means.items():
            with np.errstate(over="ignore"):
                apart = finite(frame, name) - (mean or 0.0)
            apart = apart[np.isfinite(apart)]
            found[name] = (exact_squares(apart), len(apart))
        return found


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of columns, with linear interpolation. Source: Hyndman and Fan 1996, type 7."""

    columns: tuple[str, ...]
    at: tuple[float, ...]

    def of(self, table: Table) -> dict[str, list[float] | None]:
        """Give the quantiles of each column; `None` where it has no numbers. Holds eight bytes a row and column."""
        found = table.fold(self.gather, merge_values)
        return {name: np.quantile(values, self.at).tolist() if len(values) else None for name, values in found.items()}

    def gather(self, frame: pl.DataFrame) -> dict[str, Floats]:
        """Give the numbers of a frame."""
        return {name: finite(frame, name) for name in self.columns}


def merge_sums(found: Sequence[dict[str, tuple[Fraction, int]]]) -> dict[str, tuple[Fraction, int]]:
    """Add sums and counts."""
    names: dict[str, Any] = found[0] if found else {}
    return {
        name: (sum((one[name][0] for one in found), Fraction(0)), sum(one[name][1] for one in found)) for name in names
    }


def merge_values(found: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    """Put numbers together."""
    return {name: np.concatenate([one[name] for one in found]) for name in (found[0] if found else {})}
