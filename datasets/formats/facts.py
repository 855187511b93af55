"""What is said of a file of rows: how to read it, what was found in it, what was wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_COLUMNS = 10_000
MOST_LINE_BYTES = 16 << 20
LONGEST_RAW = 1000
FRAME_ROWS = 65_536
FRAME_BYTES = 32 << 20  # of text
FRAME_CELLS = 4_000_000
TYPES = ("text", "integer", "number", "truth", "date", "datetime", "duration")
DROP = "drop"
FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "arrow", "excel")
ENCODINGS = ("utf-8", "cp949", "utf-16-le", "utf-16-be", "latin-1")


class UnreadableError(Exception):
    """A file, or what was asked of it, that nothing can be done with; `words.py` has the sentence of each code."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code, self.values = code, values


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read; what is empty is found out. Columns are named as they come out of the file."""

    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    has_header: bool = True
    sheet: str = ""
    time_zone: str = "UTC"  # of times that say none
    types: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    date_formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Column:
    """A column: its name in the file and here, its type, and why it is not what it looks like."""

    source: str
    name: str
    type: str
    note: str = ""
    date_format: str = ""
    is_chosen: bool = False  # the type is not what the values spoke for, and somebody wants it
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was set aside: where it stands, why, and how it reads."""

    line: int
    code: str
    raw: str = ""
    column: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""


@dataclass(slots=True)
class Found:
    """What a file turned out to be."""

    format: str
    compression: str = ""
    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    sheet: str = ""
    sheets: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    warnings: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)


def cut(text: str) -> str:
    """Give the beginning of a row's text."""
    return text if len(text) <= LONGEST_RAW else f"{text[:LONGEST_RAW]}…"
