"""All differences as one Parquet file, and the first of each kind as examples for a page. No Django.

The file has a line for each row that was removed or added and two for each that changed: `__change` says which
(`removed`, `changed from`, `added`, `changed to`), `__row` is its number in its own version and `__other_row` that of
the row it is paired with. Lines of the earlier version come first, each side in the order of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.difference.columns import Columns
from datasets.difference.rows import Found, Side, Tell
from datasets.engines.table import ROW
from datasets.hashing import as_text

EXAMPLES = 20
LONGEST_CELL = 600
SHOWN_COLUMNS = 40
CHANGE, OWN, OTHER = "__change", "__row", "__other_row"


class Writer:
    """Writes the file and picks the examples on the way."""

    def __init__(self, before: Side, after: Side, found: Found, columns: Columns) -> None:
        self._sides = (before, after)
        self._columns, self._found = columns, found
        self._facts = (
            _of_side(found.removed, found.changed.select("row", "row after"), ("removed", "changed from")),
            _of_side(
                found.added,
                found.changed.select(pl.col("row after").alias("row"), pl.col("row").alias("row after")),
                ("added", "changed to"),
            ),
        )
        self._shown = self._pick()

    def _pick(self) -> dict[str, list[int]]:
        pairs = self._found.changed.head(EXAMPLES)
        return {
            "removed": self._found.removed.head(EXAMPLES).to_list(),
            "added": self._found.added.head(EXAMPLES).to_list(),
            "changed from": pairs["row"].to_list(),
            "changed to": pairs["row after"].to_list(),
        }

    def write(self, target: Path, tell: Tell) -> dict[str, list[dict[str, Any]]]:
        """Write all lines and give the examples: `added`, `removed` and `changed`."""
        kept: dict[tuple[str, int], dict[str, Any]] = {}
        schema = self._schema()
        total, done = max(1, sum(len(facts) for facts in self._facts)), 0
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for side, facts in zip(self._sides, self._facts, strict=True):
                for lines in _lines(side, facts):
                    kept |= self._examples(lines)
                    writer.write_table(_as(lines, schema))
                    done += len(lines)
                    tell(done / total)
        return self._told(kept)

    def _schema(self) -> pa.Schema:
        """Give the columns of the file: those of the later version, then those that went; text where types differ."""
        after, before = (next(side.frames(None)).clear() for side in reversed(self._sides))
        retyped = {name for name, _old, _new in self._columns.retyped}
        kinds = {name: kind for frame in (before, after) for name, kind in frame.schema.items() if name != ROW}
        kinds |= dict.fromkeys(retyped, pl.String())
        order = [*(name for name in after.columns if name != ROW), *self._columns.removed]
        fixed = {CHANGE: pl.String(), OWN: pl.Int64(), OTHER: pl.Int64()}
        return pl.DataFrame(schema=fixed | {name: kinds[name] for name in order}).to_arrow().schema

    def _examples(self, lines: pl.DataFrame) -> dict[tuple[str, int], dict[str, Any]]:
        found = {}
        for change, wanted in self._shown.items():
            few = lines.filter((pl.col(CHANGE) == change) & pl.col(OWN).is_in(wanted))
            for values in few.drop(CHANGE, OTHER).iter_rows(named=True):
                found[change, values.pop(OWN)] = values
        return found

    def _told(self, kept: dict[tuple[str, int], dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        told = {
            change: [{"row": row, "values": _short(kept[change, row])} for row in self._shown[change]]
            for change in ("removed", "added")
        }
        pairs = zip(self._shown["changed from"], self._shown["changed to"], strict=True)
        return told | {"changed": [_pair(kept, old, new) for old, new in pairs]}


def _of_side(alone: pl.Series, pairs: pl.DataFrame, words: tuple[str, str]) -> pl.DataFrame:
    """Give which rows of a side go into the file, as what, and paired with which row."""
    single = pl.DataFrame({OWN: alone.cast(pl.Int64)}).with_columns(
        pl.lit(None, pl.Int64).alias(OTHER), pl.lit(words[0]).alias(CHANGE)
    )
    paired = pairs.select(pl.col("row").alias(OWN), pl.col("row after").alias(OTHER), pl.lit(words[1]).alias(CHANGE))
    return pl.concat([single, paired]).sort(OWN)


def _lines(side: Side, facts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give the rows of a side that have a fact, with it."""
    rows = facts[OWN]
    for frame in side.frames(None):
        if frame.is_empty():
            continue
        first, last = frame[ROW][0], frame[ROW][-1]
        start, end = rows.search_sorted(first, side="left"), rows.search_sorted(last, side="right")
        if end > start:
            own = facts.slice(int(start), int(end - start))
            yield frame.rename({ROW: OWN}).join(own, on=OWN, how="inner", maintain_order="left")


def _as(lines: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Give lines with all columns of the file."""
    columns = {}
    for wanted in schema:
        if wanted.name not in lines.columns:
            columns[wanted.name] = pa.nulls(len(lines), wanted.type)
            continue
        own = lines[wanted.name].to_arrow()
        if own.type != wanted.type:
            own = (
                lines.select(as_text(wanted.name, lines.schema[wanted.name]).alias(wanted.name)).to_series().to_arrow()
            )
        columns[wanted.name] = own.cast(wanted.type)
    return pa.table(columns, schema=schema)


def _short(values: dict[str, Any]) -> dict[str, str | None]:
    return {name: _cut(_said(value)) for name, value in list(values.items())[:SHOWN_COLUMNS]}


def _pair(kept: dict[tuple[str, int], dict[str, Any]], old: int, new: int) -> dict[str, Any]:
    """Give both sides of a row that changed, changed columns first, long cells from just before they differ."""
    before, after = kept["changed from", old], kept["changed to", new]
    names = sorted({**before, **after}, key=lambda name: _said(before.get(name)) == _said(after.get(name)))
    cells: Sequence[tuple[str, str | None, str | None]] = [
        (name, *_around(_said(before.get(name)), _said(after.get(name)))) for name in names[:SHOWN_COLUMNS]
    ]
    return {
        "row": new,
        "row_before": old,
        "before": {name: one for name, one, _other in cells},
        "after": {name: other for name, _one, other in cells},
    }


def _said(value: Any) -> str | None:
    return None if value is None else str(value)


def _cut(text: str | None, start: int = 0) -> str | None:
    if text is None:
        return None
    piece = text[start : start + LONGEST_CELL]
    return f"{'…' * (start > 0)}{piece}{'…' * (len(text) > start + LONGEST_CELL)}"


def _around(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    if before is None or after is None or max(len(before), len(after)) <= LONGEST_CELL:
        return _cut(before), _cut(after)
    pairs = zip(before, after, strict=False)
    same = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))
    start = max(0, same - LONGEST_CELL // 3)
    return _cut(before, start), _cut(after, start)
