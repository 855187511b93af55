"""Where the bytes of an upload wait: segments in a folder, parts of a multipart upload on S3, objects elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from files.models import Upload
from files.staging import disk, objects, s3
from files.storage import Whole, is_on_disk, is_on_s3

Part = dict[str, Any]


class Writer(Protocol):
    """Takes the bytes of one request."""

    pending_bytes: int

    def write(self, data: bytes) -> None:
        """Take the next bytes, at most to the end of a part."""

    def flush(self) -> list[Part]:
        """Make all that was written safe and give the parts of the upload, with their sizes."""

    def close(self) -> None:
        """Let go."""


class Staging(Protocol):
    """One of the places."""

    def begin(self, upload: Upload) -> None:
        """Prepare the place; changes fields of the upload and saves nothing."""

    def open(self, upload: Upload, *, is_continued: bool) -> Writer:
        """Go on after the parts that are safe. Unless `is_continued` another request may still be writing there."""

    def assembled(self, upload: Upload) -> AbstractContextManager[Whole]:
        """Give all bytes, read back and hashed. Raises NotFound if they are gone."""

    def discard(self, upload: Upload) -> None:
        """Delete all that waits."""


def place() -> Staging:
    """Give the place that goes with the store."""
    if is_on_disk():
        return disk
    return s3 if is_on_s3() else objects
