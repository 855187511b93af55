"""Patterns that people write: Rust's regular expressions, whose time grows with the text alone, of bounded size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import polars as pl
from django.utils.translation import get_language, gettext

from common.errors import Invalid

LONGEST = 1000
LONGEST_REPLACEMENT = 1000
MOST_REPEATS = 5000
_PIECE = re.compile(
    r"\\(?:[pPxuU]\{[^}]*\}|.)|\{(\d+)(?:,(\d*))?\}|\(\?(?:[a-zA-Z]*-?[a-zA-Z]*[:)]|<?[=!]|P?[=<>(])?|.", re.S
)
_REFERENCE = re.compile(r"\$\$|\$(?:\{([^}]*)\}|(\w+))")


def checked_pattern(
    pattern: str, *, parameter: str, ignore_case: bool = False, most_repeats: int = MOST_REPEATS
) -> str:
    """Give a pattern as Polars takes it. Raises Invalid, naming the parameter, for one that cannot be used."""
    said = _wrong_with(pattern, most_repeats, get_language() or "")
    if said:
        raise Invalid(said, code="wrong_pattern", fields={parameter: said})
    return f"(?i){pattern}" if ignore_case else pattern


def check_replacement(pattern: str, replacement: str, *, parameter: str) -> None:
    """Check that a replacement names groups of the pattern. Raises Invalid, naming the parameter."""
    said = ""
    if len(replacement) > LONGEST_REPLACEMENT:
        said = gettext("This is longer than %(most)d characters.") % {"most": LONGEST_REPLACEMENT}
    elif re.search(r"\\\d", replacement):
        said = gettext("A group is written ${1} here, not \\1.")
    else:
        known = {"0", *_groups(pattern)}
        for found in _REFERENCE.finditer(replacement):
            name = found[1] if found[1] is not None else found[2]
            if name is not None and name not in known:
                said = gettext("The pattern has no group “%(name)s”. Write ${1} for the first group, $$ for $.")
                said %= {"name": name}
                break
    if said:
        raise Invalid(said, code="wrong_replacement", fields={parameter: said})


@lru_cache(maxsize=256)
def _wrong_with(pattern: str, most_repeats: int, _language: str) -> str:
    """Say what is wrong with a pattern, in the language of who asks; nothing if it is good."""
    if not pattern or len(pattern) > LONGEST:
        return gettext("A pattern has 1 to %(most)d characters.") % {"most": LONGEST}
    said = _too_much(pattern, most_repeats)
    if said:
        return said
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError as error:
        lines = str(error).splitlines()
        if "size limit" in lines[0]:
            return gettext("This pattern becomes too large: repeat less, or use narrower classes than \\w.")
        reason = next((line.removeprefix("error:").strip() for line in lines if line.startswith("error:")), lines[0])
        return gettext("This pattern cannot be read: %(reason)s") % {"reason": reason[:300]}
    return ""


def _too_much(pattern: str, most_repeats: int) -> str:
    """Say what in a pattern makes it depend on more than the text from left to right, or makes it large."""
    pieces = list(_pieces(pattern))
    for piece in pieces:
        if re.match(r"\\[1-9kg]", piece[0]):
            return gettext("Back-references such as \\1 cannot be used: they can take for ever on some texts.")
        if re.fullmatch(r"\(\?(?:<?[=!]|P=)", piece[0]):
            return gettext("Look-around such as (?=…) cannot be used: it can take for ever on some texts.")
        if piece[0] in ("(?", "(?(", "(?>"):
            return gettext("Atomic and conditional groups cannot be used; plain groups (?:…) can.")
    if _size(pieces) > most_repeats:
        return gettext("This pattern repeats too much: at most %(most)d times in all.") % {"most": most_repeats}
    return ""


def _pieces(pattern: str) -> Iterator[re.Match[str]]:
    """Give the parts of a pattern, a class of characters as its first bracket alone."""
    depth = 0
    for piece in _PIECE.finditer(pattern):
        if not depth:
            yield piece
        depth = max(0, depth + (piece[0] == "[") - (piece[0] == "]"))


def _size(pieces: Sequence[re.Match[str]]) -> int:
    """Reckon how many characters a pattern speaks of, each counted repetition written out."""
    sums, last = [0], 0
    for piece in pieces:
        if piece[1]:
            times = max(int(piece[1][:9]), int((piece[2] or "0")[:9]), 1)
            sums[-1] += last * (times - 1)
            last *= times
        elif piece[0][0] == "(" and piece[0][-1] != ")":
            sums.append(0)
        else:
            last = sums.pop() if piece[0] == ")" and len(sums) > 1 else 1
            sums[-1] += last
    return sum(sums)


@lru_cache(maxsize=256)
def _groups(pattern: str) -> frozenset[str]:
    """Give the names and numbers of the groups of a good pattern."""
    names = re.findall(r"(?<!\\)\(\?P?<([A-Za-z_]\w*)>", pattern)
    count = len(pl.Series([""]).str.extract_groups(f"({pattern})").struct.fields) - 1
    return frozenset([*names, *(str(number) for number in range(1, count + 1))])
