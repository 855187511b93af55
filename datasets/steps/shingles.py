"""Sets of shingles: what two texts are compared by. Pure arithmetic on whole frames, the same on every machine.

Source: Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", chapter 3. A shingle is `size` characters or words in a row; a text with fewer than `size` is one shingle, an
empty one has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
CHARACTERS, WORDS = "characters", "words"
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SHORT = np.uint64(0xD1B54A32D192ED03)
_INVERSE = pow(int(_BASE), -1, 1 << 64)
_CHARACTERS = 0x110000
_SPACE = 32
_AT_ONCE = 1 << 18  # characters: arrays that stay in the cache


@dataclass(frozen=True, slots=True)
class Shingled:
    """The shingles of some texts, one after the other; those of text `i` end at `ends[i]`."""

    hashes: Hashes
    ends: Counts

    def of(self, number: int) -> Hashes:
        """Give the shingles of one text."""
        return self.hashes[self.ends[number - 1] if number else 0 : self.ends[number]]


def shingled(texts: pl.Series, *, size: int, by: str) -> Iterator[tuple[int, Shingled]]:
    """Give the shingles of texts, some at a time (at least once) with the number of the first; a missing text is empty.

    For `words` the texts have single spaces between their words and none at the ends.
    """
    texts = texts.fill_null("")
    lengths = texts.str.len_chars().cast(pl.Int64).to_numpy()
    ends = np.cumsum(lengths)
    first = 0
    while first < max(1, len(texts)):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
        yield first, _shingles(texts[first:last].to_list(), lengths[first:last], size, by)
        first = last


def mixed(values: Hashes) -> Hashes:
    """Spread numbers over 64 bits. Source: Steele, Lea, Flood 2014, SplitMix64's finaliser."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _shingles(texts: list[str], lengths: Counts, size: int, by: str) -> Shingled:
    if by == WORDS:
        words, lengths = _words(_points(" ".join(texts)), lengths)
        units = mixed(words + _BASE)
    else:
        units = _letters()[_points("".join(texts))]
    short = (lengths > 0) & (lengths < size)
    counts = np.maximum(lengths - size + 1, 0) + short
    ends = np.cumsum(counts)
    hashes = np.empty(int(ends[-1]) if len(ends) else 0, np.uint64)
    is_short = np.repeat(short, counts)
    hashes[~is_short] = _windows(units, lengths, size)
    hashes[is_short] = _whole(units, lengths, short)
    return Shingled(mixed(hashes), ends)


def _points(text: str) -> npt.NDArray[np.intp]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.intp)


@cache
def _letters() -> Hashes:
    """Give a number for each character there is."""
    return mixed(np.arange(_CHARACTERS, dtype=np.uint64) + _BASE)


@cache
def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _windows(units: Hashes, lengths: Counts, size: int) -> Hashes:
    """Give the hash of every window of `size` units that lies within one text."""
    count = len(units) - size + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    found = units[:count].copy()
    for shift in range(1, size):
        found *= _BASE
        found += units[shift : shift + count]
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(units))  # units from here to the end of the text
    return found[left[:count] >= size]


def _whole(units: Hashes, lengths: Counts, chosen: npt.NDArray[np.bool_]) -> Hashes:
    """Give one hash for each chosen text, of all its units."""
    if not chosen.any():
        return np.empty(0, np.uint64)
    ends = np.cumsum(lengths)
    return _folded(units, (ends - lengths)[chosen], ends[chosen]) ^ _SHORT


def _words(points: npt.NDArray[np.intp], lengths: Counts) -> tuple[Hashes, Counts]:
    """Give the hashes of the words of texts that stand one after the other with spaces, and how many each has."""
    ends = np.append(np.flatnonzero(points == _SPACE), len(points))
    starts = np.append(0, ends[:-1] + 1)
    is_word = ends > starts
    starts, ends = starts[is_word], ends[is_word]
    before = np.searchsorted(ends, np.cumsum(lengths + 1) - 1, side="right")
    return _folded(_letters()[points], starts, ends), np.diff(before, prepend=0).astype(np.int64)


def _folded(values: Hashes, starts: Counts, ends: Counts) -> Hashes:
    """Give one hash for each run of values: the sum of value times base to the power of its place.

    It is the difference of two sums from the first value on, divided by what the base is at the start.
    """
    room = 1 << max(0, len(values) - 1).bit_length()
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values * _powers(int(_BASE), room)[: len(values)], out=sums[1:])
    return (sums[ends] - sums[starts]) * _powers(_INVERSE, room)[starts]
