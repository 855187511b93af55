"""What a stand-alone server serves and how. It travels as it is to where the server runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spec:
    """One version: its files lie in `folder`, or are fetched from `source` and compared with `files`."""

    name: str
    version: int
    token: str = field(default="", repr=False)
    folder: str = ""
    source: str = field(default="", repr=False)
    files: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by path
    is_trusted: bool = False
    threads: int = 1
    max_batch: int = 128
    queue_rows: int = 4096
    memory_bytes: int = 6 * 1024**3
    batch_deadline_s: float = 20.0
    load_deadline_s: float = 120.0
    deadline_s: float = 10.0
    most_bytes: int = 16 * 1024 * 1024
