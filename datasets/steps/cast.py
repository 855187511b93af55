"""A step that gives columns another type, and says what became of values that do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.engines.table import ROW, Table
from datasets.steps import params
from datasets.steps.base import Context, RowStep, Schema, at, columns_of, step
from datasets.steps.readings import TYPES, converted

EXAMPLES = 5
_MISFIT = "__misfit"
_MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
Found = Mapping[str, tuple[int, list[tuple[int, str]]]]  # by column: how many, and the first of them with their rows


@step
@dataclass(frozen=True)
class Cast(RowStep):
    """Another type for columns."""

    kind, label, family, icon = "cast", _("Change the type"), "columns", "swap_vert"
    has_calendar: ClassVar[bool] = True
    help = _(
        "Reads texts as numbers (1,234원, ₩3,000, 3만 5,000), truths (예, true, 1), dates (2026-01-31, 2026. "
        "1. 31., 2026년 1월 31일, 20260131) and times (오후 3시 5분, 15:05:00+09:00), and writes any value as "
        "text. Empty texts become missing values."
    )
    columns: tuple[str, ...] = params.columns(_("columns"))
    to: str = params.choice(_("type"), [(name, label) for name, (label, _dtype) in TYPES.items()])
    misfit: str = params.choice(
        _("a value that does not fit"),
        [("missing", _("becomes a missing value")), ("drop", _("its row goes")), ("fail", _("stops the job"))],
        default="missing",
    )
    forms: tuple[str, ...] = params.lines(
        _("forms of dates"),
        default=(),
        help=_("Tried in this order, such as %d/%m/%Y, unix (seconds) or unix_ms; none: the forms named above."),
        shown_if=("to", ("date", "datetime")),
    )
    zone: str = params.choice(
        _("time zone"),
        [("own", _("the installation's")), ("UTC", "UTC"), ("Asia/Seoul", _("Korean time"))],
        default="own",
        help=_("Of times that name none, and of the days that dates are. Times themselves are kept in UTC."),
        shown_if=("to", ("date", "datetime")),
    )

    def out_schema(self, schema: Schema) -> Schema:
        """The columns with their new type; lists cannot be read as anything else."""
        chosen = columns_of(schema, self.columns, parameter="columns")
        for name in chosen:
            if isinstance(schema[name], pl.List):
                said = gettext("The column “%(name)s” holds lists; they have no other type.") % {"name": name}
                raise Invalid(said, code="wrong_type", fields={"columns": said})
        self._check_forms()
        return {name: TYPES[self.to][1] if name in chosen else kind for name, kind in schema.items()}

    def _check_forms(self) -> None:
        for form in self.forms:
            try:
                pl.Series([_MOMENT]).dt.strftime(form)
            except pl.exceptions.PolarsError as error:
                said = gettext("“%(form)s” is no form of a date.") % {"form": form}
                raise Invalid(said, fields={"forms": said}) from error

    def run(self, table: Table, context: Context) -> Table:
        """Count what does not fit, then do it to every frame. Raises Invalid where that stops the job."""
        found: Found = table.fold(self.misfits, merged)
        if self.misfit == "fail":
            _refuse(found, self.to)
        told = {
            name: {"count": count, "examples": [value for _row, value in few]} for name, (count, few) in found.items()
        }
        context.report(misfits=told)
        return super().run(table, context)

    def misfits(self, frame: pl.DataFrame) -> Found:
        """Count what does not fit in a frame."""
        found = {}
        for name in self.columns:
            odd = frame.select(
                ROW, at(name).alias("value"), self._is_misfit(name, frame.schema[name]).alias(_MISFIT)
            ).filter(_MISFIT)
            few = [(row + 1, str(value)[:100]) for row, value in odd.head(EXAMPLES).select(ROW, "value").iter_rows()]
            found[name] = (len(odd), few)
        return found

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Convert, and drop rows where that is wanted."""
        names = list(dict.fromkeys(self.columns))
        if self.misfit == "drop":
            frame = frame.filter(~pl.any_horizontal([self._is_misfit(name, frame.schema[name]) for name in names]))
        return frame.with_columns(self._value(name, frame.schema[name]).alias(name) for name in names)

    def _value(self, name: str, kind: pl.DataType) -> pl.Expr:
        zone = "" if self.zone == "own" else self.zone
        return converted(at(name), kind, self.to, self.forms, zone).cast(TYPES[self.to][1])

    def _is_misfit(self, name: str, kind: pl.DataType) -> pl.Expr:
        is_there = at(name).is_not_null()
        if kind == pl.String and self.to != "text":
            is_there &= at(name).str.contains(r"\S")
        return is_there & self._value(name, kind).is_null()


def merged(found: Sequence[Found]) -> Found:
    """Add up what was counted in each frame."""
    names = list(dict.fromkeys(name for one in found for name in one))
    counts = {name: sum(one[name][0] for one in found) for name in names}
    return {name: (counts[name], [few for one in found for few in one[name][1]][:EXAMPLES]) for name in names}


def _refuse(found: Found, to: str) -> None:
    for name, (count, few) in found.items():
        if count:
            row, value = few[0]
            facts: dict[str, Any] = {"count": count, "name": name, "type": TYPES[to][0], "row": row, "value": value}
            raise Invalid(
                gettext("%(count)d values of “%(name)s” are no %(type)s, the first in row %(row)d: “%(value)s”.")
                % facts,
                code="misfit",
                fields={"columns": gettext("Not all values fit.")},
            )
