"""What a look into a file has found. Pure, and without Arrow: web holds these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column of a file; `type` is empty where the format knows none."""

    name: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into a file has found; `errors` says what is wrong with which of the `tried` rows."""

    format: str
    rows: int | None
    file_columns: Sequence[FileColumn]
    columns: Mapping[str, str]
    id_column: str = ""
    missing: Sequence[str] = ()
    sample: Sequence[Mapping[str, Any]] = ()
    tried: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)
