"""Steps for missing values: their rows dropped, or a value in their place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

import polars as pl
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, RowStep, Schema, Step, column_of, columns_of, step
from datasets.steps.exact import Means, Quantiles
from datasets.steps.filling import GroupFill, Modes, Neighbours, absent, present

NUMERIC = ("mean", "median")
BLANKS: dict[str, Any] = {
    "label": _("texts of nothing but white space count as missing"),
    "default": True,
}


@step
@dataclass(frozen=True)
class DropMissing(RowStep):
    """Rows with missing values."""

    kind, label, family, icon = "drop_missing", _("Drop rows with missing values"), "missing", "playlist_remove"
    help = _("Drops rows in which a value is missing. NaN counts as missing in numbers.")
    columns: tuple[str, ...] = params.columns(_("columns"), default=(), help=_("None chosen: all columns."))
    when: str = params.choice(
        _("dropped"), [("any", _("if one of them is missing")), ("all", _("if all are missing"))], default="any"
    )
    blanks: bool = params.flag(**BLANKS)

    def out_schema(self, schema: Schema) -> Schema:
        """Columns stay."""
        columns_of(schema, self.columns, parameter="columns")
        return schema

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Drop."""
        names = self.columns or [name for name in frame.columns if name != ROW]
        gone = [absent(name, frame.schema[name], blanks=self.blanks) for name in names]
        return frame.filter(~(pl.any_horizontal(gone) if self.when == "any" else pl.all_horizontal(gone)))


@step
@dataclass(frozen=True)
class FillMissing(Step):
    """A value where there is none."""

    kind, label, family, icon = "fill_missing", _("Fill missing values"), "missing", "format_color_fill"
    has_calendar: ClassVar[bool] = True
    help = _(
        "Puts a value where none is: one that you give, the mean, the median or the most frequent one of "
        "the column, or the nearest one before or after in the order of the rows; each also within groups. "
        "Figures are of all rows, exact, and NaN counts as missing. Whole numbers stay whole: a mean is "
        "rounded."
    )
    columns: tuple[str, ...] = params.columns(_("columns"))
    method: str = params.choice(
        _("with"),
        [
            ("constant", _("a value")),
            ("mean", _("the mean")),
            ("median", _("the median")),
            ("mode", _("the most frequent value")),
            ("forward", _("the value before")),
            ("backward", _("the value after")),
        ],
        default="constant",
    )
    value: Any = params.value(_("value"), default="", shown_if=("method", ("constant",)))  # noqa: RUF009 - makes a field
    groups: tuple[str, ...] = params.columns(
        _("within groups of"),
        default=(),
        help=_("Rows that are equal in these columns are a group."),
        shown_if=("method", ("mean", "median", "mode", "forward", "backward")),
    )
    blanks: bool = params.flag(**BLANKS)

    def out_schema(self, schema: Schema) -> Schema:
        """Columns stay; means are of numbers, and a value must fit its column."""
        wanted = "number" if self.method in NUMERIC else ""
        for name in columns_of(schema, self.columns, parameter="columns", wanted=wanted):
            if isinstance(schema[name], pl.List):
                said = gettext("The column “%(name)s” holds lists; they cannot be filled.") % {"name": name}
                raise Invalid(said, code="wrong_type", fields={"columns": said})
            if self.method == "constant":
                fitting(self.value, schema[name], name)
        for name in self.groups:
            column_of(schema, name, parameter="groups")
            if name in self.columns:
                said = gettext("A column cannot be filled and make the groups.")
                raise Invalid(said, fields={"groups": said})
        return schema

    def run(self, table: Table, context: Context) -> Table:
        """Find what to fill with, then fill."""
        if self.groups and self.method != "constant":
            return GroupFill(self.columns, self.groups, self.method, blanks=self.blanks).run(table)
        if self.method in ("forward", "backward"):
            return Neighbours(self.columns, is_forward=self.method == "forward", blanks=self.blanks).run(table)
        values = self._values(table)
        told = {
            name: value if value is None or isinstance(value, int | float) else str(value)
            for name, value in values.items()
        }
        context.report(filled_with=told)
        return table.map(Filled(tuple(values.items()), self.blanks))

    def _values(self, table: Table) -> dict[str, Any]:
        if self.method == "constant":
            return {name: fitting(self.value, table.schema[name], name) for name in self.columns}
        if self.method == "mean":
            return dict(Means(self.columns).of(table))
        if self.method == "median":
            return {name: found and found[0] for name, found in Quantiles(self.columns, (0.5,)).of(table).items()}
        return {name: Modes(name, blanks=self.blanks).of(table) for name in self.columns}


@dataclass(frozen=True, slots=True)
class Filled:
    """Puts one value for each column where it is missing."""

    values: tuple[tuple[str, Any], ...]
    blanks: bool

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        made = []
        for name, value in self.values:
            kind = frame.schema[name]
            if value is not None:
                whole = round(value) if kind.is_integer() and isinstance(value, float) else value
                made.append(present(name, kind, blanks=self.blanks).fill_null(pl.lit(whole).cast(kind)).alias(name))
        return frame.with_columns(made)


def fitting(value: Any, kind: pl.DataType, name: str) -> Any:
    """Give a value as a column of that type holds it. Raises Invalid."""
    try:
        if kind == pl.Date:
            return date.fromisoformat(value)
        if isinstance(kind, pl.Datetime):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else timezone.make_aware(found)
        right = {pl.String: str, pl.Boolean: bool}.get(kind.base_type())
        fits = isinstance(value, right) if right else isinstance(value, int | float) and not isinstance(value, bool)
        if fits and not (kind.is_integer() and value != int(value)) and kind != pl.Duration:
            pl.select(pl.lit(value).cast(kind))
            return value
    except (ValueError, TypeError, OverflowError, pl.exceptions.PolarsError):
        pass
    said = gettext("“%(value)s” does not fit the column “%(name)s”, which is of type %(type)s.")
    said %= {"value": value, "name": name, "type": kind}
    raise Invalid(said, fields={"value": said})
