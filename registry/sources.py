"""Where a version is said to come from: an address of another product's, or one of a version or folder here. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from common.errors import Invalid
from common.names import composed

LONGEST_SOURCE = 1000
MOST_DECODINGS = 10

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_MODEL = re.compile(r"models:/([^/@:]+)(?:/([0-9]{1,9})|@([^/@:]+))/?")
_STEPS = re.compile(r"[/\\]")
_LOCAL = (
    "Files of this server are not read by their path: upload the folder to the artifact store (mlflow-artifacts:/…), "
    "or name an address such as s3://…"
)


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A version here, by number or by alias."""

    model: str
    number: int | None = None
    alias: str = ""


def check_source(text: str) -> str:
    """Give a source in its one form; it is kept and shown, and opened only where it lies here. Raises Invalid."""
    source = text.strip()
    if not source or len(source) > LONGEST_SOURCE:
        raise _bad(source, f"It must have 1 to {LONGEST_SOURCE} characters.")
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in source):
        raise _bad(source, "It holds a control or invisible character.")
    scheme = _SCHEME.match(source)
    if scheme is None or scheme[1].lower() == "file":
        raise _bad(source, _LOCAL)
    if _has_steps(source):
        raise _bad(source, "It must be an absolute path without relative path references.")
    if scheme[1].lower() in ("models", "runs", "mlflow-artifacts") and any(mark in source for mark in "?#"):
        raise _bad(source, "It must have neither a query nor a fragment.")
    return source


def named_version(source: str) -> NamedVersion | None:
    """Give the version that a `models:/` source names, None for a source of another kind. Raises Invalid."""
    if not source.lower().startswith("models:"):
        return None
    found = _MODEL.fullmatch(source)
    if found is None:
        raise _bad(source, "It must name a version as models:/name/1 or models:/name@alias.")
    name, number, alias = found.groups()
    return NamedVersion(composed(unquote(name)), int(number) if number else None, composed(unquote(alias or "")))


def _has_steps(source: str) -> bool:
    """Tell whether a source holds `..`, a backslash or NUL, however often they are encoded."""
    for _ in range(MOST_DECODINGS):
        if "\0" in source or "\\" in source or any(part in (".", "..") for part in _STEPS.split(source)):
            return True
        decoded = unquote_plus(source)
        if decoded == source:
            return False
        source = decoded
    return True


def _bad(source: str, why: str) -> Invalid:
    return Invalid(f"Invalid model version source: '{source[:200]}'. {why}", fields={"source": why})
