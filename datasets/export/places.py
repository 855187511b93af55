"""Where the files of an export go: one file, a zip archive, or a folder. No Django."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from common.errors import Conflict

MARK = ".flueman-export.json"
_STAMP = (2020, 1, 1, 0, 0, 0)  # the same rows give the same archive
Write = Callable[[BinaryIO], None]


class Place(Protocol):
    """Takes files by name, each written when it is put."""

    def put(self, name: str, write: Write) -> None:
        """Add a file."""


class Archive:
    """A zip archive; what is compressed already is stored as it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(stream, "w", allowZip64=True)

    def put(self, name: str, write: Write) -> None:
        """Add a file."""
        told = zipfile.ZipInfo(name, _STAMP)
        told.compress_type = zipfile.ZIP_STORED if name.endswith(".parquet") else zipfile.ZIP_DEFLATED
        told.external_attr = 0o644 << 16
        with self._zip.open(told, "w", force_zip64=True) as target:
            write(target)  # type: ignore[arg-type]

    def finish(self) -> None:
        """Write the list of contents."""
        self._zip.close()


class Folder:
    """A folder of this machine; what an earlier export put there goes, what anybody else did stays untouched."""

    def __init__(self, path: Path) -> None:
        mark = path / MARK
        if path.exists() and not mark.exists() and any(path.iterdir()):
            raise Conflict(f"the folder {path} is not empty, and was not written by an export", code="not_empty")
        self._path, self._mark = path, mark
        self._earlier: list[str] = json.loads(mark.read_text()) if mark.exists() else []
        self._names: list[str] = []
        path.mkdir(parents=True, exist_ok=True)
        self._remember([*self._earlier])

    def put(self, name: str, write: Write) -> None:
        """Add a file; it is there whole or not at all."""
        self._names.append(name)
        self._remember([*self._earlier, *self._names])
        whole_file(self._path / name, write)

    def finish(self) -> None:
        """Delete what only the earlier export had."""
        for name in set(self._earlier) - set(self._names):
            (self._path / name).unlink(missing_ok=True)
        self._remember(self._names)

    def _remember(self, names: list[str]) -> None:
        self._mark.write_text(json.dumps(sorted(set(names)), ensure_ascii=False))


def whole_file(path: Path, write: Write) -> None:
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name[:200]}.part")
    try:
        with fresh.open("wb") as target:
            write(target)
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
