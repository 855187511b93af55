"""The analyser of Korean of this process, loaded when a step first needs it (about 330 MB), and texts in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

_LONGEST_PIECE = 2000  # characters: the analyser's time grows faster than a text without spaces does
_AT_ONCE = 256
_END = re.compile(r"\s(?=\S*\Z)")
_lock = Lock()
_loaded: list[Any] = []


def analyser() -> Any:
    """Give the one analyser of this process."""
    with _lock:
        if not _loaded:
            from kiwipiepy import Kiwi  # noqa: PLC0415 - hundreds of megabytes, only in jobs and previews

            _loaded.append(Kiwi(num_workers=-1, load_multi_dict=False))
            _loaded[0].tokenize("")
        return _loaded[0]


def analysed(texts: Sequence[str]) -> Iterator[list[tuple[str, list[Any]]]]:
    """Give for each text its pieces, one after the other the whole of it, each with its morphemes."""
    for first in range(0, len(texts), _AT_ONCE):
        cut = [pieces(text) for text in texts[first : first + _AT_ONCE]]
        found = analyser().tokenize([piece for some in cut for piece in some], compatible_jamo=True)
        yield from ([(piece, next(found)) for piece in some] for some in cut)


def spaced(texts: Sequence[str], *, anew: bool) -> Iterator[str]:
    """Give the texts with spaces between their words; `anew` forgets those that there are."""
    for first in range(0, len(texts), _AT_ONCE):
        cut = [pieces(text) for text in texts[first : first + _AT_ONCE]]
        found = analyser().space([piece for some in cut for piece in some], reset_whitespace=anew)
        yield from ("".join(next(found) for _piece in some) for some in cut)


def pieces(text: str) -> list[str]:
    """Cut a text into pieces that are not too long, after white space where there is some."""
    found = []
    while len(text) > _LONGEST_PIECE:
        blank = _END.search(text, _LONGEST_PIECE // 2, _LONGEST_PIECE)
        end = blank.end() if blank else _LONGEST_PIECE
        found.append(text[:end])
        text = text[end:]
    return [*found, text]
