"""What changed between two sets of named fields, word by word, for a reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 2000
_FEW_WORDS = 400  # matched one by one, in cubic time; where more differ, words that are everywhere do not count


@dataclass(frozen=True, slots=True)
class Change:
    """One field: its dotted name and both texts as (piece, is it changed) pairs; no pieces where there was nothing."""

    name: str
    before: list[tuple[str, bool]]
    after: list[tuple[str, bool]]

    @property
    def is_changed(self) -> bool:
        """Tell whether the two texts differ."""
        return any(marked for _, marked in [*self.before, *self.after])


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Give one line per field of either side, changed ones first, in the order they came."""
    old, new = _flatten(before), _flatten(after)
    names = list(dict.fromkeys([*old, *new]))
    lines = [_compare(name, old.get(name, ""), new.get(name, "")) for name in names]
    return sorted(lines, key=lambda line: not line.is_changed)


def _flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = _say(value)
    return flat


def _say(value: Any) -> str:
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, list):
        return ", ".join(_say(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_say(item)}" for name, item in value.items())
    return str(value)


def _compare(name: str, before: str, after: str) -> Change:
    if before == after:
        return Change(name, _pieces([(before, False)]), _pieces([(after, False)]))
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if not before or not after or len(old) > _MOST_WORDS or len(new) > _MOST_WORDS:
        return Change(name, _pieces([(before, True)]), _pieces([(after, True)]))
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    ends = "".join(old[:head]), "".join(old[len(old) - tail :])
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    is_long = max(len(left), len(right)) > _FEW_WORDS
    codes = SequenceMatcher(None, left, right, autojunk=is_long).get_opcodes()
    sides = (
        [("".join(left[i:j]), tag != "equal") for tag, i, j, _, _ in codes],
        [("".join(right[i:j]), tag != "equal") for tag, _, _, i, j in codes],
    )
    return Change(name, *(_pieces([(ends[0], False), *side, (ends[1], False)]) for side in sides))


def _alike(old: list[str], new: list[str]) -> int:
    """Give how many words both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _pieces(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    return [(text, marked) for text, marked in pieces if text]
