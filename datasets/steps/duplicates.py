"""Rows that are the same as another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.engines.table import KEY, ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, Schema, Step, at, column_of, columns_of, step
from datasets.steps.comparing import digests, ignores

FIRST, LAST, BEST = "first", "last", "best"
KEEP = ((FIRST, _("the first")), (LAST, _("the last")), (BEST, _("the best: with the largest value of a column")))
_EXAMPLES = 10
Pairs = list[tuple[int, int]]
_REST, _BEST, _KEPT, _OPENS = "__rest", "__best", "__kept", "__opens"


@step
@dataclass(frozen=True)
class Duplicates(Step):
    """Brings rows together by half of a 128-bit digest and compares the whole of it, so that no row is lost."""

    kind = "duplicates"
    label = _("Remove duplicates")
    help = _("Of rows that are equal in the chosen columns, one stays. Missing cells count as equal.")
    family = "duplicates"
    icon = "content_copy"

    columns: tuple[str, ...] = params.columns(_("columns to compare"), default=(), help=_("None chosen: all."))
    ignored: tuple[str, ...] = ignores()
    keep: str = params.choice(_("which row stays"), KEEP, default=FIRST)
    best: str = params.column(_("column of the largest value"), default="", shown_if=("keep", (BEST,)))

    def out_schema(self, schema: Schema) -> Schema:
        """Give the same columns."""
        columns_of(schema, self.columns, parameter="columns")
        if self.keep == BEST:
            column_of(schema, self.best, parameter="best")
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Drop all but one row of each group."""
        dropped = table.exchange(self.keyed, self.decide)
        groups, count, pairs = dropped.fold(_gathered, _together)
        context.report(groups=groups, dropped=count, examples=[{"row": row, "kept": kept} for row, kept in pairs])
        return table.attach(dropped, "anti")

    def keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the digest of each row, and what it is judged by."""
        names = self.columns or [name for name in frame.columns if name != ROW]
        key, rest = digests(frame, names, self.ignored)
        best = [ranked(frame, self.best).alias(_BEST)] if self.keep == BEST else []
        return frame.select(pl.Series(KEY, key), ROW, pl.Series(_REST, rest), *best)

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Give the rows that go, with the row that stays; the first that goes of each group opens it."""
        group = [KEY, _REST]
        found = keys.filter(pl.len().over(group) > 1)
        found = found.sort(ROW, descending=self.keep == LAST)
        if self.keep == BEST:
            found = found.sort(_BEST, descending=True, nulls_last=True, maintain_order=True)
        found = found.with_columns(pl.col(ROW).first().over(group).alias(_KEPT)).filter(pl.col(ROW) != pl.col(_KEPT))
        opens = pl.col(ROW) == pl.col(ROW).min().over(group)
        return found.select(ROW, _KEPT, opens.alias(_OPENS)).sort(ROW)


def ranked(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Give a column as what is best is chosen by: NaN is no value."""
    return at(name).fill_nan(None) if frame.schema[name].is_float() else at(name)


def _gathered(dropped: pl.DataFrame) -> tuple[int, int, Pairs]:
    """Count the groups and the rows that go; give a few of these with the rows that stay."""
    few = dropped.sort(ROW).head(_EXAMPLES)
    return int(dropped[_OPENS].sum()), len(dropped), few.select(ROW, _KEPT).rows()


def _together(found: Sequence[tuple[int, int, Pairs]]) -> tuple[int, int, Pairs]:
    groups, dropped, pairs = zip(*found, strict=True)
    return sum(groups), sum(dropped), sorted(pair for some in pairs for pair in some)[:_EXAMPLES]
