"""Steps on the characters of texts: normal forms, white space, case, and characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import RowStep, Schema, step, text_columns
from datasets.steps.rewriting import lowered, normalised, rewritten

_NO_JAMO = re.compile("[^ㄱ-ㆎ]+")
_BREAK = r"\r\n?|[\x0B\x0C\x{85}\x{2028}\x{2029}]"
_UNSEEN = {
    "control": r"[\p{Cc}--[\t\n\r]]",
    "zero_width": (
        r"[\x{00AD}\x{034F}\x{061C}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180E}\x{200B}\x{2060}-\x{2064}"
        r"\x{3164}\x{FEFF}\x{FFA0}]"
    ),
    "joiners": r"[\x{200C}\x{200D}]",
    "direction": r"[\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]",
    "private": r"[\p{Co}\x{FDD0}-\x{FDEF}\x{FFFE}\x{FFFF}\x{FFF9}-\x{FFFB}]",
    "unreadable": r"\x{FFFD}",
}


@dataclass(frozen=True)
class TextStep(RowStep):
    """A step that changes chosen columns of text, or all of them."""

    family = "text"
    columns: tuple[str, ...] = params.columns(
        _("columns"), wants="text", default=(), help=_("None chosen: every column of text.")
    )

    @abstractmethod
    def change(self, text: pl.Series) -> pl.Series:
        """Give the texts after the step."""

    def out_schema(self, schema: Schema) -> Schema:
        """Columns stay; those chosen must be text."""
        text_columns(schema, self.columns)
        return schema

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Change each column."""
        return frame.with_columns(
            self.change(frame.get_column(name).alias("text")).alias(name)
            for name in text_columns(frame.schema, self.columns)
        )


def one_by_one(text: pl.Series, function: Callable[[str], str]) -> pl.Series:
    """Give each text after a function of Python; none of them is missing."""
    return pl.Series(text.name, [function(value) for value in text], dtype=pl.String)


@step
@dataclass(frozen=True)
class Normalise(TextStep):
    """Unicode normal forms. Source: Unicode Standard Annex 15."""

    kind, label, icon = "normalise", _("Unicode normal form"), "text_fields"
    help = _(
        "Writes the same letters with the same characters. NFC joins letters and marks (각 stays one "
        "syllable, as macOS file names need it), NFKC also makes ordinary ones of full-width and other "
        "look-alikes (ＡＢＣ１ becomes ABC1)."
    )
    form: str = params.choice(_("form"), [(name, name) for name in ("NFC", "NFKC", "NFD", "NFKD")], default="NFKC")
    keeps_jamo: bool = params.flag(
        _("single jamo such as ㅋ and ㅠ stay"),
        help=_(
            "NFKC and NFKD make the half of a syllable of them (U+110F of ㅋ), which is no longer the ㅋ that people "
            "type."
        ),
        shown_if=("form", ("NFKC", "NFKD")),
    )

    def change(self, text: pl.Series) -> pl.Series:
        """Normalise what is not normal already."""
        return normalised(text, self.form, self._between_jamo if self.keeps_jamo else None)

    def _between_jamo(self, text: pl.Series) -> pl.Series:
        def normal(value: str) -> str:
            return _NO_JAMO.sub(lambda found: unicodedata.normalize(self.form, found[0]), value)  # type: ignore[arg-type]

        return one_by_one(text, normal)


@step
@dataclass(frozen=True)
class WhiteSpace(TextStep):
    """Blanks and line breaks brought into one form."""

    kind, label, icon = "white_space", _("White space"), "space_bar"
    help = _(
        "Makes ordinary spaces of tabs, no-break and full-width spaces, one space of several, and one kind of all line "
        "breaks; cuts spaces at both ends of the text and of its lines."
    )
    line_breaks: str = params.choice(
        _("line breaks"),
        [
            ("keep", _("keep")),
            ("paragraphs", _("at most one empty line")),
            ("lines", _("no empty lines")),
            ("space", _("a space instead")),
        ],
        default="keep",
    )
    collapse: bool = params.flag(_("one space of several"), default=True)
    trim: bool = params.flag(_("cut at both ends"), default=True)

    def change(self, text: pl.Series) -> pl.Series:
        """Rewrite the texts that hold anything but single spaces between words."""
        touched = r"[\s--[ ]]|  |^ | $" if self.collapse or self.trim else r"[\s--[ ]]"
        return rewritten(text, text.str.contains(touched), self._rewrite)

    def _rewrite(self, text: pl.Series) -> pl.Series:
        text = text.str.replace_all(_BREAK, "\n").str.replace_all(r"[\s--[\n ]]", " ")
        if self.collapse:
            text = text.str.replace_all(r" {2,}", " ").str.replace_all(r" ?\n ?", "\n")
        if self.line_breaks != "keep":
            many, one = {"paragraphs": (r"\n{3,}", "\n\n"), "lines": (r"\n{2,}", "\n"), "space": (r"\n+", " ")}[
                self.line_breaks
            ]
            text = text.str.replace_all(many, one)
            if self.line_breaks == "space" and self.collapse:
                text = text.str.replace_all(r" {2,}", " ")
        return text.str.strip_chars(" \n") if self.trim else text


@step
@dataclass(frozen=True)
class Case(TextStep):
    """Capital and small letters."""

    kind, label, icon = "case", _("Capital and small letters"), "match_case"
    help = _("Writes all letters small or all as capitals. Hangul has no such letters and stays.")
    to: str = params.choice(_("letters"), [("lower", _("small")), ("upper", _("capital"))], default="lower")

    def change(self, text: pl.Series) -> pl.Series:
        """Change the letters."""
        return lowered(text) if self.to == "lower" else text.str.to_uppercase()


@step
@dataclass(frozen=True)
class Unseen(TextStep):
    """Characters that nobody sees and that keep equal texts from being equal."""

    kind, label, icon = "unseen_characters", _("Control and zero-width characters"), "visibility_off"
    help = _(
        "Takes characters out that nobody sees: control characters (not tabs and line breaks), zero-width ones, "
        "marks that turn the direction of writing. Joiners hold emoji of families and some scripts together: only "
        "take them out if you must."
    )
    which: tuple[str, ...] = params.choices(
        _("which"),
        [
            ("control", _("control characters, NUL too")),
            ("zero_width", _("zero-width and filler characters, soft hyphens, byte order marks")),
            ("direction", _("marks of the direction of writing")),
            ("joiners", _("joiners")),
            ("private", _("private and other characters without a meaning")),
            ("unreadable", _("the sign for an unreadable character (�)")),
        ],
        default=("control", "zero_width", "direction"),
    )

    def change(self, text: pl.Series) -> pl.Series:
        """Take the characters out."""
        pattern = "|".join(_UNSEEN[name] for name in self.which)
        return text.str.replace_all(pattern, "") if pattern else text
