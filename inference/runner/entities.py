"""From the labels of tokens to stretches of a text. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

OUTSIDE = "O"
_PREFIXES = {"B": True, "S": True, "U": True, "I": False, "E": False, "L": False}  # whether it begins a new one


@dataclass(frozen=True, slots=True)
class Mark:
    """A token's place in the text, in characters, and what the model calls it."""

    start: int
    end: int
    label: str
    score: float


@dataclass(slots=True)
class _Open:
    kind: str
    start: int
    end: int
    scores: list[float]


def find_entities(text: str, marks: Iterable[Mark]) -> list[dict[str, Any]]:
    """Give the entities of a text: `text`, `start` and `end` in characters, `label`, `score` (the mean of its tokens).

    Tokens and not words are joined, so that the particle of a Korean word stays outside its name.
    """
    found: list[_Open] = []
    is_open = False
    for mark in marks:
        if mark.start >= mark.end:
            continue  # [CLS] and the like
        kind, begins = _read(mark.label)
        if kind == OUTSIDE:
            is_open = False
            continue
        last = found[-1] if is_open else None
        is_near = last is not None and not text[last.end : mark.start].strip()
        if last is not None and is_near and last.kind == kind and not begins:
            last.end = max(last.end, mark.end)
            last.scores.append(mark.score)
        else:
            found.append(_Open(kind, mark.start, mark.end, [mark.score]))
        is_open = True
    return [_told(text, one) for one in found]


def _read(label: str) -> tuple[str, bool]:
    """Give the kind of a label such as B-LOC, LOC or O, and whether it begins a new entity."""
    prefix, dash, kind = label.partition("-")
    if dash and kind and prefix in _PREFIXES:
        return kind, _PREFIXES[prefix]
    return label, False


def _told(text: str, one: _Open) -> dict[str, Any]:
    said = text[one.start : one.end]
    start = one.start + len(said) - len(said.lstrip())
    return {
        "text": said.strip(),
        "start": start,
        "end": start + len(said.strip()),
        "label": one.kind,
        "score": round(sum(one.scores) / len(one.scores), 4),
    }
