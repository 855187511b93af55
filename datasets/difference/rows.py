"""Which rows were added, removed and changed between two lists of rows of any length, in bounded memory. No Django.

Each side is read once and leaves 128 bits of its key and its row number in buckets on disk; then bucket by bucket rows
of one key meet, the first with the first, the second with the second. Without a key the whole row is the key: then rows
are added or removed and never changed, and of equal rows only the surplus differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from datasets.difference.columns import Columns, comparable
from datasets.difference.spill import Spill, buckets_for
from datasets.engines.table import ROW

COMPARED_APART = 64  # more columns than this are compared as one
_SEEDS = (0x5EED, 0xF00D)
_KEYED = ["low", "high", "nth"]
Frames = Callable[[Sequence[str] | None], Iterator[pl.DataFrame]]
Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Side:
    """All rows of one version: its length, and how to read it, all columns or some."""

    rows: int
    frames: Frames


@dataclass(slots=True)
class Found:
    """Row numbers: those of one side only, and pairs of those that changed; how many rows changed in which column."""

    added: pl.Series
    removed: pl.Series
    changed: pl.DataFrame
    by_column: Counter[str] = field(default_factory=Counter)
    same: int = 0
    doubled_keys: int = 0


def find_key(before: Side, after: Side, columns: Columns) -> str:
    """Give a column whose name and values tell rows apart on both sides; empty if there is none."""
    return next((name for name in columns.candidates() if _is_unique(before, name) and _is_unique(after, name)), "")


def compare(before: Side, after: Side, columns: Columns, *, key: str, folder: Path, tell: Tell) -> Found:
    """Compare all rows. `folder` holds what does not fit in memory; `tell` is told the share that is done."""
    values = [name for name in columns.common if name != key] if key else []
    is_apart = len(values) <= COMPARED_APART
    cells = (values if is_apart else ["values"]) if values else []
    row_bytes = 24 + 8 * len(cells)
    count = buckets_for(before.rows + after.rows, row_bytes)
    spills = [Spill(folder / name, count) for name in ("before", "after")]
    done, total = 0, max(1, before.rows + after.rows)
    for side, spill in zip((before, after), spills, strict=True):
        for frame in side.frames(columns.common):
            spill.add(_facts(comparable(frame, columns), columns, key, values, is_apart=is_apart))
            done += len(frame)
            tell(0.8 * done / total)
        spill.finish()
    pieces = []
    for number in range(count):
        pieces.append(_meet(spills[0].bucket(number), spills[1].bucket(number), cells))
        tell(0.8 + 0.2 * (number + 1) / count)
    return _joined([piece for piece in pieces if piece], values if is_apart else [])


def _is_unique(side: Side, name: str) -> bool:
    hashes = [frame.select(pl.col(name).hash(1), pl.col(name).is_null().alias("gone")) for frame in side.frames([name])]
    if not hashes:
        return False
    found = pl.concat(hashes)
    return not found["gone"].any() and found[name].n_unique() == len(found)


def _facts(frame: pl.DataFrame, columns: Columns, key: str, values: Sequence[str], *, is_apart: bool) -> pl.DataFrame:
    keyed = pl.struct([key] if key else list(columns.common))
    low, high = (keyed.hash(seed).alias(name) for name, seed in zip(("low", "high"), _SEEDS, strict=True))
    if not values:
        cells = []
    elif is_apart:
        cells = [pl.col(name).hash(_SEEDS[0]).alias(f"cell {n}") for n, name in enumerate(values)]
    else:
        cells = [pl.struct(values).hash(_SEEDS[0]).alias("cell 0")]
    return frame.select(low, high, pl.col(ROW).alias("row"), *cells)


@dataclass(frozen=True, slots=True)
class _Piece:
    added: pl.Series
    removed: pl.Series
    changed: pl.DataFrame
    counts: list[int]
    same: int
    doubled: int


def _meet(before: pl.DataFrame | None, after: pl.DataFrame | None, cells: Sequence[str]) -> _Piece | None:
    if before is None and after is None:
        return None
    before = before if before is not None else after.clear()  # type: ignore[union-attr]
    after = after if after is not None else before.clear()
    old, new = (
        side.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("low", "high").alias("nth"))
        for side in (before, after)
    )
    pairs = old.join(new, on=_KEYED, how="full", suffix=" after", coalesce=True)
    both = pairs.filter(pl.col("row").is_not_null() & pl.col("row after").is_not_null())
    differs = [pl.col(f"cell {n}") != pl.col(f"cell {n} after") for n in range(len(cells))]
    changed = both.filter(pl.any_horizontal(differs)) if differs else both.clear()
    counts = list(changed.select(one.sum().alias(str(n)) for n, one in enumerate(differs)).row(0)) if differs else []
    return _Piece(
        added=pairs.filter(pl.col("row").is_null())["row after"],
        removed=pairs.filter(pl.col("row after").is_null())["row"],
        changed=changed.select("row", "row after"),
        counts=counts,
        same=len(both) - len(changed),
        doubled=sum(int((side["nth"] > 0).sum()) for side in (old, new)),
    )


def _joined(pieces: Sequence[_Piece], values: Sequence[str]) -> Found:
    counts: Counter[str] = Counter()
    for piece in pieces:
        counts.update({name: count for name, count in zip(values, piece.counts, strict=False) if count})
    return Found(
        added=_all(piece.added for piece in pieces),
        removed=_all(piece.removed for piece in pieces),
        changed=_pairs(piece.changed for piece in pieces),
        by_column=counts,
        same=sum(piece.same for piece in pieces),
        doubled_keys=sum(piece.doubled for piece in pieces),
    )


def _all(series: Iterable[pl.Series]) -> pl.Series:
    found = list(series)
    return pl.concat([one.rename("row") for one in found]).sort() if found else pl.Series("row", [], pl.Int64)


def _pairs(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    found = list(frames)
    empty = pl.DataFrame(schema={"row": pl.Int64, "row after": pl.Int64})
    return pl.concat(found).sort("row after") if found else empty
