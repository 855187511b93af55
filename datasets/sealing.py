"""The digest of a version: what stands for its rows. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PartFile:
    """Some rows of a version in a Parquet file, all of one split."""

    path: Path
    rows: int
    split: str = ""


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What the digest says of a part."""

    split: str
    rows: int
    sha256: str


def content_digest(columns: Sequence[dict[str, str]], parts: Sequence[PartFacts]) -> str:
    """Give the SHA-256 of columns and parts, hex."""
    said = {"columns": list(columns), "parts": [[part.split, part.rows, part.sha256] for part in parts]}
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
