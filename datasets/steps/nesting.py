"""Steps between lists and rows: a row for each item, and one row of many."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import KEY, ROW, Table, widened
from datasets.steps import params
from datasets.steps.base import Context, RowStep, Schema, Step, at, column_of, columns_of, step
from datasets.steps.comparing import digests

MOST_ITEMS = 1024
MOST_OF_GROUP = 100_000
_ITEMS, _REST = "__items", "__rest"


@step
@dataclass(frozen=True)
class Explode(RowStep):
    """A row for each item of a list."""

    kind, label, family, icon = "explode", _("Rows of a list"), "rows", "unfold_more"
    help = _("Makes a row of each item of a list, at most 1,024 of one row; all other columns are repeated.")
    column: str = params.column(_("column of lists"))
    empty: str = params.choice(
        _("an empty or missing list"),
        [("keep", _("one row with a missing value")), ("drop", _("no row"))],
        default="keep",
    )

    def out_schema(self, schema: Schema) -> Schema:
        """The column becomes one of items."""
        kind = column_of(schema, self.column, parameter="column")
        if not isinstance(kind, pl.List):
            said = gettext("The column “%(name)s” holds no lists.") % {"name": self.column}
            raise Invalid(said, code="wrong_type", fields={"column": said})
        return {**schema, self.column: kind.inner}  # type: ignore[dict-item]

    def run(self, table: Table, context: Context) -> Table:
        """Do it to every frame."""
        return table.widen(self.apply)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Unfold the lists. Raises Invalid for one that is too long."""
        length = frame.select(at(self.column).list.len().fill_null(0).alias("length"))["length"]
        too_long = frame.filter(length > MOST_ITEMS)
        if len(too_long):
            facts = {"row": too_long[ROW][0] + 1, "most": MOST_ITEMS}
            raise Invalid(
                gettext("The list in row %(row)d has more than %(most)d items.") % facts, code="too_many_items"
            )
        if self.empty == "drop":
            frame, length = frame.filter(length > 0), length.filter(length > 0)
        numbered = frame.with_columns(pl.int_ranges(0, length.clip(1)).alias(_ITEMS))
        items = pl.when(at(self.column).list.len() == 0).then(None).otherwise(at(self.column))
        listed = numbered.with_columns(
            pl.coalesce(items, pl.lit(None).implode().cast(frame.schema[self.column])).alias(self.column)
        )
        return widened(listed.explode(self.column, _ITEMS), _ITEMS)


@step
@dataclass(frozen=True)
class Nest(Step):
    """One row of all rows that are equal in some columns."""

    kind, label, family, icon = "nest", _("Lists of rows"), "rows", "unfold_less"
    help = _(
        "Makes one row of all rows that are equal in some columns: values of the chosen columns become "
        "lists in the order of the rows, of all other columns the first row counts."
    )
    keys: tuple[str, ...] = params.columns(_("equal in"))
    columns: tuple[str, ...] = params.columns(_("columns that become lists"))

    def out_schema(self, schema: Schema) -> Schema:
        """The chosen columns become lists."""
        columns_of(schema, self.keys, parameter="keys")
        for name in columns_of(schema, self.columns, parameter="columns"):
            if isinstance(schema[name], pl.List) or name in self.keys:
                said = gettext("The column “%(name)s” is a list already, or one of those that are equal.") % {
                    "name": name
                }
                raise Invalid(said, code="wrong_type", fields={"columns": said})
        made: dict[str, pl.DataType] = {name: pl.List(schema[name]) for name in self.columns}
        return {**schema, **made}

    def run(self, table: Table, context: Context) -> Table:
        """Bring the rows together; the first of each group takes the lists."""
        lists = table.exchange(self.keyed, self.decide)
        return table.attach(lists, "semi").attach(lists).map(self.apply)

    def keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the key of each row and what goes into the lists."""
        key, rest = digests(frame, self.keys, ())
        values = [at(name).alias(f"{_ITEMS}{place}") for place, name in enumerate(self.columns)]
        return frame.select(pl.Series(KEY, key), ROW, pl.Series(_REST, rest), *values)

    def decide(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Make the lists of each group. Raises Invalid for one that is too large."""
        values = [pl.col(f"{_ITEMS}{place}") for place in range(len(self.columns))]
        found = keys.group_by(KEY, _REST, maintain_order=True).agg(pl.col(ROW).first(), *values)
        if (found[f"{_ITEMS}0"].list.len().max() or 0) > MOST_OF_GROUP:  # type: ignore[operator]
            said = gettext("More than %(most)d rows are equal in these columns.") % {"most": MOST_OF_GROUP}
            raise Invalid(said, code="too_many_items", fields={"keys": said})
        return found.drop(KEY, _REST)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the lists into their columns."""
        made = [pl.col(f"{_ITEMS}{place}").alias(name) for place, name in enumerate(self.columns)]
        return frame.with_columns(made).drop(f"{_ITEMS}{place}" for place in range(len(self.columns)))
