"""Steps on columns: names, choice, order, joining and splitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW
from datasets.steps import params
from datasets.steps.base import RowStep, Schema, at, column_of, columns_of, new_column, step


@step
@dataclass(frozen=True)
class Rename(RowStep):
    """Other names for columns."""

    kind, label, family, icon = "rename", _("Rename columns"), "columns", "edit"
    help = _("Gives columns other names; two may change places.")
    names: Mapping[str, str] = params.mapping(_("old names and new ones"))

    def out_schema(self, schema: Schema) -> Schema:
        """Each column under its new name."""
        columns_of(schema, list(self.names), parameter="names")
        found = [self.names.get(name, name) for name in schema]
        for name in self.names.values():
            new_column(name, parameter="names")
            if found.count(name) > 1:
                said = gettext("Two columns would be called “%(name)s”.") % {"name": name}
                raise Invalid(said, fields={"names": said})
        return dict(zip(found, schema.values(), strict=True))

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rename."""
        return frame.rename(dict(self.names))


@step
@dataclass(frozen=True)
class Select(RowStep):
    """Some columns, in an order."""

    kind, label, family, icon = "select", _("Choose columns"), "columns", "checklist"
    help = _("Keeps the chosen columns in the order in which they are chosen; the others go, or follow.")
    columns: tuple[str, ...] = params.columns(_("columns"))
    keeps_others: bool = params.flag(_("the other columns follow"))

    def out_schema(self, schema: Schema) -> Schema:
        """The chosen columns."""
        chosen = columns_of(schema, self.columns, parameter="columns")
        others = [name for name in schema if name not in chosen and self.keeps_others]
        return {name: schema[name] for name in [*chosen, *others]}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Choose."""
        return frame.select(at(name) for name in [*self.out_schema(_without_row(frame)), ROW])


@step
@dataclass(frozen=True)
class Drop(RowStep):
    """Columns that go."""

    kind, label, family, icon = "drop", _("Drop columns"), "columns", "delete"
    help = _("Takes columns out.")
    columns: tuple[str, ...] = params.columns(_("columns"))

    def out_schema(self, schema: Schema) -> Schema:
        """What is left; something must be."""
        gone = columns_of(schema, self.columns, parameter="columns")
        left = {name: kind for name, kind in schema.items() if name not in gone}
        if not left:
            said = gettext("No column would be left.")
            raise Invalid(said, fields={"columns": said})
        return left

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Take them out."""
        return frame.select(at(name) for name in [*self.out_schema(_without_row(frame)), ROW])


def _without_row(frame: pl.DataFrame) -> dict[str, pl.DataType]:
    return {name: kind for name, kind in frame.schema.items() if name != ROW}


@step
@dataclass(frozen=True)
class Constant(RowStep):
    """One value in every row."""

    kind, label, family, icon = "constant", _("Column of one value"), "columns", "push_pin"
    help = _(
        "Adds a column with the same value in every row, such as the name of a source; one of that name is replaced."
    )
    name: str = params.text(_("name of the column"))
    value: Any = params.value(_("value"))  # noqa: RUF009 - makes a field

    def out_schema(self, schema: Schema) -> Schema:
        """One column more, of the type of the value."""
        return {**schema, new_column(self.name, parameter="name"): dtype_of(self.value)}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add it."""
        return frame.with_columns(pl.lit(self.value, dtype_of(self.value)).alias(self.name))


def dtype_of(value: Any) -> pl.DataType:
    """Give the type of a column that holds a value which somebody wrote down."""
    if isinstance(value, bool):
        return pl.Boolean()
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return pl.Int64()
    return pl.Float64() if isinstance(value, int | float) else pl.String()


@step
@dataclass(frozen=True)
class SplitText(RowStep):
    """One text cut into several columns."""

    kind, label, family, icon = "split_text", _("Cut a text into columns"), "columns", "call_split"
    help = _(
        "Cuts a text where a separator stands; the last column takes all that is left, missing pieces are missing "
        "values."
    )
    column: str = params.column(_("column"), wants="text")
    separator: str = params.text(_("separator"))
    names: tuple[str, ...] = params.lines(_("names of the new columns"))
    drops: bool = params.flag(_("drop the column that was cut"))

    def out_schema(self, schema: Schema) -> Schema:
        """New columns of text."""
        column_of(schema, self.column, parameter="column", wanted="text")
        made = {new_column(name, parameter="names"): pl.String() for name in self.names}
        if len(made) < len(self.names):
            said = gettext("A name is there twice.")
            raise Invalid(said, fields={"names": said})
        kept = {name: kind for name, kind in schema.items() if not (self.drops and name == self.column)}
        return {**kept, **made}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Cut, and put every piece into its column."""
        pieces = frame.select(at(self.column).str.splitn(self.separator, len(self.names)).alias("pieces"))["pieces"]
        made = [
            piece.alias(name) for piece, name in zip(pieces.struct.unnest().iter_columns(), self.names, strict=True)
        ]
        kept = frame.select(at(name) for name in frame.columns if not (self.drops and name == self.column))
        return kept.with_columns(made)


@step
@dataclass(frozen=True)
class MergeColumns(RowStep):
    """Several columns joined into one text."""

    kind, label, family, icon = "merge_columns", _("Join columns into a text"), "columns", "merge"
    help = _(
        "Joins the values of columns with a separator between them; missing values are left out, and a row without "
        "any has none."
    )
    columns: tuple[str, ...] = params.columns(_("columns"))
    name: str = params.text(_("name of the new column"))
    separator: str = params.text(_("separator"), default="")
    drops: bool = params.flag(_("drop the columns that were joined"))

    def out_schema(self, schema: Schema) -> Schema:
        """One column of text more; lists cannot be joined."""
        for name in columns_of(schema, self.columns, parameter="columns"):
            if isinstance(schema[name], pl.List):
                said = gettext("The column “%(name)s” holds lists; they cannot be joined.") % {"name": name}
                raise Invalid(said, code="wrong_type", fields={"columns": said})
        kept = {name: kind for name, kind in schema.items() if not (self.drops and name in self.columns)}
        return {**kept, new_column(self.name, parameter="name"): pl.String()}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Join."""
        values = [at(name).cast(pl.String) for name in self.columns]
        joined = pl.concat_str(values, separator=self.separator, ignore_nulls=True)
        is_empty = pl.all_horizontal([value.is_null() for value in values])
        made = frame.select(pl.when(is_empty).then(None).otherwise(joined).alias(self.name)).get_column(self.name)
        kept = frame.select(at(name) for name in frame.columns if not (self.drops and name in self.columns))
        return kept.with_columns(made)
