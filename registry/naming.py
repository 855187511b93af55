"""What models, aliases, tags and the files of a version may be called. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from common.errors import Invalid
from common.names import safe_name

MAX_NAME_CHARACTERS = 100
MAX_KEY_CHARACTERS = 250
MAX_VALUE_CHARACTERS = 100_000  # of a tag. Source: MLflow 3, limits of tags in its registry
MAX_PATH_CHARACTERS = 255
MAX_DEPTH = 8

_NAME = re.compile(r"\w(?:[\w.-]*\w)?")
_RESERVED_ALIASES = frozenset({"latest"})
_NUMBER_LIKE = re.compile(r"v?\d+(?:\.\d+)*", re.IGNORECASE)
RULE = "must begin and end with a letter, digit or _ and hold only letters of any script, digits, . _ and -"


def model_name(text: str) -> str:
    """Give a model's name in its one form (NFC). Raises Invalid with the rule."""
    return _name(text, "name")


def alias_name(text: str) -> str:
    """Give an alias in its one form. Raises Invalid with the rule, or if it could be taken for a version number."""
    name = _name(text, "alias")
    if name.lower() in _RESERVED_ALIASES or _NUMBER_LIKE.fullmatch(name):
        raise _bad("alias", "may neither look like a version number nor be 'latest'")
    return name


def tag_key(text: str) -> str:
    """Give a tag's key in its one form. Raises Invalid if it is empty, too long or holds control characters."""
    key = unicodedata.normalize("NFC", str(text)).strip()
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise _bad("key", f"must be 1 to {MAX_KEY_CHARACTERS} printable characters")
    return key


def file_path(text: str, *, deepest: int = MAX_DEPTH) -> str:
    """Give a path inside a version's folder in its one form: relative, with slashes. Raises Invalid naming it."""
    path = str(text).replace("\\", "/").removeprefix("./")
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path) or any(part in ("", ".", "..") for part in parts):
        raise _bad("files", f"{path[:200]!r} is not a plain path inside a folder")
    if len(parts) > deepest:
        raise _bad("files", f"{path[:200]!r} lies more than {deepest} folders deep")
    path = "/".join(safe_name(part) for part in parts)
    if len(path) > MAX_PATH_CHARACTERS:
        raise _bad("files", f"{path[:80]!r}… has more than {MAX_PATH_CHARACTERS} characters")
    return path


def clashes(path: str, others: Iterable[str]) -> bool:
    """Whether a path is that of another file or of its folder, the other way round too; case does not count."""
    own = path.casefold()
    return any(f"{own}/".startswith(f"{it}/") or f"{it}/".startswith(f"{own}/") for it in map(str.casefold, others))


def _name(text: str, field: str) -> str:
    name = unicodedata.normalize("NFC", str(text)).strip()
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise _bad(field, f"must have 1 to {MAX_NAME_CHARACTERS} characters")
    if not _NAME.fullmatch(name):
        raise _bad(field, RULE)
    return name


def _bad(field: str, what: str) -> Invalid:
    return Invalid(f"{field}: {what}", fields={field: what})
