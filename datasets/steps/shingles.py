"""Sets of shingles: what two texts are compared by. Pure arithmetic on whole frames, the same on every machine.

Source: Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", chapter 3. A shingle is `size` characters or words in a row; a text with fewer than `size` is one shingle, an
empty one has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
CHARACTERS, WORDS = "characters", "words"
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SHORT = np.uint64(0xD1B54A32D192ED03)
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
        yield first, _shingles("".join(texts[first:last].to_list()), lengths[first:last], size, by)
        first = last


def mixed(values: Hashes) -> Hashes:
    """Spread numbers over 64 bits. Source: Steele, Lea, Flood 2014, SplitMix64's finaliser."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _shingles(joined: str, lengths: Counts, size: int, by: str) -> Shingled:
    units: Hashes = np.frombuffer(joined.encode("utf-32-le"), "<u4").astype(np.uint64)
    if by == WORDS:
        units, lengths = _words(units, lengths)
    units = mixed(units + _BASE)
    short = (lengths > 0) & (lengths < size)
    counts = np.maximum(lengths - size + 1, 0) + short
    ends = np.cumsum(counts)
    hashes = np.empty(int(ends[-1]) if len(ends) else 0, np.uint64)
    is_short = np.repeat(short, counts)
    hashes[~is_short] = _windows(units, lengths, size)
    hashes[is_short] = _whole(units, lengths, short)
    return Shingled(mixed(hashes), ends)


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
    starts = np.cumsum(lengths) - lengths
    within = units[np.repeat(chosen, lengths)]
    taken = lengths[chosen]
    return _folded(within, np.cumsum(taken) - taken, int(starts.size and taken.max())) ^ _SHORT


def _words(points: Hashes, lengths: Counts) -> tuple[Hashes, Counts]:
    """Give the hashes of the words of texts, and how many each has."""
    if not len(points):
        return points, lengths
    text_of = np.repeat(np.arange(len(lengths)), lengths)
    is_letter = points != _SPACE
    opens = is_letter.copy()
    opens[1:] &= ~is_letter[:-1] | (text_of[1:] != text_of[:-1])
    letters = mixed(points[is_letter] + _BASE)
    counts = np.bincount(text_of[opens], minlength=len(lengths)).astype(np.int64)
    starts = np.flatnonzero(opens[is_letter])
    longest = int(np.diff(np.append(starts, len(letters))).max(initial=0))
    return (_folded(letters, starts, longest) if len(starts) else letters), counts


def _folded(values: Hashes, starts: Counts, longest: int) -> Hashes:
    """Give one hash for each run of values: the sum of value times base to the power of its place."""
    powers = np.ones(longest, np.uint64)
    powers[1:] = _BASE
    powers = np.multiply.accumulate(powers)
    place = np.arange(len(values)) - np.repeat(starts, np.diff(np.append(starts, len(values))))
    return np.add.reduceat(values * powers[place], starts)
