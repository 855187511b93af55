"""Chance that is the same on every machine: what falls to a row follows from its `ROW` and a seed. No Django.

Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014); it never gives two rows the same number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[np.uint64]
_ODD = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def scattered(rows: pl.Series, seed: int) -> Numbers:
    """Give a number of 64 bits for each row; distinct rows have distinct ones."""
    found = rows.to_numpy().astype(np.uint64) + np.uint64((seed + 1) * _GOLDEN & _MASK)
    for odd, shift in zip(_ODD, (30, 27), strict=True):
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(odd)
    return found ^ (found >> np.uint64(31))


def permuted(rows: pl.Series, seed: int, largest: int) -> pl.Series:
    """Give each row from 0 to `largest` another place, in an order of chance; no two share one."""
    bits = max(16, largest.bit_length())
    mask, shift = np.uint64(2**bits - 1), np.uint64(bits // 2)
    found = rows.to_numpy().astype(np.uint64)
    for turn in range(5):
        number = int(scattered(pl.Series([turn]), seed)[0])
        found = ((found ^ (found >> shift)) * np.uint64(number | 1) + np.uint64(number >> 7)) & mask
    return pl.Series((found ^ (found >> shift)).astype(np.int64))


def smallest(found: Sequence[Numbers], count: int) -> Numbers:
    """Give the smallest numbers of all, `count` of them at most, in no order."""
    numbers = np.concatenate(found) if found else np.empty(0, np.uint64)
    return (
        np.partition(numbers, count - 1)[:count]
        if 0 < count < len(numbers)
        else numbers[: max(0, count)]
        if not count
        else numbers
    )
