"""A version's files from the signed address that Flueman gave for it, each compared with its SHA-256."""

from __future__ import annotations

import hashlib
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote, urlsplit

from common.errors import Invalid, Unavailable
from inference.folders import fill

_TIMEOUT_S = 60.0
_MOST_INDEX_BYTES = 4 << 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed address leads nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Give nothing, which makes the redirect an error."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def fetch(source: str, files: Mapping[str, str]) -> Path:
    """Give a folder with the files. Raises Unavailable if they cannot be had, Invalid (wrong_hash) for others."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    place = Path(tempfile.gettempdir(), "flueman-models")
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_mode & 0o077:
        raise Unavailable(f"{place} is open to others", code="bad_folder")
    try:
        return fill(place / digest, files, lambda path: _open(f"{source.rstrip('/')}/{quote(path)}"))
    except (OSError, HTTPException) as error:
        raise Unavailable(f"the files of the model cannot be fetched: {error}", code="not_fetched") from None


def read_index(source: str) -> dict[str, str]:
    """Give SHA-256 by path as Flueman tells it. Raises Unavailable, or Invalid for what is no index."""
    try:
        with _open(source.rstrip("/")) as answer:
            told = json.loads(answer.read(_MOST_INDEX_BYTES))
        return {str(file["path"]): str(file["sha256"]) for file in told["files"]}
    except (OSError, HTTPException) as error:
        raise Unavailable(f"the files of the model cannot be fetched: {error}", code="not_fetched") from None
    except (ValueError, KeyError, TypeError):
        raise Invalid("the address leads to no version of a model", code="not_an_index") from None


def _open(url: str) -> BinaryIO:
    if urlsplit(url).scheme not in ("http", "https"):
        raise Invalid("the address must begin with http:// or https://", code="bad_address")
    return cast(BinaryIO, _OPENER.open(url, timeout=_TIMEOUT_S))
