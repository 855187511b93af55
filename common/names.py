"""Names that people give to things: kept as they wrote them, minus what deceives or breaks."""

from __future__ import annotations

import unicodedata

from common.errors import Invalid

_JOINERS = "\u200c\u200d"


def safe_name(text: str, max_bytes: int = 255, *, slashes: bool = False, field: str = "name") -> str:
    """Give the name in NFC without space around it. Raises Invalid if it cannot be a name.

    Refused: empty, over `max_bytes` of UTF-8, control, bidirectional and invisible characters, `.`, `..`, and slashes
    unless allowed.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if problem := _problem(name, max_bytes, slashes):
        raise Invalid(f"{field}: {problem}", fields={field: problem})
    return name


def composed(name: str) -> str:
    """Give a name that somebody calls something by in NFC, as names are kept."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _problem(name: str, max_bytes: int, slashes: bool) -> str:
    if not name:
        return "must not be empty"
    if any(_is_deceiving(character) for character in name):
        return "holds a control or invisible character"
    if len(name.encode()) > max_bytes:
        return f"longer than {max_bytes} bytes"
    if not slashes and ("/" in name or "\\" in name):
        return "holds a slash"
    if any(part in {".", ".."} for part in name.replace("\\", "/").split("/")):
        return "holds a path step (. or ..)"
    return ""


def _is_deceiving(character: str) -> bool:
    """Tell control (Cc), format (Cf, with the bidirectional ones), surrogate and line-separating characters."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in _JOINERS
