"""What a `tokenizer.json` may hold before the tokenizers library reads it: patterns that cannot run away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_BYTES = 64 << 20
_MAX_ADDED_TOKENS, _MAX_TOKEN_CHARACTERS, _MAX_PATTERN_CHARACTERS = 20_000, 512, 2_000
_PARTS = ("normalizer", "pre_tokenizer", "decoder", "post_processor")
_PIECES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]|[*+]|\{\d*,(?:\d{2,})?\}|.", re.DOTALL)
_WITHOUT_END = re.compile(r"[*+]|\{\d*,(?:\d{2,})?\}")  # or with one of ten and more


def check_tokenizer(read: Mapping[str, Any]) -> None:
    """Refuse a tokenizer made to hurt whoever reads it or applies it. Raises ValueError with the reason."""
    added = read.get("added_tokens") or []
    if not isinstance(added, list) or len(added) > _MAX_ADDED_TOKENS:
        raise ValueError(f"has more than {_MAX_ADDED_TOKENS} added tokens")
    for token in added:
        content = token.get("content") if isinstance(token, Mapping) else None
        if not isinstance(content, str) or len(content) > _MAX_TOKEN_CHARACTERS:
            raise ValueError(f"an added token is no text of at most {_MAX_TOKEN_CHARACTERS} characters")
    for part in _PARTS:
        if len(json.dumps(read.get(part))) > 100 * _MAX_PATTERN_CHARACTERS and part != "normalizer":
            raise ValueError(f"its {part} is larger than that of any tokeniser")
        for pattern in _patterns(read.get(part)):
            _check_pattern(pattern)


def _patterns(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("Regex"), str):
            yield value["Regex"]
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from _patterns(one)


def _check_pattern(pattern: str) -> None:
    """Refuse a repetition without end inside another, such as `(a+)+`: its time doubles with each character."""
    if len(pattern) > _MAX_PATTERN_CHARACTERS:
        raise ValueError(f"a pattern has more than {_MAX_PATTERN_CHARACTERS} characters")
    repeats = [False]
    closed = False  # whether the group just closed has a repetition in it
    for piece in _PIECES.findall(pattern):
        if _WITHOUT_END.fullmatch(piece):
            if closed:
                raise ValueError("a pattern repeats a repetition without end")
            repeats[-1] = True
        closed = False
        if piece == "(":
            repeats.append(False)
        elif piece == ")" and len(repeats) > 1:
            closed = repeats.pop()
            repeats[-1] |= closed
