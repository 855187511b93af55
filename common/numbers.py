"""Whole numbers that somebody typed, or put into an address. Pure."""

from __future__ import annotations

MOST_DIGITS = 19
LARGEST = 2**63 - 1  # that databases keep


def whole(text: str, *, least: int = 0, most: int = LARGEST) -> int | None:
    """Give the number that a text writes in plain digits, `None` for any other text or number.

    `"²".isdigit()` is true and `int` raises at it, as at more than 4,300 digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        return None
    number = int(text)
    return number if least <= number <= most else None
