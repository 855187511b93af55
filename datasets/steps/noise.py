"""Steps against noise in texts: emoji, addresses of pages, characters repeated for emphasis."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import step
from datasets.steps.rewriting import rewritten
from datasets.steps.text import TextStep, one_by_one

# Source: Unicode Technical Standard 51, 1.4.9. Signs that are text unless U+FE0F follows count with it only, but for
# the hearts, faces and signs of weather that people write without.
_MODIFIED = r"(?:\p{Emoji_Modifier}|\x{FE0F})?(?:[\x{E0020}-\x{E007E}]{1,16}\x{E007F})?"
_ONE = (
    r"(?:\p{Regional_Indicator}{2}|[0-9#*]\x{FE0F}?\x{20E3}"
    r"|(?:[\p{Emoji_Presentation}--\p{Regional_Indicator}]|[☺☹❤♥☀☁☂☃☎✈✌✍❣]|[\p{Emoji}--[0-9#*]]\x{FE0F})"
    + _MODIFIED
    + ")"
)
EMOJI = rf"{_ONE}(?:\x{{200D}}(?:{_ONE}|\p{{Emoji}}\x{{FE0F}}?)){{0,9}}"
# Hangul ends an address (“https://a.kr에서”), marks at the end are the sentence's.
URL = r"(?i)\b(?:(?:https?|ftp)://|www\.)[!-~&&[^<>\"'`{}|\\^]]*[A-Za-z0-9/#=&_~%+$@*-]"
_JAMO = "ㄱ-ㅎㅏ-ㅣ\u1100-\u11ff"
# Not “/”, “-” and the like: they stand twice in addresses and code.
_MARKS = "!?~^.,;。、！？～…·★☆♡♥"


@step
@dataclass(frozen=True)
class Emoji(TextStep):
    """Emoji, whole sequences of them."""

    kind, label, icon = "emoji", _("Emoji"), "mood"
    help = _(
        "Takes emoji out, or writes a token or their English Unicode name (:grinning_face:) instead. Flags, skin "
        "tones and families count as one."
    )
    action: str = params.choice(
        _("instead"), [("remove", _("nothing")), ("token", _("a token")), ("name", _("the name"))], default="remove"
    )
    token: str = params.text(_("token"), default="[EMOJI]", shown_if=("action", ("token",)))

    def change(self, text: pl.Series) -> pl.Series:
        """Replace the emoji."""
        if self.action == "name":
            return rewritten(text, text.str.contains(EMOJI), _named)
        return text.str.replace_all(EMOJI, self.token.replace("$", "$$") if self.action == "token" else "")


def _named(text: pl.Series) -> pl.Series:
    found = text.str.extract_all(EMOJI).explode().drop_nulls().unique().sort().to_list()
    found.sort(key=len, reverse=True)
    return text.str.replace_many(found, [emoji_name(one) for one in found], leftmost=True)


def emoji_name(emoji: str) -> str:
    """Give the name of an emoji, the names of its parts joined."""
    letters = [chr(ord(one) - 0x1F1E6 + ord("a")) for one in emoji if "\U0001f1e6" <= one <= "\U0001f1ff"]
    if letters:
        return f":flag_{''.join(letters)}:"
    parts = [one for one in emoji if one not in "\ufe0f\u200d\u20e3" and not "\U000e0020" <= one <= "\U000e007f"]
    names = [unicodedata.name(one, f"u{ord(one):x}").lower().replace(" ", "_") for one in parts]
    return f":{'_'.join(names)}:"


@step
@dataclass(frozen=True)
class Urls(TextStep):
    """Addresses of pages."""

    kind, label, icon = "urls", _("Addresses of pages (URLs)"), "link_off"
    help = _(
        "Takes addresses that begin with http://, https://, ftp:// or www. out, or writes a token instead. An "
        "address ends before Hangul, so that particles stay."
    )
    token: str = params.text(_("token"), default="", help=_("Empty: nothing stands instead."))

    def change(self, text: pl.Series) -> pl.Series:
        """Replace the addresses."""
        return text.str.replace_all(URL, self.token.replace("$", "$$"))


@step
@dataclass(frozen=True)
class Repeated(TextStep):
    """Characters repeated for emphasis."""

    kind, label, icon = "repeated_characters", _("Repeated characters"), "repeat"
    help = _("Shortens ㅋㅋㅋㅋㅋ to ㅋㅋ and !!!! to !. Digits are never touched.")
    jamo: int = params.number(_("keep of single jamo (ㅋ, ㅠ)"), default=2, least=1, most=100)
    marks: int = params.number(_("keep of marks (!, ?, ~)"), default=1, least=1, most=100)
    letters: int | None = params.number(
        _("keep of syllables, letters and all else"), default=None, least=1, most=100, help=_("Empty: they stay.")
    )

    def change(self, text: pl.Series) -> pl.Series:
        """Shorten the texts in which some character is repeated."""
        fewest = min(self.jamo, self.marks, self.letters or 100)
        patterns = [(f"[{_JAMO}]", self.jamo), (f"[{_MARKS}]", self.marks)]
        if self.letters:
            patterns.append((rf"[^{_JAMO}{_MARKS}\d\s]", self.letters))
        rules = [(re.compile(f"({which})\\1{{{keep},}}"), keep) for which, keep in patterns]

        def shortened(value: str) -> str:
            for rule, keep in rules:
                value = rule.sub(lambda found, keep=keep: found[1] * keep, value)  # type: ignore[misc]
            return value

        return rewritten(text, _has_run(text, fewest + 1), lambda some: one_by_one(some, shortened))


def _has_run(text: pl.Series, length: int) -> pl.Series:
    """Say in which texts a character stands so many times in a row; one look over all characters at once."""
    counts = text.str.len_chars().fill_null(0).to_numpy().astype(np.int64)
    codes = np.frombuffer("".join(text.fill_null("")).encode("utf-32-le"), np.uint32)
    ends = np.cumsum(counts)
    run = np.ones(max(0, len(codes) - length + 1), bool)
    for shift in range(1, length):
        run &= codes[: len(run)] == codes[shift : len(run) + shift]
    first = np.flatnonzero(run)
    row = np.searchsorted(ends, first, side="right")
    inside = first + length <= ends[row] if len(row) else np.zeros(0, bool)
    found = np.zeros(len(text), bool)
    found[row[inside]] = True
    return pl.Series(found)
