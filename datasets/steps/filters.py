"""Steps that keep some rows by looking at each: by a condition, by length, language and quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.steps import params
from datasets.steps.base import RowStep, Schema, at, column_of, new_column, step
from datasets.steps.expressions.compiling import compiled
from datasets.steps.expressions.functions import word_count
from datasets.steps.language import language


@step
@dataclass(frozen=True)
class Filter(RowStep):
    """Rows for which a condition holds."""

    kind, label, family, icon = "filter", _("Filter by a condition"), "rows", "filter_alt"
    has_calendar: ClassVar[bool] = True
    help = _(
        'Keeps the rows for which a condition holds, such as length("질문") > 10 and not contains(답변, '
        "'광고'). Where a value is missing a comparison is neither true nor false, and the row goes."
    )
    condition: str = params.text(_("condition"), form="expression")
    keeps: bool = params.flag(
        _("keep the rows for which it holds"), default=True, help=_("Off: these are dropped, all others kept.")
    )

    def out_schema(self, schema: Schema) -> Schema:
        """The condition is compiled."""
        compiled(self.condition, schema, parameter="condition", wants="truth")
        return schema

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep what is true."""
        holds = compiled(self.condition, frame.schema, parameter="condition", wants="truth").value.fill_null(
            value=False
        )
        return frame.filter(holds if self.keeps else ~holds)


@step
@dataclass(frozen=True)
class Derive(RowStep):
    """A column computed from the others."""

    kind, label, family, icon = "derive", _("New column by an expression"), "columns", "function"
    has_calendar: ClassVar[bool] = True
    help = _(
        "Computes a column for each row, such as concat(\"제목\", ' ', 본문) or round(가격 / 1000, 1); one of "
        "that name is replaced."
    )
    name: str = params.text(_("name of the column"))
    expression: str = params.text(_("expression"), form="expression")

    def out_schema(self, schema: Schema) -> Schema:
        """The type of the new column is that of the expression."""
        made = compiled(self.expression, schema, parameter="expression").dtype
        return {**schema, new_column(self.name, parameter="name"): made}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Compute the column."""
        made = compiled(self.expression, frame.schema, parameter="expression")
        return frame.with_columns(made.value.alias(self.name))


@step
@dataclass(frozen=True)
class FilterLength(RowStep):
    """Texts that are neither too short nor too long."""

    kind, label, family, icon = "filter_length", _("Filter by length"), "rows", "straighten"
    help = _("Keeps the rows whose text has as many characters, words or bytes (UTF-8) as wanted; missing texts go.")
    column: str = params.column(_("column"), wants="text")
    unit: str = params.choice(
        _("counted"),
        [("characters", _("characters")), ("words", _("words")), ("bytes", _("bytes"))],
        default="characters",
    )
    least: int = params.number(_("at least"), default=1, least=0)
    most: int | None = params.number(_("at most"), default=None, least=0)

    def out_schema(self, schema: Schema) -> Schema:
        """The bounds must leave something."""
        column_of(schema, self.column, parameter="column", wanted="text")
        if self.most is not None and self.most < self.least:
            said = gettext("This is less than the smallest length.")
            raise Invalid(said, fields={"most": said})
        return schema

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Count and compare."""
        text = at(self.column)
        counted = {"characters": text.str.len_chars, "bytes": text.str.len_bytes}.get(
            self.unit, lambda: word_count(text)
        )()
        fits = counted >= self.least
        return frame.filter(fits if self.most is None else fits & (counted <= self.most))


@step
@dataclass(frozen=True)
class FilterLanguage(RowStep):
    """Texts of some languages."""

    kind, label, family, icon = "filter_language", _("Filter by language"), "rows", "translate"
    help = _(
        "Keeps texts by the shares of their scripts among the letters of the first 10,000 characters: Japanese from "
        "a tenth kana on, else Korean from three tenths Hangul, else Chinese from half Han characters, else "
        "“English” (any language in Latin letters) from half Latin letters, else other. Missing texts go."
    )
    column: str = params.column(_("column"), wants="text")
    languages: tuple[str, ...] = params.choices(
        _("languages"),
        [
            ("ko", _("Korean")),
            ("en", _("English and others in Latin letters")),
            ("ja", _("Japanese")),
            ("zh", _("Chinese")),
            ("other", _("another script")),
            ("none", _("no letters at all")),
        ],
        default=("ko",),
    )

    def out_schema(self, schema: Schema) -> Schema:
        """The column must be text."""
        column_of(schema, self.column, parameter="column", wanted="text")
        return schema

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep the languages that are wanted."""
        return frame.filter(language(at(self.column)).is_in(["" if one == "none" else one for one in self.languages]))
