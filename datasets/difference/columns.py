"""What changed in the columns, and what of them can be compared. No Django."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasets.engines.table import ROW
from datasets.hashing import as_text

KEY_NAMES = ("id", "key", "uuid", "_id", "번호", "아이디", "키")


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of one side only, those of another type `(name, before, after)`, and all that both sides have."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    common: tuple[str, ...]

    @classmethod
    def of(cls, before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]) -> Columns:
        """Compare two schemas, each a list of `{"name", "type"}`."""
        old, new = ({one["name"]: one["type"] for one in side} for side in (before, after))
        return cls(
            added=tuple(name for name in new if name not in old),
            removed=tuple(name for name in old if name not in new),
            retyped=tuple((name, old[name], new[name]) for name in old if name in new and old[name] != new[name]),
            common=tuple(name for name in old if name in new),
        )

    def as_dict(self) -> dict[str, Any]:
        """Give what changed."""
        return {
            "added": list(self.added),
            "removed": list(self.removed),
            "retyped": [{"name": name, "before": old, "after": new} for name, old, new in self.retyped],
        }

    def candidates(self) -> list[str]:
        """Give the columns that may tell rows apart by their name, likeliest first."""
        same = {name.casefold(): name for name in self.common if name not in {one for one, _, _ in self.retyped}}
        named = [same[name] for name in KEY_NAMES if name in same]
        return named + [name for folded, name in same.items() if folded.endswith(("_id", "_key")) and name not in named]


def comparable(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Give the common columns, and `ROW`, in a form in which both sides can be compared.

    A column that is a number on both sides is compared as one; any other that changed its type as text.
    """
    numbers = {"integer", "number"}
    changed = {name: {old, new} <= numbers for name, old, new in columns.retyped}
    wanted = []
    for name in columns.common:
        kind = frame.schema[name]
        if name in changed:
            wanted.append(pl.col(name).cast(pl.Float64) if changed[name] else as_text(name, kind).alias(name))
        else:
            wanted.append(as_text(name, kind).alias(name) if isinstance(kind, pl.List) else pl.col(name))
    return frame.select(*wanted, ROW)
