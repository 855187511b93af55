"""Pairs that may be alike, brought together and measured.

Texts travel to the row that they may be near to (the hub), not each pair apart: a row that very many are near to is
sent once for every `1 << _SPAN` rows, so that no key holds more texts than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from datasets.engines.table import KEY, ROW
from datasets.steps.banding import EARLIER, NEAR
from datasets.steps.shingles import mixed, shingled

TEXT, NUMBER, RANK, LIKENESS = "__text", "__number", "__rank", "__likeness"
NEAR_RANK = "__near_rank"
_HUB, _MEETS, _MEETING = "__hub", "__meets", "__meeting"
_SPAN = 10  # 1024 rows


def meeting(links: pl.DataFrame) -> pl.DataFrame:
    """Give for both rows of each link where their texts meet, keyed by row."""
    row, near = links[ROW].to_numpy(), links[NEAR].to_numpy()
    place = mixed(mixed(near.view(np.uint64)) + (row >> _SPAN).view(np.uint64))
    both = pl.DataFrame({ROW: np.concatenate((row, near)), _MEETING: np.tile(place, 2), _HUB: np.tile(near, 2)})
    return both.select(pl.Series(KEY, mixed(both[ROW].to_numpy().view(np.uint64))), ROW, _MEETING, _HUB)


def meetings(found: pl.DataFrame) -> pl.DataFrame:
    """Give a row for each row: all the places where its text is wanted."""
    found = found.select(ROW, pl.struct(_MEETING, _HUB).alias(_MEETS)).unique(maintain_order=True)
    return found.group_by(ROW, maintain_order=True).agg(_MEETS)


@dataclass(frozen=True)
class Verifier:
    """Measures how alike the texts are that meet; the texts stand in `TEXT` beside `EARLIER`, `NUMBER` and `RANK`."""

    threshold: float
    size: int
    by: str

    def keyed(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Send each text to where it is wanted."""
        sent = texts.filter(pl.col(_MEETS).is_not_null()).explode(_MEETS).unnest(_MEETS)
        return sent.select(pl.col(_MEETING).alias(KEY), ROW, _HUB, TEXT, EARLIER, NUMBER, RANK)

    def decide(self, met: pl.DataFrame) -> pl.DataFrame:
        """Give the pairs that are as alike as the threshold: `ROW`, the `NEAR` one, what is known of both."""
        met = met.sort(KEY, pl.col(ROW) != pl.col(_HUB), ROW)
        met = met.with_columns(pl.Series(LIKENESS, list(self._likenesses(met)), pl.Float64))
        hubs = met.filter(pl.col(ROW) == pl.col(_HUB)).select(KEY, EARLIER, NUMBER, pl.col(RANK).alias(NEAR_RANK))
        pairs = met.filter(pl.col(LIKENESS) >= self.threshold).drop(TEXT, EARLIER, NUMBER)
        pairs = pairs.join(hubs, on=KEY, how="inner", maintain_order="left")
        return pairs.select(ROW, pl.col(_HUB).alias(NEAR), EARLIER, NUMBER, LIKENESS, RANK, NEAR_RANK).sort(ROW, NEAR)

    def _likenesses(self, met: pl.DataFrame) -> Iterator[float | None]:
        """Give the Jaccard likeness of each text to its hub's, which comes before it; `None` for the hub."""
        is_hub = (met[ROW] == met[_HUB]).to_list()
        hub: frozenset[int] = frozenset()
        for first, some in shingled(met[TEXT], size=self.size, by=self.by):
            for number in range(len(some.ends)):
                own = frozenset(some.of(number).tolist())
                if is_hub[first + number]:
                    hub = own
                    yield None
                else:
                    shared = len(own & hub)
                    yield shared / max(1, len(own) + len(hub) - shared)
