"""Where an artifact lies: one form of each path, and no way out of the tree."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit
from uuid import UUID

from common.errors import Invalid
from common.names import safe_name

SCHEME = "mlflow-artifacts"
VERSIONS = ".versions"  # what lies below is read only: the files of versions, by their ids
MAX_CHARACTERS = 255
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_DRIVE = re.compile(r"[A-Za-z]:")


def artifact_path(text: str) -> str:
    """Give a path of the tree in its one form: relative, with slashes, in NFC; empty for the top.

    Raises Invalid for what could mean another place to somebody: steps, backslashes, drives, escapes that are left,
    space around a name.
    """
    whole = text.strip("/") if text != "/" else ""
    if not whole:
        return ""
    if text.startswith("/"):
        raise _bad(text, "is not a path inside the tree")
    if _ESCAPED.search(whole) or any(mark in whole for mark in "\\?#"):
        raise _bad(text, "holds a backslash, ?, # or an escape (%..)")
    if _DRIVE.match(whole):
        raise _bad(text, "begins like a drive or an address")
    if any(part != part.strip() for part in whole.split("/")):
        raise _bad(text, "holds space around a name")
    try:
        path = "/".join(safe_name(part, field="path") for part in whole.split("/"))
    except Invalid as error:
        raise _bad(text, error.fields.get("path", "is no path")) from None
    if len(path) > MAX_CHARACTERS:
        raise _bad(text, f"has more than {MAX_CHARACTERS} characters")
    return path


def joined(folder: str, name: str) -> str:
    """Give the path of a name, or of the last part of a client's own path, in a folder."""
    folder, last = artifact_path(folder), re.split(r"[/\\]", name)[-1]
    if not last:
        raise _bad(name, "names no file")
    return artifact_path(f"{folder}/{last}" if folder else last)


def source_path(source: str) -> str | None:
    """Give the path in our tree that a version's source names, `None` if it lies elsewhere. Raises Invalid."""
    if source[: len(SCHEME) + 1].lower() != f"{SCHEME}:":
        return None
    try:
        parts = urlsplit(source)
    except ValueError:
        raise _bad(source, "is no address") from None
    if parts.query or parts.fragment or "?" in source or "#" in source:
        raise _bad(source, "a source holds no ? and no #")
    if parts.netloc:
        return None
    path = artifact_path(unquote(parts.path).removeprefix("/"))
    if not path:
        raise _bad(source, "names the whole tree")
    return path


def version_of(path: str) -> tuple[UUID, str] | None:
    """Give the version whose files a path speaks of, and the path within it, `None` for any other path."""
    top, _slash, rest = path.partition("/")
    if top != VERSIONS:
        return None
    name, _slash, inside = rest.partition("/")
    try:
        return UUID(hex=name), inside
    except ValueError:
        return UUID(int=0), inside


def _bad(text: str, why: str) -> Invalid:
    return Invalid(f"Invalid path {text[:200]!r}: {why}", fields={"path": why})
