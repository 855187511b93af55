"""Steps that take some of the rows, or put them into another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table
from datasets.hashing import MISSING, key_texts, places, positions
from datasets.steps import params
from datasets.steps.base import Context, RowStep, Schema, Step, columns_of, new_column, step
from datasets.steps.chance import Numbers, permuted, scattered, smallest

LARGEST_SEED = 2**31 - 1
SEED: Mapping[str, object] = {"default": 0, "least": 0, "most": LARGEST_SEED}
SEED_HELP = _("The same number takes the same rows again.")


@step
@dataclass(frozen=True)
class Limit(Step):
    """The first rows."""

    kind, label, family, icon = "limit", _("First rows"), "rows", "vertical_align_top"
    help = _("Keeps so many rows from the top.")
    rows: int = params.number(_("rows"), least=1, most=10**9)

    def run(self, table: Table, context: Context) -> Table:
        """Find the last row that stays; those before it stay too."""
        first = table.fold(self.gather, self.merge)
        return table.map(UpTo(int(first[-1]) if len(first) == self.rows else None))

    def gather(self, frame: pl.DataFrame) -> pl.Series:
        """Give the first rows of a frame."""
        return frame[ROW].head(self.rows)

    def merge(self, found: Sequence[pl.Series]) -> pl.Series:
        """Give the first rows of all."""
        return pl.concat(list(found)).sort().head(self.rows)


@dataclass(frozen=True, slots=True)
class UpTo:
    """Keeps rows up to one."""

    last: int | None

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame if self.last is None else frame.filter(pl.col(ROW) <= self.last)


@step
@dataclass(frozen=True)
class Sample(Step):
    """Some rows by chance, exactly as many as wanted."""

    kind, label, family, icon = "sample", _("Sample"), "rows", "casino"
    help = _("Keeps rows by chance, exactly so many or exactly that share, in their order.")
    rows: int | None = params.number(_("rows"), default=None, least=1, most=10**9)
    share: float | None = params.number(
        _("or a share of them, in per cent"), default=None, is_whole=False, least=0.0001, most=100
    )
    seed: int = params.number(_("seed"), default=0, least=0, most=LARGEST_SEED, help=SEED_HELP)

    def out_schema(self, schema: Schema) -> Schema:
        """One of the two must be given."""
        if (self.rows is None) == (self.share is None):
            said = gettext("Give either a number of rows or a share.")
            raise Invalid(said, fields={"rows": said})
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Find the largest number that chance may give to a row that stays."""
        wanted = self.rows if self.rows is not None else round(table.count() * (self.share or 0) / 100)
        kept: Numbers = table.fold(partial(self.gather, wanted), partial(smallest, count=wanted))
        return table.map(partial(self.apply, int(kept.max()) if len(kept) else -1))

    def gather(self, wanted: int, frame: pl.DataFrame) -> Numbers:
        """Give the smallest numbers of a frame."""
        return smallest([scattered(frame[ROW], self.seed)], wanted)

    def apply(self, largest: int, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep the rows whose number is not larger."""
        return frame.filter(pl.Series(scattered(frame[ROW], self.seed) <= largest)) if largest >= 0 else frame.clear()


@step
@dataclass(frozen=True)
class Shuffle(Step):
    """All rows in an order of chance."""

    kind, label, family, icon = "shuffle", _("Shuffle"), "rows", "shuffle"
    help = _("Brings the rows into an order of chance.")
    seed: int = params.number(_("seed"), default=0, least=0, most=LARGEST_SEED, help=SEED_HELP)

    def run(self, table: Table, context: Context) -> Table:
        """Give every row another place."""
        largest = table.fold(_largest_row, _largest)
        return table.reorder(partial(self.position, largest))

    def position(self, largest: int, frame: pl.DataFrame) -> pl.Series:
        """Give the new places of the rows of a frame."""
        return permuted(frame[ROW], self.seed, largest)


def _largest_row(frame: pl.DataFrame) -> int:
    return int(frame[ROW].max()) if len(frame) else 0  # type: ignore[arg-type]


def _largest(found: Sequence[int]) -> int:
    return max(found, default=0)


@step
@dataclass(frozen=True)
class SplitColumn(RowStep):
    """A column that says train, validation or test."""

    kind, label, family, icon = "split_column", _("Column of splits"), "rows", "safety_divider"
    help = _(
        "Adds a column that says train, validation or test. A row's split follows from its key alone, so "
        "the same key falls to the same split in every later version; the shares are met as closely as "
        "chance allows."
    )
    keys: tuple[str, ...] = params.columns(_("key"), help=_("Rows that are equal in these columns stay together."))
    name: str = params.text(_("name of the column"), default="split")
    train: float = params.number(_("train, in per cent"), default=80, is_whole=False, least=0, most=100)
    validation: float = params.number(_("validation, in per cent"), default=10, is_whole=False, least=0, most=100)
    test: float = params.number(_("test, in per cent"), default=10, is_whole=False, least=0, most=100)
    seed: int = params.number(_("seed"), default=0, least=0, most=LARGEST_SEED, help=SEED_HELP)

    def out_schema(self, schema: Schema) -> Schema:
        """One column of text more."""
        columns_of(schema, self.keys, parameter="keys")
        if abs(self.train + self.validation + self.test - 100) > 1e-9:
            said = gettext("The shares must add up to 100.")
            raise Invalid(said, fields={"train": said})
        return {**schema, new_column(self.name, parameter="name"): pl.String()}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Place each key."""
        shares = {"train": self.train, "validation": self.validation, "test": self.test}
        names = [name for name, share in shares.items() if share]
        where = positions(key_texts(frame, self.keys).fill_null(MISSING), self.seed)
        found = places(where, [shares[name] for name in names]).to_numpy()
        return frame.with_columns(pl.Series(self.name, np.array(names, dtype=object)[found], dtype=pl.String))
