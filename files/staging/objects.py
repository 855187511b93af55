"""Uploads on their way into any other bucket, such as Google's: pieces as objects, read as one once all are there."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import default_storage

from common.errors import NotFound
from files.models import Upload
from files.storage import Received, incoming_folder, open_part, read_chunks, received, told_when_full


class ObjectWriter:
    """Collects a piece in a temporary file and stores it under a name that no other request uses."""

    def __init__(self, upload: Upload) -> None:
        self._upload, self._number = upload, upload.next_part
        self._parts: list[dict[str, Any]] = [dict(part) for part in upload.parts]
        self._buffer: IO[bytes] = tempfile.TemporaryFile(dir=incoming_folder())  # noqa: SIM115 - `close` does
        self._written = 0
        self.pending_bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        with told_when_full():
            self._buffer.write(data)
        self.pending_bytes += len(data)

    def flush(self) -> list[dict[str, Any]]:
        """Store what was collected and give the pieces, with their sizes."""
        if not self.pending_bytes:
            return self._parts
        key = f"{self._upload.staging_key}/{self._number:08d}-{self._written:08d}"
        self._buffer.seek(0)
        with told_when_full():
            default_storage.save(key, File(self._buffer))
        self._parts.append({"key": key, "size": self.pending_bytes})
        self._buffer.seek(0)
        self._buffer.truncate()
        self._written, self.pending_bytes = self._written + 1, 0
        return self._parts

    def close(self) -> None:
        """Drop the temporary file."""
        self._buffer.close()


class Pieces(io.RawIOBase):
    """The pieces of an upload as one stream."""

    def __init__(self, upload: Upload) -> None:
        self._chunks = (chunk for part in upload.parts for chunk in self._read(part))

    def read(self, size: int = -1) -> bytes:
        """Give some of the next bytes, none at the end."""
        return next(self._chunks, b"")

    @staticmethod
    def _read(part: dict[str, Any]) -> Iterator[bytes]:
        stream = open_part(part["key"], 0, part["size"])
        try:
            yield from read_chunks(stream)
        finally:
            stream.close()


def begin(upload: Upload) -> None:
    """Do nothing: objects need no folder."""


def open(upload: Upload, *, is_continued: bool) -> ObjectWriter:  # noqa: A001 - the word of `Staging`
    """Go on after the pieces that are safe."""
    return ObjectWriter(upload)


@contextmanager
def assembled(upload: Upload) -> Iterator[Received]:
    """Give the whole file, joined on this machine's disk and hashed."""
    if sum(part["size"] for part in upload.parts) != upload.size_bytes:
        raise NotFound("the bytes of this upload are gone", code="upload_lost")
    with received(Pieces(upload), upload.size_bytes) as whole:  # type: ignore[arg-type]
        yield whole


def discard(upload: Upload) -> None:
    """Delete the pieces, also those that were never counted."""
    folder = str(upload.staging_key)
    for name in default_storage.listdir(folder)[1]:
        default_storage.delete(f"{folder}/{name}")
