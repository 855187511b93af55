"""Korean words taken apart: spacing, morphemes, particles and stop words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import RowStep, Schema, column_of, new_column, step
from datasets.steps.kiwi import analysed, analyser, spaced
from datasets.steps.rewriting import rewritten, single_spaced
from datasets.steps.text import TextStep

SYLLABLES = "[가-힣]"
# Source: the tags of the Sejong corpus, as kiwipiepy gives them.
_TAGS = {
    "noun": ("NNG", "NNP", "NNB", "NR"),
    "pronoun": ("NP",),
    "verb": ("VV", "VX"),
    "adjective": ("VA", "VCP", "VCN"),
    "modifier": ("MM", "MAG", "MAJ"),
    "interjection": ("IC",),
    "particle": ("JKS", "JKC", "JKG", "JKO", "JKB", "JKV", "JKQ", "JX", "JC"),
    "ending": ("EP", "EF", "EC", "ETN", "ETM"),
    "affix": ("XPN", "XSN", "XSV", "XSA", "XSM", "XR"),
    "foreign": ("SL", "SH", "SN", "W_HASHTAG", "W_MENTION", "W_URL", "W_EMAIL", "W_SERIAL"),
    "sign": ("SF", "SP", "SS", "SSO", "SSC", "SE", "SO", "SW", "SB", "UN", "W_EMOJI", "Z_CODA", "Z_SIOT"),
}
_GROUPS = (
    ("noun", _("nouns and numerals")),
    ("pronoun", _("pronouns")),
    ("verb", _("verbs")),
    ("adjective", _("adjectives and 이다")),
    ("modifier", _("determiners and adverbs")),
    ("interjection", _("interjections")),
    ("particle", _("particles")),
    ("ending", _("endings")),
    ("affix", _("prefixes, suffixes and roots")),
    ("foreign", _("other scripts, numbers and addresses")),
    ("sign", _("signs and emoji")),
)
_STEMS = ("VV", "VA", "VX", "VCP", "VCN", "XSV", "XSA")
# Words that tell little by themselves: pronouns, dependent nouns, conjunctions and auxiliaries, as whole words.
STOP_WORDS = (
    *("이", "그", "저", "것", "수", "등", "들", "및", "또", "더", "좀", "잘", "꼭", "곧", "거", "게", "건", "걸", "때"),
    *("내", "제", "나", "너", "우리", "저희", "너희", "그것", "이것", "저것", "여기", "거기", "저기", "누구", "무엇"),
    *("어디", "언제", "왜", "어떻게", "어떤", "무슨", "이런", "그런", "저런", "그리고", "그러나", "그런데", "그래서"),
    *("그러면", "하지만", "또는", "혹은", "즉", "따라서", "그러므로", "만약", "비록", "아주", "매우", "너무", "정말"),
    *("진짜", "그냥", "바로", "다시", "이미", "아직", "계속", "모두", "다", "대해", "대한", "위해", "위한", "통해"),
    *("의해", "관한", "따른", "있는", "있다", "없는", "없다", "하는", "하다", "한", "할", "했다", "된", "되는", "되다"),
    *("될", "이다", "아니다", "같은", "같이", "때문에"),
)


class KoreanStep(TextStep):
    """A step on texts with Korean syllables; the others stay."""

    family = "korean"

    def prepare(self) -> None:
        """Load the analyser."""
        analyser()


@step
@dataclass(frozen=True)
class Spacing(KoreanStep):
    """Spaces between words where they were forgotten."""

    kind, label, icon = "spacing", _("Repair spacing"), "format_letter_spacing"
    help = _("Puts spaces where Korean words were run together. It goes by likelihood: look at the preview.")
    anew: bool = params.flag(
        _("also close wrong spaces"), help=_("Forgets the spaces between Korean words and sets all of them anew.")
    )

    def change(self, text: pl.Series) -> pl.Series:
        """Set the spaces of texts with syllables."""
        return rewritten(text, text.str.contains(SYLLABLES), self._spaced)

    def _spaced(self, text: pl.Series) -> pl.Series:
        return pl.Series(text.name, list(spaced(text.to_list(), anew=self.anew)), dtype=pl.String)


@step
@dataclass(frozen=True)
class Particles(KoreanStep):
    """Takes the particles off."""

    kind, label, icon = "particles", _("Remove particles"), "backspace"
    help = _("Takes the particles (조사) off words and leaves the rest as it is: 학교에서 becomes 학교, 난 becomes 나.")

    def change(self, text: pl.Series) -> pl.Series:
        """Cut the particles out of texts with syllables."""
        return rewritten(text, text.str.contains(SYLLABLES), _without_particles)


@step
@dataclass(frozen=True)
class StopWords(TextStep):
    """Takes out whole words."""

    kind, label, icon = "stop_words", _("Remove stop words"), "filter_list_off"
    family = "korean"
    help = _(
        "Takes out whole words, as they stand between spaces; one space stays between the others. The usual list has "
        "Korean pronouns, conjunctions and other words that tell little."
    )
    usual: bool = params.flag(_("the usual list"), default=True)
    words: tuple[str, ...] = params.lines(_("further words"), default=(), help=_("One a line."))
    kept: tuple[str, ...] = params.lines(_("words of the list that stay"), default=(), help=_("One a line."))

    def change(self, text: pl.Series) -> pl.Series:
        """Take them out of texts that have any."""
        gone = sorted({*(STOP_WORDS if self.usual else ()), *self.words} - set(self.kept))
        words = single_spaced(text).str.strip_chars().str.split(" ")
        has_any = words.list.eval(pl.element().is_in(gone)).list.any()
        stay = words.list.eval(pl.element().filter(~pl.element().is_in(gone))).list.join(" ")
        return pl.select(pl.when(has_any).then(stay).otherwise(text).alias(text.name)).to_series()


@step
@dataclass(frozen=True)
class Morphemes(RowStep):
    """Writes a text as its morphemes."""

    kind, label, icon, family = "morphemes", _("Morphemes"), "segment", "korean"
    help = _(
        "Takes Korean words apart (kiwipiepy) and writes their morphemes with a space between, or as a list: all, or "
        "only those of chosen kinds. A thousand rows or two a second on one core."
    )
    column: str = params.column(_("column"), wants="text")
    into: str = params.text(_("new column"), default="", help=_("Empty: in place of the text."))
    which: tuple[str, ...] = params.choices(_("kinds"), _GROUPS, default=(), help=_("None chosen: all."))
    with_tags: bool = params.flag(_("with tags: 학교/NNG"))
    dictionary_form: bool = params.flag(_("verbs and adjectives in their dictionary form: 먹다"))
    without_usual: bool = params.flag(_("without the usual stop words of kiwipiepy"))
    stop_words: tuple[str, ...] = params.lines(_("further stop words"), default=(), help=_("One a line: 것 or 것/NNB."))
    as_list: bool = params.flag(_("as a list"))

    def prepare(self) -> None:
        """Load the analyser."""
        analyser()

    def out_schema(self, schema: Schema) -> Schema:
        """Add the column, or change the type of the old one."""
        column_of(schema, self.column, parameter="column", wanted="text")
        if self.into:
            new_column(self.into, parameter="into")
        return {**schema, self.into or self.column: pl.List(pl.String()) if self.as_list else pl.String()}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Write the morphemes of each text."""
        texts = frame[self.column]
        found = iter([self._chosen(parts) for parts in analysed(texts.drop_nulls().to_list())])
        words = [None if is_missing else next(found) for is_missing in texts.is_null()]
        lists = pl.Series(self.into or self.column, words, dtype=pl.List(pl.String))
        return frame.with_columns(lists if self.as_list else lists.list.join(" "))

    def _chosen(self, parts: Sequence[tuple[str, Sequence[Any]]]) -> list[str]:
        return [self._written(one) for _piece, some in parts for one in some if self._is_wanted(one)]

    def _is_wanted(self, morpheme: Any) -> bool:
        form, tag = morpheme.form, morpheme.tag.split("-")[0]
        if self._tags and tag not in self._tags:
            return False
        if self.without_usual and (form, tag) in self._usual:
            return False
        return form not in self.stop_words and f"{form}/{tag}" not in self.stop_words

    def _written(self, morpheme: Any) -> str:
        tag = morpheme.tag.split("-")[0]
        form = f"{morpheme.form}다" if self.dictionary_form and tag in _STEMS else morpheme.form
        return f"{form}/{tag}" if self.with_tags else form

    @cached_property
    def _tags(self) -> frozenset[str]:
        return frozenset(tag for kind in self.which for tag in _TAGS[kind])

    @cached_property
    def _usual(self) -> Any:
        from kiwipiepy.utils import Stopwords  # noqa: PLC0415 - only where the step runs

        return Stopwords()


def _without_particles(text: pl.Series) -> pl.Series:
    kept = ["".join(_cut(piece, some) for piece, some in parts) for parts in analysed(text.to_list())]
    return pl.Series(text.name, kept, dtype=pl.String)


def _cut(piece: str, morphemes: Sequence[Any]) -> str:
    """Give a piece without its particles; of one within a syllable (난, 널) the last consonant goes."""
    found, end, before = [], 0, 0
    for one in morphemes:
        if one.tag.startswith("J"):
            found.append(piece[end : max(end, one.start)])
            if one.start < before and one.start >= end:
                found.append(_open(piece[one.start]))
            end = max(end, one.end)
        before = one.end
    return "".join([*found, piece[end:]])


def _open(syllable: str) -> str:
    """Give a syllable without its last consonant."""
    place = ord(syllable) - 0xAC00
    return chr(0xAC00 + place - place % 28) if 0 <= place < 11172 else syllable
