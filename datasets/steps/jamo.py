"""Korean letters: the parts of syllables, written in their many ways."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import step
from datasets.steps.rewriting import rewritten
from datasets.steps.text import TextStep, one_by_one

# Source: Unicode Standard 16, 3.12, and the block Hangul Compatibility Jamo.
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_CONJOINING = re.compile("[ᄀ-ᇿꥠ-꥿ힰ-퟿가-힣]*[ᄀ-ᇿꥠ-꥿ힰ-퟿][ᄀ-ᇿꥠ-꥿ힰ-퟿가-힣]*")
_LOOK_ALIKES = re.compile("[\uffa1-\uffdc㈀-㈞㉠-㉾]+")
_TYPED = re.compile(f"([{_INITIALS}])([{_VOWELS}])(?![{_VOWELS}])(?:([{_FINALS[1:]}])(?![{_VOWELS}]))?")
_RUN = re.compile("([ㄱ-ㅎㅏ-ㅣ])\\1+")


@step
@dataclass(frozen=True)
class Jamo(TextStep):
    """Korean syllables in one form."""

    kind = "jamo"
    label = _("Korean letters")
    help = _(
        "Joins the parts of syllables (as macOS writes them), makes ordinary letters of half-width and circled ones, "
        "and on wish syllables of typed jamo (ㅎㅏㄴ becomes 한; ㅋㅠㅠ and ㅇㅋ stay) and short runs of long ones "
        "(ㅋㅋㅋㅋㅋ)."
    )
    family = "korean"
    icon = "language_korean_latin"

    composes: bool = params.flag(_("join the parts of syllables"), default=True)
    plain: bool = params.flag(_("ordinary letters instead of half-width and circled ones"), default=True)
    typed: bool = params.flag(_("syllables of typed jamo"))
    most_repeated: int | None = params.number(
        _("most jamo of one kind in a row"), default=None, least=1, most=100, help=_("Empty: as many as there are.")
    )

    def change(self, text: pl.Series) -> pl.Series:
        """Change texts with letters other than whole syllables."""
        has_some = text.str.contains(r"[ᄀ-ᇿꥠ-꥿ힰ-퟿ㄱ-ㆎ\x{FFA1}-\x{FFDC}㈀-㈞㉠-㉾]")
        return rewritten(text, has_some, lambda some: one_by_one(some, self.one))

    def one(self, text: str) -> str:
        """Give one text after the step."""
        if self.composes:
            text = _CONJOINING.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)
        if self.plain:
            text = _LOOK_ALIKES.sub(lambda found: _ordinary(found[0]), text)
        if self.typed:
            text = _joined(text)
        if self.most_repeated:
            text = _RUN.sub(lambda found: found[1] * min(len(found[0]), self.most_repeated or 0), text)
        return text


def _ordinary(letters: str) -> str:
    """Give compatibility jamo for half-width ones, and what stands in circles and brackets."""
    plain = unicodedata.normalize("NFKC", letters)
    return "".join(_COMPATIBLE.get(letter, letter) for letter in plain)


def _compatible() -> dict[str, str]:
    """Give for each conjoining jamo the letter that people type."""
    letters = [chr(point) for point in range(0x3131, 0x318F)]
    return {unicodedata.normalize("NFKC", letter): letter for letter in letters}


_COMPATIBLE = _compatible()


def _joined(text: str) -> str:
    """Make syllables of a consonant, a vowel and perhaps a consonant; laughter and weeping stay as they are."""
    pieces, end = [], 0
    for found in _TYPED.finditer(text):
        before = text[found.start() - 1] if found.start() > end else ""
        if before == found[1]:  # ㅋㅋㅠ
            continue
        place = (_INITIALS.index(found[1]) * 21 + _VOWELS.index(found[2])) * 28 + _FINALS.index(found[3] or " ")
        pieces += [text[end : found.start()], chr(0xAC00 + place)]
        end = found.end()
    return "".join([*pieces, text[end:]])
