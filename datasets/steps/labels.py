"""Steps on labels: other names for them, and as many rows of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table, widened
from datasets.steps import params
from datasets.steps.base import Context, RowStep, Schema, Step, at, column_of, new_column, step
from datasets.steps.chance import scattered
from datasets.steps.sampling import LARGEST_SEED, SEED_HELP

MOST_LABELS = 10_000
MOST_COPIES = 1024
TOLD = 100
_LABEL, _COUNT, _CHANCE, _COPIES, _EXTRA, _LAST = "__label", "__count", "__chance", "__copies", "__extra", "__last"


def label_counts(table: Table, column: str) -> pl.DataFrame:
    """Count the labels of a column, the most frequent first. Raises Invalid if there are very many."""
    counted = table.fold(partial(_counted, column), _added)
    if len(counted) > MOST_LABELS:
        said = gettext("“%(name)s” has more than %(most)d different values: are these labels?")
        raise Invalid(said % {"name": column, "most": MOST_LABELS}, code="not_labels")
    return counted


def _counted(column: str, frame: pl.DataFrame) -> pl.DataFrame:
    return _few(frame.group_by(at(column).alias(_LABEL)).agg(pl.len().cast(pl.Int64).alias(_COUNT)))


def _added(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return _few(pl.concat(list(found)).group_by(_LABEL).agg(pl.col(_COUNT).sum()))


def _few(counted: pl.DataFrame) -> pl.DataFrame:
    """Keep one more than there may be: enough to know that there are too many."""
    return counted.sort(_COUNT, _LABEL, descending=[True, False], nulls_last=True).head(MOST_LABELS + 1)


@step
@dataclass(frozen=True)
class LabelMap(RowStep):
    """Other names for labels."""

    kind, label, family, icon = "label_map", _("Map labels"), "labels", "label"
    help = _(
        "Gives labels other names, and says what becomes of those that are not named; missing labels stay missing."
    )
    column: str = params.column(_("column"), wants="text")
    labels: Mapping[str, str] = params.mapping(_("old labels and new ones"))
    unknown: str = params.choice(
        _("a label that is not named"),
        [
            ("keep", _("stays")),
            ("missing", _("becomes a missing value")),
            ("other", _("becomes another label")),
            ("drop", _("its row goes")),
            ("fail", _("stops the job")),
        ],
        default="keep",
    )
    other: str = params.text(_("the other label"), default="other", shown_if=("unknown", ("other",)))
    name: str = params.text(_("name of a new column"), default="", help=_("Empty: the column itself is changed."))

    def out_schema(self, schema: Schema) -> Schema:
        """The column stays text; a new one may come."""
        column_of(schema, self.column, parameter="column", wanted="text")
        return {**schema, new_column(self.name or self.column, parameter="name"): pl.String()}

    def run(self, table: Table, context: Context) -> Table:
        """Count the labels, then map them. Raises Invalid where an unknown one stops the job."""
        counted = dict(label_counts(table, self.column).iter_rows())
        unknown = {str(name): count for name, count in counted.items() if name is not None and name not in self.labels}
        if unknown and self.unknown == "fail":
            names = ", ".join(f"“{name[:50]}”" for name in list(unknown)[:10])
            said = gettext("There are labels that are not named: %(names)s.") % {"names": names}
            raise Invalid(said, code="unknown_label", fields={"labels": said})
        known = {name: counted[name] for name in self.labels if name in counted}
        context.report(labels=known, unknown=dict(list(unknown.items())[:TOLD]), missing=counted.get(None, 0))
        return super().run(table, context)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Map."""
        old = at(self.column)
        is_unknown = old.is_not_null() & ~old.is_in(list(self.labels))
        if self.unknown == "drop":
            frame = frame.filter(~is_unknown)
        instead = old
        if self.unknown in ("missing", "other"):
            instead = pl.lit(self.other if self.unknown == "other" else None, pl.String)
        mapped = old.replace(list(self.labels), list(self.labels.values()))
        return frame.with_columns(pl.when(is_unknown).then(instead).otherwise(mapped).alias(self.name or self.column))


@step
@dataclass(frozen=True)
class Balance(Step):
    """As many rows of each label."""

    kind, label, family, icon = "balance", _("Balance labels"), "labels", "balance"
    help = _(
        "Takes as many rows of each label: fewer of the frequent ones by chance, or copies of the rows of "
        "rare ones. Rows without a label go."
    )
    column: str = params.column(_("column"))
    method: str = params.choice(
        _("rows of each label"),
        [
            ("down", _("as many as of the rarest")),
            ("over", _("as many as of the most frequent")),
            ("number", _("a number")),
        ],
        default="down",
    )
    rows: int = params.number(_("rows"), default=1000, least=1, most=10**9, shown_if=("method", ("number",)))
    seed: int = params.number(_("seed"), default=0, least=0, most=LARGEST_SEED, help=SEED_HELP)

    def out_schema(self, schema: Schema) -> Schema:
        """Columns stay; lists and fractions are no labels."""
        kind = column_of(schema, self.column, parameter="column")
        if isinstance(kind, pl.List) or kind.is_float():
            said = gettext("The column “%(name)s” holds no labels.") % {"name": self.column}
            raise Invalid(said, code="wrong_type", fields={"column": said})
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Count the labels, let chance choose, drop and copy."""
        table = table.roomy()  # chance chooses by the numbers of the rows
        counted = label_counts(table, self.column).drop_nulls(_LABEL)
        if not len(counted):
            return table.map(_no_rows)
        counts = counted[_COUNT].to_list()
        wanted: int = {"down": min(counts), "over": max(counts)}.get(self.method, self.rows)
        copies, extra = pl.lit(wanted) // pl.col(_COUNT), pl.lit(wanted) % pl.col(_COUNT)
        plan = counted.with_columns(copies.alias(_COPIES), extra.alias(_EXTRA))
        self._check(plan, wanted)
        chosen = table.fold(partial(self.gather, plan), partial(_chosen, plan))
        last = chosen.group_by(_LABEL).agg(pl.col(_CHANCE).max().alias(_LAST))
        context.report(labels={str(name): count for name, count in counted.head(TOLD).iter_rows()}, rows_of_each=wanted)
        return table.widen(partial(self.apply, plan.join(last, on=_LABEL, how="left")))

    def _check(self, plan: pl.DataFrame, wanted: Any) -> None:
        rare = plan.filter(pl.col(_COPIES) + (pl.col(_EXTRA) > 0) > MOST_COPIES)
        if len(rare):
            facts = {"label": rare[_LABEL][-1], "rows": rare[_COUNT][-1], "wanted": wanted, "most": MOST_COPIES}
            said = (
                gettext("“%(label)s” has %(rows)d rows; %(wanted)d would be more than %(most)d copies of one.") % facts
            )
            raise Invalid(said, code="too_rare", fields={"rows": said})

    def gather(self, plan: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the rows of a frame that chance may choose for one copy more."""
        chance = pl.Series(_CHANCE, scattered(frame[ROW], self.seed))
        return _chosen(plan, [frame.select(at(self.column).alias(_LABEL), chance)])

    def apply(self, plan: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
        """Give each row as many times as it is wanted."""
        chance = pl.Series(_CHANCE, scattered(frame[ROW], self.seed))
        labels = frame.select(at(self.column).alias(_LABEL), chance)
        found = labels.join(plan, on=_LABEL, how="left", maintain_order="left")
        copies = found.select(
            (pl.col(_COPIES) + (pl.col(_CHANCE) <= pl.col(_LAST)).fill_null(value=False)).fill_null(0)
        )
        numbered = frame.with_columns(pl.int_ranges(0, copies.to_series()).alias(_COPIES))
        return widened(numbered.filter(pl.col(_COPIES).list.len() > 0).explode(_COPIES), _COPIES)


def _chosen(plan: pl.DataFrame, found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Keep of each label the rows with the smallest numbers, as many as the plan wants."""
    chances = pl.concat([one.select(_LABEL, _CHANCE) for one in found])
    planned = chances.join(plan.select(_LABEL, _EXTRA), on=_LABEL)
    rank = pl.col(_CHANCE).rank("ordinal").over(_LABEL)
    return planned.filter(rank <= pl.col(_EXTRA)).select(_LABEL, _CHANCE)


def _no_rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.clear()
