"""Polite Korean made plain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps.base import step
from datasets.steps.kiwi import analysed, analyser
from datasets.steps.morphemes import SYLLABLES, KoreanStep
from datasets.steps.rewriting import rewritten

_HONORIFIC = "시"
_VERBS = ("VV", "VX", "XSV")
# Formal endings (합쇼체) and what stands for them in plain speech (해라체).
_FORMAL = {
    **dict.fromkeys(("습니까", "ㅂ니까", "ᆸ니까"), "니"),
    **dict.fromkeys(("ㅂ시다", "ᆸ시다"), "자"),
    **dict.fromkeys(("ㅂ시오", "ᆸ시오", "십시오", "시오", "으시오"), "어라"),
}
_FINAL = {"ㄴ": "ᆫ", "ㄹ": "ᆯ", "ㅁ": "ᆷ", "ㅂ": "ᆸ"}  # of endings that lean on a vowel, as the analyser joins them
_STATEMENTS = ("습니다", "ㅂ니다", "ᆸ니다")
# Informal polite endings (해요체) that do not simply lose their 요.
_INFORMAL = {"에요": "야", "예요": "야", "이에요": "이야", "죠": "지", "세요": "어", "셔요": "어", "으세요": "어"}
_POLITE_STEMS = ("드시", "드세", "계시", "주무시", "잡수시")
_FIXED = ("안녕하세요", "안녕하십니까", "계세요", "계십시오", "여보세요")  # greetings have no plain form by rule


@step
@dataclass(frozen=True)
class PlainSpeech(KoreanStep):
    """Rewrites the words that end a sentence politely, and takes out 시 and 께서."""

    kind, label, icon = "plain_speech", _("Plain speech instead of polite"), "record_voice_over"
    help = _(
        "Rewrites polite endings (합니다, 해요, 하십시오) as plain ones (한다, 해, 해라), takes 시 out of verbs and "
        "makes 이 or 가 of 께서. It does not touch words that are polite themselves (드시다, 계시다, 말씀, 저, 님), "
        "greetings, and the middle of sentences; what it cannot take apart stays."
    )

    def change(self, text: pl.Series) -> pl.Series:
        """Rewrite texts with syllables."""
        return rewritten(text, text.str.contains(SYLLABLES), _plain)


def _plain(text: pl.Series) -> pl.Series:
    found = ["".join(_rewritten(piece, some) for piece, some in parts) for parts in analysed(text.to_list())]
    return pl.Series(text.name, found, dtype=pl.String)


def _rewritten(piece: str, morphemes: Sequence[Any]) -> str:
    """Give a piece with its polite words written anew, and everything else as it was."""
    found, end = [], 0
    for word in _words(piece, morphemes):
        start, last = word[0].start, max(one.end for one in word)
        parts = _plain_parts(word, asks=_asks(piece, last))
        if parts is None or piece[start:last].startswith(_FIXED):
            continue
        found += [piece[end:start], analyser().join(parts).replace(" ", "")]
        end = last
    return "".join([*found, piece[end:]])


def _words(piece: str, morphemes: Sequence[Any]) -> Iterator[list[Any]]:
    """Give the morphemes of each word: those with no space, no sign and nothing foreign between them."""
    word: list[Any] = []
    for one in morphemes:
        is_part = one.tag[0] not in "SWUZ"
        if word and (not is_part or any(letter.isspace() for letter in piece[word[-1].end : one.start])):
            yield word
            word = []
        if word and one.start > word[-1].end:
            yield word
            word = []
        if is_part:
            word.append(one)
    if word:
        yield word


def _asks(piece: str, end: int) -> bool:
    return piece[end:].lstrip()[:1] == "?"


def _plain_parts(word: Sequence[Any], *, asks: bool) -> list[tuple[str, str]] | None:
    """Give the parts of a word in plain speech, `None` if there is nothing polite in it."""
    parts: list[tuple[str, str]] = []
    is_changed = False
    for one in word:
        form, tag = one.form, one.tag
        if tag == "EP" and form in (_HONORIFIC, "으시"):
            is_changed = True
            continue
        if tag == "JKS" and form == "께서":
            form = "이"
        elif tag == "EF":
            form = _ending(form, parts, asks=asks)
        is_changed |= form != one.form
        parts.append((_FINAL.get(form[:1], form[:1]) + form[1:] if tag[0] in "EJ" else form, tag))
    return parts if is_changed and parts else None


def _ending(form: str, before: Sequence[tuple[str, str]], *, asks: bool) -> str:
    """Give the plain form of an ending, after what comes before it."""
    stem, tag = before[-1] if before else ("", "")
    tag = tag.split("-")[0]
    if stem in _POLITE_STEMS and form.endswith("요"):
        return form
    if form in _STATEMENTS:
        return "는다" if tag in _VERBS else "다"
    if form in ("세요", "으세요", "셔요") and tag in _VERBS and not asks:
        return "어라"
    if form in _FORMAL:
        return _FORMAL[form]
    if form in _INFORMAL:
        return _INFORMAL[form]
    return form[:-1] if form.endswith("요") and len(form) > 1 else form
