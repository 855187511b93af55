"""Korean rows as they come: untidy, with gaps, with copies and near copies whose likeness is known. Seeded.

A row of JSON Lines has some 520 bytes. Of 1000 rows 60 are exact copies of earlier ones and 10 each near copies at
likeness 0.7, 0.8 and 0.9 (Jaccard of word 3-shingles, exactly): the last k words of a text of s + 2 words are
others, so that of s shingles s - k are shared and the likeness is (s - k) / (s + k).
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHINGLE = 3
# Likeness -> shingles and changed words that give it.
PLANTED = {0.7: (34, 6), 0.8: (36, 4), 0.9: (38, 2)}
# Nouns and particles, verbs and endings, a line each.
_STEMS, _PARTICLES, _VERBS, _ENDINGS = (
    line.split() for line in Path(__file__).with_name("words.txt").read_text(encoding="utf-8").splitlines()
)
WORDS = [stem + particle for stem in _STEMS for particle in _PARTICLES] + [
    verb + ending for verb in _VERBS for ending in _ENDINGS
]
LABELS = ["주문", "배송", "환불", "칭찬", "불만", "기타"]
_WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


@dataclass(slots=True)
class Planted:
    """What is known of the rows: the numbers of exact copies, and (original, copy, likeness) of near ones."""

    exact: int = 0
    empty: int = 0
    near: list[tuple[int, int, float]] = field(default_factory=list)


def write(path: Path, rows: int, seed: int = 7) -> Planted:
    """Write the rows and give what is known of them."""
    planted = Planted()
    with path.open("w", encoding="utf-8") as target:
        for row in make(rows, seed, planted):
            target.write(json.dumps(row, ensure_ascii=False) + "\n")
    return planted


def make(count: int, seed: int, planted: Planted) -> Iterator[dict[str, Any]]:
    """Give the rows one after the other; memory is bounded: copies are of the last thousand rows."""
    chance = random.Random(seed)
    recent: list[str] = []
    kept: dict[float, list[tuple[int, list[str]]]] = {likeness: [] for likeness in PLANTED}
    for number in range(count):
        place = number % 1000
        if place >= 940 and recent:
            text, planted.exact = chance.choice(recent), planted.exact + 1
        elif 100 <= place < 130:
            text = " ".join(_original(chance, kept, (0.7, 0.8, 0.9)[place % 3], number))
        elif 500 <= place < 530:
            text = " ".join(_copy(chance, kept, (0.7, 0.8, 0.9)[place % 3], number, planted))
        elif place in (250, 750):
            text, planted.empty = chance.choice(["", "   ", "\u3000"]), planted.empty + 1
        else:
            text = " ".join(chance.choices(WORDS, k=chance.randint(24, 44)))
            if place % 7 == 0:
                recent = [*recent[-199:], text]
        yield _row(chance, number, text)


def _original(chance: random.Random, kept: dict[float, Any], likeness: float, number: int) -> list[str]:
    words = chance.sample(WORDS, PLANTED[likeness][0] + SHINGLE - 1)
    kept[likeness].append((number, words))
    return words


def _copy(chance: random.Random, kept: dict[float, Any], likeness: float, number: int, planted: Planted) -> list[str]:
    original, words = kept[likeness].pop(0)
    changed = PLANTED[likeness][1]
    planted.near.append((original, number, likeness))
    return [*words[:-changed], *chance.sample(sorted(set(WORDS) - set(words)), changed)]


def _row(chance: random.Random, number: int, text: str) -> dict[str, Any]:
    said = chance.random()
    if said < 0.1:
        text = f"  {text.replace(' ', '  ', 3)}\t"
    elif said < 0.2:
        text = unicodedata.normalize("NFD", text)
    code = f"KR-{number:08d}"
    return {
        "id": number,
        "text": text,
        "label": chance.choice(LABELS) if chance.random() > 0.05 else None,
        "score": round(chance.gauss(3.5, 1), 2) if chance.random() > 0.05 else None,
        "code": code.translate(_WIDE) if said > 0.9 else code,
    }


def likeness_of(first: str, second: str) -> float:
    """Give the Jaccard likeness of two texts by their word shingles."""
    one, other = _shingles(first), _shingles(second)
    return len(one & other) / max(1, len(one | other))


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1))}
