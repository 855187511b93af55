"""Which rows may be near duplicates: MinHash signatures cut into bands, rows that share a band are looked at closer.

Source: Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4: two texts of likeness `s` share at least one of
`b` bands of `r` values with probability `1 - (1 - s**r)**b`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from datasets.engines.table import KEY, ROW
from datasets.steps.shingles import Hashes, Shingled, mixed

PERMUTATIONS = 128
NEAR, SKETCH, EARLIER = "__near", "__sketch", "__earlier"
_FACTORS = (mixed(np.arange(20_231, 20_231 + PERMUTATIONS, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32) | 1
_HASHES_AT_ONCE = 1 << 15  # arrays that stay in the cache
_MISSED = 0.01  # of pairs exactly at the threshold; likelier ones are missed more rarely
_BITS = 64
_DEVIATIONS = 3.5
_STRONG = 6  # bits of 64 that may differ in what is surely the same text
_LOOKS_BACK = 64  # rows of one key that each is compared with: bounds the work on a key that very many share
_ROWS_AT_ONCE = 4096

Numbers = npt.NDArray[np.int64]
_NO_KEYS = pl.DataFrame(schema={KEY: pl.UInt64, ROW: pl.Int64, SKETCH: pl.UInt64, EARLIER: pl.Boolean})


@cache
def bands_of(threshold: float) -> tuple[int, int]:
    """Give how many bands of how many values: as long as may be while at most `_MISSED` of pairs are missed."""
    for length in range(PERMUTATIONS, 1, -1):
        bands = PERMUTATIONS // length
        if (1 - threshold**length) ** bands <= _MISSED:
            return bands, length
    return PERMUTATIONS, 1


@cache
def _least_alike(threshold: float) -> int:
    """Give how many bits of two sketches of that likeness are alike at least, but for one pair in thousands.

    A bit of a MinHash value agrees with probability `(1 + s) / 2`. Source: Li, König 2010, "b-bit minwise hashing".
    """
    agrees = (1 + threshold) / 2
    return int(_BITS * agrees - _DEVIATIONS * (_BITS * agrees * (1 - agrees)) ** 0.5)


def band_keys(shingled: Shingled, rows: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Give a row for each band of each text that has shingles: `KEY`, its `ROW`, `SKETCH`, and whether `EARLIER`."""
    bands, length = bands_of(threshold)
    has = np.diff(shingled.ends, prepend=0) > 0
    ends, rows = shingled.ends[has], rows.filter(pl.Series(has))
    frames = [_NO_KEYS]
    for first in range(0, len(ends), _ROWS_AT_ONCE):
        begin = int(ends[first - 1]) if first else 0
        some, those = ends[first : first + _ROWS_AT_ONCE], rows.slice(first, _ROWS_AT_ONCE)
        signatures = _signatures(shingled.hashes[begin : int(some[-1])], some - begin)
        columns = {
            KEY: _keys(signatures, bands, length).ravel(),
            ROW: np.repeat(those[ROW].to_numpy(), bands),
            SKETCH: np.repeat(_sketches(signatures), bands),
            EARLIER: np.repeat(those[EARLIER].to_numpy(), bands),
        }
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames)


def _signatures(hashes: Hashes, ends: Numbers) -> npt.NDArray[np.uint32]:
    """Give for each set, none of them empty, the least of its hashes in each of as many orders.

    An order is that of the products with one odd number. Source: Dietzfelbinger et al. 1997, multiply-shift hashing.
    Sets of about one size stand side by side, short ones with one hash several times: `[hash, set]`.
    """
    halves, sizes = (hashes >> np.uint64(32)).astype(np.uint32), np.diff(ends, prepend=0)
    order = np.argsort(sizes, kind="stable")
    sizes, starts = sizes[order], (ends - sizes)[order]
    least = np.empty((PERMUTATIONS, len(ends)), np.uint32)
    first = 0
    while first < len(ends):
        fitting = sizes[first:] * np.arange(1, len(ends) - first + 1)
        last = first + max(1, int(np.searchsorted(fitting, _HASHES_AT_ONCE, side="right")))
        places = np.minimum(np.arange(sizes[last - 1])[:, np.newaxis], sizes[first:last] - 1) + starts[first:last]
        block = halves[places]
        products = np.empty_like(block)
        for factor, row in zip(_FACTORS, least, strict=True):
            np.multiply(block, factor, out=products)
            np.minimum.reduce(products, axis=0, out=row[first:last])
        first = last
    signatures = np.empty((len(ends), PERMUTATIONS), np.uint32)
    signatures[order] = least.T
    return signatures


def _keys(signatures: npt.NDArray[np.uint32], bands: int, length: int) -> Hashes:
    """Give 64 bits for each band of each row."""
    values = signatures[:, : bands * length].astype(np.uint64).reshape(-1, bands, length)
    found = np.broadcast_to(np.arange(bands, dtype=np.uint64), values.shape[:2])
    for place in range(length):
        found = mixed(found + values[:, :, place])
    return found


def _sketches(signatures: npt.NDArray[np.uint32]) -> Hashes:
    """Give one bit of each of the last 64 values."""
    bits = (mixed(signatures[:, -_BITS:].astype(np.uint64)) & np.uint64(1)).astype(np.uint8)
    packed: Hashes = np.packbits(bits, axis=1).view("<u8").ravel()
    return packed


def linked(keys: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Give pairs of rows that share a band and are alike by their sketches: `ROW`, and the `NEAR` one before it.

    Each row is linked at most once within each of its keys, to the first that is surely alike or else the one most
    alike; and once to a row of an earlier version (`EARLIER`), whose rows are never linked to each other.
    """
    key = keys[KEY].to_numpy()
    meets = np.append(False, key[1:] == key[:-1])[: len(key)]
    meets[:-1] |= meets[1:]
    keys = keys.filter(pl.Series(meets)).sort(KEY, pl.col(EARLIER).not_(), ROW)
    links = _Links(keys, _least_alike(threshold))
    among, to_earlier = links.among_themselves(), links.to_earlier()
    return pl.concat([among, to_earlier]).unique(maintain_order=True)


class _Links:
    """The rows of some keys, earlier versions' first, as arrays."""

    def __init__(self, keys: pl.DataFrame, least: int) -> None:
        self._row = keys[ROW].to_numpy()
        self._sketch = keys[SKETCH].to_numpy()
        self._is_own = ~keys[EARLIER].to_numpy()
        key = keys[KEY].to_numpy()
        opens = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.empty(0, np.int64)
        self._first = np.repeat(opens, np.diff(np.append(opens, len(key))))
        own_opens = np.append(True, (key[1:] != key[:-1]) | (self._is_own[1:] != self._is_own[:-1]))[: len(key)]
        starts = np.flatnonzero(own_opens)
        self._first_own = np.repeat(starts, np.diff(np.append(starts, len(key))))
        self._least = least

    def among_themselves(self) -> pl.DataFrame:
        """Compare each row with the first of its key and those shortly before it."""
        own = np.flatnonzero(self._is_own)
        best = _Best(len(self._row), self._least)
        for back in range(1, _LOOKS_BACK + 1):
            own = own[own - back >= self._first_own[own]]
            if not len(own):
                break
            self._look(best, own, own - back)
        own = np.flatnonzero(self._is_own & (self._first_own < np.arange(len(self._row))))
        self._look(best, own, self._first_own[own])
        return self._told(best, is_earlier=False)

    def to_earlier(self) -> pl.DataFrame:
        """Compare each row with the first ones of an earlier version."""
        best = _Best(len(self._row), self._least)
        own = np.flatnonzero(self._is_own & ~self._is_own[self._first]) if len(self._row) else np.empty(0, np.int64)
        for ahead in range(_LOOKS_BACK):
            own = own[self._first[own] + ahead < self._first_own[own]]
            if not len(own):
                break
            self._look(best, own, self._first[own] + ahead)
        return self._told(best, is_earlier=True)

    def _look(self, best: _Best, rows: Numbers, others: Numbers) -> None:
        alike = _BITS - np.bitwise_count(self._sketch[rows] ^ self._sketch[others]).astype(np.int64)
        best.take(rows, others, alike)

    def _told(self, best: _Best, *, is_earlier: bool) -> pl.DataFrame:
        found = np.flatnonzero(best.other >= 0)
        return pl.DataFrame(
            {ROW: self._row[found], NEAR: self._row[best.other[found]]}, schema={ROW: pl.Int64, NEAR: pl.Int64}
        ).with_columns(pl.lit(is_earlier).alias(EARLIER))


class _Best:
    """For each row the one it is linked to."""

    def __init__(self, count: int, least: int) -> None:
        self.other = np.full(count, -1, np.int64)
        self._score = np.full(count, least - 1, np.int64)

    def take(self, rows: Numbers, others: Numbers, alike: Numbers) -> None:
        """Take others where they are more alike; of those that are surely alike, the one furthest before."""
        score = np.where(alike >= _BITS - _STRONG, _BITS + 1, alike)
        better = (score > self._score[rows]) | ((score > _BITS) & (others < self.other[rows]))
        self.other[rows[better]] = others[better]
        self._score[rows[better]] = score[better]
