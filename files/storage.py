"""The store of bytes, a folder or an S3 bucket: received whole and hashed first, durable when kept."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage

from common.errors import StorageFull, TooLarge

CHUNK_BYTES = 1024 * 1024
INCOMING = ".incoming"
# EFBIG: a file size limit of the process or the file system.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes in a temporary file, flushed to the disk."""

    path: Path
    sha256: str
    size_bytes: int

    @property
    def storage_key(self) -> str:
        """The server's own name for these bytes; no part of it comes from a caller."""
        return f"{self.sha256[:2]}/{self.sha256[2:4]}/{self.sha256}"


def read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Give a stream's bytes piece by piece."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


@contextmanager
def received(stream: BinaryIO, max_bytes: int) -> Iterator[Received]:
    """Copy a stream to a temporary file, hashing it. Raises TooLarge past `max_bytes`, StorageFull without room."""
    descriptor, name = tempfile.mkstemp(dir=incoming_folder())
    path = Path(name)
    try:
        with told_when_full(), os.fdopen(descriptor, "wb") as target:
            digest, size = hashlib.sha256(), 0
            for chunk in read_chunks(stream):
                size += len(chunk)
                if size > max_bytes:
                    raise TooLarge(f"a file may have at most {max_bytes:,} bytes")
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        yield Received(path, digest.hexdigest(), size)
    finally:
        path.unlink(missing_ok=True)


def keep(bytes_: Received) -> None:
    """Put received bytes in the store. Raises StorageFull without room."""
    with told_when_full():
        if isinstance(default_storage, FileSystemStorage):
            _keep_in_folder(bytes_)
        elif not is_kept(bytes_.storage_key, bytes_.size_bytes):
            with bytes_.path.open("rb") as stream:
                default_storage.save(bytes_.storage_key, File(stream))


def is_kept(storage_key: str, size_bytes: int) -> bool:
    """Say whether the store has that many bytes under that key."""
    return default_storage.exists(storage_key) and default_storage.size(storage_key) == size_bytes


def incoming_folder() -> Path:
    """Give the folder for bytes on their way in: beside the blobs where these are files, so that a rename is enough."""
    root = Path(default_storage.location) if isinstance(default_storage, FileSystemStorage) else settings.FLUEMAN_HOME
    folder = root / INCOMING
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def list_keys(folder: str = "") -> Iterator[str]:
    """Give the keys of all that the store holds, in order, without what is on its way in."""
    folders, names = default_storage.listdir(folder)
    for name in sorted(names):
        yield f"{folder}{name}"
    for name in sorted(folders):
        if name != INCOMING:
            yield from list_keys(f"{folder}{name}/")


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turn the system's ways of saying "no room" into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("no room is left in the file store") from error
        raise


def _keep_in_folder(bytes_: Received) -> None:
    final = Path(default_storage.path(bytes_.storage_key))
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    bytes_.path.chmod(0o400)
    # Also over a copy that is there: the new one is known to be whole.
    bytes_.path.replace(final)
    for folder in final.parents[:3]:
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
