"""Steps that replace: by a pattern, and by a list of fixed texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from datasets.steps import params
from datasets.steps.base import Schema, step
from datasets.steps.patterns import check_replacement, checked_pattern
from datasets.steps.text import TextStep


@step
@dataclass(frozen=True, kw_only=True)
class ReplacePattern(TextStep):
    """What a regular expression finds."""

    kind, label, icon = "replace_pattern", _("Replace by a pattern"), "find_replace"
    help = _(
        "Replaces whatever a regular expression finds. Expressions are Rust's: no look-around and no "
        "back-references, so that none can take for ever. In the replacement ${1} is the first group, ${name} a "
        "named one, $$ a dollar sign."
    )
    pattern: str = params.text(_("pattern"), form="pattern")
    replacement: str = params.text(_("replacement"), default="")
    ignore_case: bool = params.flag(_("capital and small letters are the same"))

    def out_schema(self, schema: Schema) -> Schema:
        """The pattern is compiled here, so that nobody runs a wrong one."""
        checked_pattern(self.pattern, parameter="pattern")
        check_replacement(self.pattern, self.replacement, parameter="replacement")
        return super().out_schema(schema)

    def change(self, text: pl.Series) -> pl.Series:
        """Replace all that is found."""
        pattern = checked_pattern(self.pattern, parameter="pattern", ignore_case=self.ignore_case)
        return text.str.replace_all(pattern, self.replacement)


@step
@dataclass(frozen=True, kw_only=True)
class ReplaceTexts(TextStep):
    """Fixed texts by fixed texts."""

    kind, label, icon = "replace_texts", _("Replace fixed texts"), "swap_horiz"
    help = _("Replaces texts by others, all in one pass; where several begin at one place the longest wins.")
    texts: Mapping[str, str] = params.mapping(_("texts and what replaces them"))

    def out_schema(self, schema: Schema) -> Schema:
        """No text may be empty."""
        if "" in self.texts:
            said = gettext("The text that is to be replaced is empty.")
            raise Invalid(said, fields={"texts": said})
        return super().out_schema(schema)

    def change(self, text: pl.Series) -> pl.Series:
        """Replace all at once."""
        found = sorted(self.texts, key=len, reverse=True)
        return text.str.replace_many(found, [self.texts[one] for one in found], leftmost=True)
