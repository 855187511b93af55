"""Uploads on their way into a folder: files of bytes, one after the other; a lone one is moved, several are joined."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.durable import sync_folder
from common.errors import NotFound
from files.models import Upload
from files.storage import CHUNK_BYTES, Received, examined, incoming_folder, told_when_full


class SegmentWriter:
    """Writes one segment. What another request writes goes into a segment of its own and is not counted."""

    def __init__(self, upload: Upload, *, is_continued: bool) -> None:
        folder = _folder(upload)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._parts: list[dict[str, Any]] = [dict(part) for part in upload.parts]
        if not (is_continued and self._parts):
            self._parts.append({"name": f"{upload.next_part:08d}", "size": 0})
        path = folder / self._parts[-1]["name"]
        with told_when_full():
            self._file = path.open("ab", buffering=0)
            self._file.truncate(self._parts[-1]["size"])
        sync_folder(folder)
        self.pending_bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        with told_when_full():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self.pending_bytes += len(data)

    def flush(self) -> list[dict[str, Any]]:
        """Make what was written durable."""
        with told_when_full():
            os.fsync(self._file.fileno())
        self._parts[-1]["size"] += self.pending_bytes
        self.pending_bytes = 0
        return [part for part in self._parts if part["size"]]

    def close(self) -> None:
        """Close the segment."""
        self._file.close()


def begin(upload: Upload) -> None:
    """Make the folder."""
    with told_when_full():
        _folder(upload).mkdir(mode=0o700)


def open(upload: Upload, *, is_continued: bool) -> SegmentWriter:  # noqa: A001 - the word of `Staging`
    """Go on in the last segment, or in a new one beside a writer that may still be there."""
    return SegmentWriter(upload, is_continued=is_continued)


@contextmanager
def assembled(upload: Upload) -> Iterator[Received]:
    """Give the whole file, hashed as it lies on the disk."""
    folder = _folder(upload)
    # A name of its own for each try: two may be at it at once.
    joined = folder / f"whole-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        try:
            whole = examined(_whole(folder, upload, joined))
        except FileNotFoundError:
            raise NotFound("the bytes of this upload are gone", code="upload_lost") from None
        yield whole
    finally:
        joined.unlink(missing_ok=True)  # the store has a name of its own for it


def discard(upload: Upload) -> None:
    """Delete the folder."""
    shutil.rmtree(_folder(upload), ignore_errors=True)


def _folder(upload: Upload) -> Path:
    return incoming_folder() / str(upload.id)


def _whole(folder: Path, upload: Upload, joined: Path) -> Path:
    """Give the one segment, or all of them joined."""
    names = [(part["name"], part["size"]) for part in upload.parts]
    if len(names) == 1:
        os.truncate(folder / names[0][0], names[0][1])
        return folder / str(names[0][0])
    with told_when_full(), joined.open("xb") as target:
        for name, size in names:
            with (folder / name).open("rb") as source:
                _copy(source, target, size)
        target.flush()
        os.fsync(target.fileno())
    return joined


def _copy(source: Any, target: Any, left: int) -> None:
    while left and (chunk := source.read(min(left, CHUNK_BYTES))):
        target.write(chunk)
        left -= len(chunk)
