"""Other ways to say a Korean sentence: what training sees beside the sentences that ship with the demo."""

from __future__ import annotations

import random
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
OPENERS = (
    "저기", "저기요", "혹시", "음", "음...", "나비얌", "있잖아", "있잖아요", "근데", "그런데", "그럼", "아", "아 맞다",
    "어", "야", "저", "제가", "나", "안녕하세요", "안녕", "선생님", "그", "그리고", "지금", "좀", "오늘", "아니",
    "진짜",
)  # fmt: skip
CLOSERS = (
    "?", "!", "~", ".", "..", "ㅠㅠ", "ㅎㅎ", "^^", "??", "!!", " 좀", " 빨리", " 제발", "ㅋㅋ", "용", "요", "~~",
)  # fmt: skip


def _read_kinds(name: str, separator: str) -> tuple[tuple[str, ...], ...]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split(separator)) for line in lines if not line.startswith("#"))


_CHOICE = re.compile(r"\(([^()]*)\)")
GROUPS = _read_kinds("words.txt", " ")
ENDINGS = _read_kinds("endings.txt", " / ")
_PARTICLES = "을를이가은는도"
_SWAPS = {word: group for group in GROUPS for word in group if len(word) > 1}


def vary(sentence: str, dice: random.Random) -> str:
    """Give the sentence said in another way: other words of a kind, endings, spacing, a slip of the fingers."""
    text = sentence
    if dice.random() < 0.5:
        text = _swap_word(text, dice)
    if dice.random() < 0.5:
        text = _swap_ending(text, dice)
    if dice.random() < 0.2:
        text = f"{dice.choice(OPENERS)} {text}"
    if dice.random() < 0.25:
        text += dice.choice(CLOSERS)
    if dice.random() < 0.3:
        text = _respace(text, dice)
    if dice.random() < 0.15:
        text = _slip(text, dice)
    return text


def expand(pattern: str, dice: random.Random) -> str:
    """Give one of the sentences of a pattern: `(a|b)` is a choice, ` ?` a space or none."""
    text = pattern
    while _CHOICE.search(text):
        text = _CHOICE.sub(lambda choice: dice.choice(choice[1].split("|")), text)
    return "".join(part + dice.choice((" ", "")) for part in text.split(" ?")).strip()


def _swap_word(text: str, dice: random.Random) -> str:
    found = [word for word in _SWAPS if word in text]
    if not found:
        return text
    word = max(found, key=len)
    return text.replace(word, dice.choice(_SWAPS[word]), 1)


def _swap_ending(text: str, dice: random.Random) -> str:
    body = text.rstrip("?!.~ ")
    for endings in ENDINGS:
        fitting = [ending for ending in endings if body.endswith(ending)]
        if fitting:
            return body[: -len(max(fitting, key=len))] + dice.choice(endings)
    return text


def _respace(text: str, dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.5:
        return text.replace(" ", "")
    words = text.split(" ")
    if kind < 0.75 and len(words) > 2:
        at = dice.randrange(len(words) - 1)
        words[at : at + 2] = [words[at] + words[at + 1]]
        return " ".join(words)
    return " ".join(word[:-1] if len(word) > 2 and word[-1] in _PARTICLES else word for word in words)


def _slip(text: str, dice: random.Random) -> str:
    if len(text) < 5:
        return text
    at = dice.randrange(len(text))
    if dice.random() < 0.5:
        return text[:at] + text[at + 1 :]
    if "가" <= text[at] <= "힣":
        return text[:at] + chr(ord("가") + (ord(text[at]) - ord("가")) // 28 * 28) + text[at + 1 :]
    return text
