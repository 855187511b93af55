"""Bytes that come piece by piece, on their way to a temporary file, hashed as they come."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from common.errors import TooLarge
from files.storage import Received, incoming_folder, told_when_full


class Receiving:
    """A temporary file beside the store. Raises StorageFull without room, here and in each method."""

    def __init__(self, *, max_bytes: int) -> None:
        with told_when_full():
            descriptor, name = tempfile.mkstemp(dir=incoming_folder())
        self._path, self._stream = Path(name), os.fdopen(descriptor, "wb")
        self._digest, self._size, self._max_bytes = hashlib.sha256(), 0, max_bytes

    def write(self, data: bytes | bytearray) -> None:
        """Take the next bytes. Raises TooLarge past `max_bytes`."""
        self._size += len(data)
        if self._size > self._max_bytes:
            raise TooLarge(f"a file may have at most {self._max_bytes:,} bytes")
        self._digest.update(data)
        with told_when_full():
            self._stream.write(data)

    def whole(self) -> Received:
        """Give what came, flushed to the disk."""
        with told_when_full():
            self._stream.flush()
            os.fsync(self._stream.fileno())
        return Received(self._path, self._digest.hexdigest(), self._size)

    def close(self) -> None:
        """Let go, also of bytes that nobody kept."""
        self._stream.close()
        self._path.unlink(missing_ok=True)
