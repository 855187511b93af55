"""Texts that are hardly texts: lists of signs, repeated lines, fragments.

Source: thresholds of Gopher (Rae et al. 2021, arXiv:2112.11446, appendix A1.1) and C4 (Raffel et al. 2020,
arXiv:1910.10683, section 2.2). Theirs are for English; Korean words are shorter, so the mean word length begins at 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import RowStep, Schema, at, column_of, step
from datasets.steps.expressions.functions import word_count

_SHARE: dict[str, Any] = {"is_whole": False, "least": 0, "most": 1}


def signals(text: pl.Expr) -> dict[str, pl.Expr]:
    """Give what is measured of a text; shares are between 0 and 1."""
    characters = (text.str.len_chars().cast(pl.Int64) - text.str.count_matches(r"\s").cast(pl.Int64)).cast(pl.Float64)
    words = word_count(text).cast(pl.Float64)
    lines = text.str.split("\n").list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
    count = lines.list.len().cast(pl.Float64)

    def share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
        return pl.when(whole > 0).then(part / whole).otherwise(0.0)

    return {
        "words": words,
        "mean_word_length": share(characters, words),
        "symbols": share(text.str.count_matches(r"[^\p{L}\p{M}\p{N}\s]").cast(pl.Float64), characters),
        "digits": share(text.str.count_matches(r"\p{Nd}").cast(pl.Float64), characters),
        "words_with_letters": share(text.str.count_matches(r"[^\s\p{L}]*\p{L}\S*").cast(pl.Float64), words),
        "repeated_lines": share(count - lines.list.n_unique().cast(pl.Float64), count),
        "bullet_lines": share(text.str.count_matches(r"(?m)^[ \t]*[•‣·▪◦○●\-*–—]").cast(pl.Float64), count),
        "open_lines": share(text.str.count_matches(r"(?m)(?:\.\.\.|…)[ \t]*$").cast(pl.Float64), count),
    }


@step
@dataclass(frozen=True)
class FilterQuality(RowStep):
    """Texts that look like running text."""

    kind, label, family, icon = "filter_quality", _("Filter by quality"), "rows", "verified"
    help = _(
        "Keeps texts that look like running text, by the published rules of Gopher and C4; at least 0, or at most 1 "
        "of a share, switches a rule off. The mean length of words begins lower than theirs, because Korean words "
        "are shorter. Missing texts go."
    )
    column: str = params.column(_("column"), wants="text")
    least_words: int = params.number(
        _("words, at least"), default=5, least=0, help=_("Gopher: 50, for whole web pages")
    )
    most_words: int = params.number(_("words, at most"), default=100_000, least=1)
    least_word_length: float = params.number(_("mean length of words, at least"), default=1.5, is_whole=False, least=0)
    most_word_length: float = params.number(_("mean length of words, at most"), default=10, is_whole=False, least=0)
    most_symbols: float = params.number(_("share of signs, at most"), default=0.3, **_SHARE)
    most_digits: float = params.number(_("share of digits, at most"), default=0.3, **_SHARE)
    least_lettered: float = params.number(_("share of words with a letter, at least"), default=0.8, **_SHARE)
    most_repeated_lines: float = params.number(_("share of repeated lines, at most"), default=0.3, **_SHARE)
    most_bullets: float = params.number(_("share of lines that begin with a bullet, at most"), default=0.9, **_SHARE)
    most_open: float = params.number(_("share of lines that end with dots (…), at most"), default=0.3, **_SHARE)
    placeholders: bool = params.flag(_("drop texts with “lorem ipsum” or curly brackets"), help=_("a rule of C4"))

    def out_schema(self, schema: Schema) -> Schema:
        """The column must be text."""
        column_of(schema, self.column, parameter="column", wanted="text")
        return schema

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Measure and compare."""
        text = at(self.column)
        found = signals(text)
        rules = [
            (self.least_words, "words", 1),
            (self.most_words, "words", -1),
            (self.least_word_length, "mean_word_length", 1),
            (self.most_word_length, "mean_word_length", -1),
            (self.most_symbols, "symbols", -1),
            (self.most_digits, "digits", -1),
            (self.least_lettered, "words_with_letters", 1),
            (self.most_repeated_lines, "repeated_lines", -1),
            (self.most_bullets, "bullet_lines", -1),
            (self.most_open, "open_lines", -1),
        ]
        keep = text.is_not_null()
        for bound, name, sign in rules:
            keep &= (found[name] - bound) * sign >= 0
        if self.placeholders:
            keep &= ~text.str.contains(r"(?i)lorem ipsum|[{}]")
        return frame.filter(keep.fill_null(value=False))
