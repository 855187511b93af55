"""The store of bytes, a folder or a bucket of S3 or Google: received whole and hashed first, durable when kept."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage

from common.durable import sync_folder
from common.errors import FluemanError, NotFound, StorageFull, TooLarge, Unavailable
from files.content import HEAD_BYTES, sniff

CHUNK_BYTES = 1024 * 1024
INCOMING = ".incoming"
log = logging.getLogger(__name__)
# EFBIG: a file size limit of the process or the file system.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Whole(Protocol):
    """Bytes that have been read to their end and hashed, and that can be put in the store, more than once."""

    @property
    def sha256(self) -> str:
        """Give their hash."""

    @property
    def size_bytes(self) -> int:
        """Give how many they are."""

    @property
    def content_type(self) -> str:
        """Give what they are, by the first of them."""

    def keep(self) -> None:
        """Put them in the store, durably, over whatever is there. Raises StorageFull without room."""


def storage_key(sha256: str) -> str:
    """Give the server's own name for the bytes of a hash; no part of it comes from a caller."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes in a temporary file, flushed to the disk."""

    path: Path
    sha256: str
    size_bytes: int

    @property
    def content_type(self) -> str:
        """Tell it by the first bytes."""
        with self.path.open("rb") as stream:
            return sniff(stream.read(HEAD_BYTES))

    def keep(self) -> None:
        """Put them in the store. What lies there already may be damaged; these bytes are known to be whole."""
        with told_when_full():
            if is_on_disk():
                _keep_in_folder(self)
            else:
                with self.path.open("rb") as stream:
                    default_storage.save(storage_key(self.sha256), File(stream))


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


def examined(path: Path) -> Received:
    """Hash a file where it lies."""
    with path.open("rb") as stream:
        digest, size = hashlib.sha256(), 0
        for chunk in read_chunks(stream):
            digest.update(chunk)
            size += len(chunk)
    return Received(path, digest.hexdigest(), size)


def is_kept(storage_key: str, size_bytes: int) -> bool:
    """Say whether the store has that many bytes under that key."""
    return default_storage.exists(storage_key) and default_storage.size(storage_key) == size_bytes


def is_on_disk() -> bool:
    """Say whether the store is a folder of this machine; else it is a bucket."""
    return isinstance(default_storage, FileSystemStorage)


def is_on_s3() -> bool:
    """Say whether the store is a bucket of S3."""
    return hasattr(default_storage, "connection")


def presigned(key: str, *, disposition: str, content_type: str, seconds: int) -> str:
    """Give an address at which the bucket itself hands out some bytes for a while."""
    if not is_on_s3():
        shown = {"response_disposition": disposition, "response_type": content_type}
        blob = default_storage.bucket.blob(s3_key(key))  # type: ignore[attr-defined]
        return str(blob.generate_signed_url(expiration=timedelta(seconds=seconds), version="v4", **shown))
    client, bucket = s3()
    wanted = {"Bucket": bucket, "Key": s3_key(key)}
    wanted |= {"ResponseContentDisposition": disposition, "ResponseContentType": content_type}
    return str(client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds))


def s3() -> tuple[Any, str]:
    """Give the client and the bucket of a store on S3."""
    return default_storage.connection.meta.client, default_storage.bucket_name  # type: ignore[attr-defined]


def s3_key(key: str) -> str:
    """Give the name in the bucket of what the store calls `key`."""
    return str(default_storage._normalize_name(key))  # type: ignore[attr-defined]


def open_part(key: str, start: int, length: int) -> BinaryIO:
    """Open some of the bytes under a key, to be read in pieces. Raises NotFound if the store lacks them."""
    try:
        if is_on_disk():
            stream = default_storage.open(key, "rb")
            stream.seek(start)
            return Limited(stream, length)  # type: ignore[return-value]
        if not is_on_s3():
            return Limited(_open_googles(key, start), length)  # type: ignore[return-value]
        client, bucket = s3()
        wanted = {"Range": f"bytes={start}-{start + length - 1}"} if length else {}
        return Limited(client.get_object(Bucket=bucket, Key=s3_key(key), **wanted)["Body"], length)  # type: ignore[return-value]
    except FileNotFoundError:
        raise _lost(key) from None
    except s3_refusal() as error:
        if error.response["ResponseMetadata"].get("HTTPStatusCode") == 404:
            raise _lost(key) from None
        raise


def _open_googles(key: str, start: int) -> BinaryIO:
    blob = default_storage.bucket.get_blob(s3_key(key))  # type: ignore[attr-defined]
    if blob is None:
        raise _lost(key)
    stream: BinaryIO = blob.open("rb", chunk_size=CHUNK_BYTES)
    stream.seek(start)
    return stream


class Limited:
    """At most so many bytes of a stream. Raises EOFError where there are fewer: an answer must not end early unseen."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream, self._left = stream, length

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, none at the end."""
        wanted = self._left if size < 0 else min(size, self._left)
        data: bytes = self._stream.read(wanted) if wanted else b""
        if wanted and not data:
            raise EOFError("the file store gave fewer bytes than it should")
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()


def incoming_folder() -> Path:
    """Give the folder for bytes on their way in: beside the blobs where these are files, so that a rename is enough."""
    root = Path(default_storage.location) if is_on_disk() else settings.FLUEMAN_HOME  # type: ignore[attr-defined]
    folder = root / INCOMING
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def list_keys(folder: str = "") -> Iterator[str]:
    """Give the keys of all that the store holds, in order, without what is on its way in."""
    if is_on_disk() and not default_storage.exists(folder):
        return  # nothing was ever kept
    folders, names = default_storage.listdir(folder)
    for name in sorted(names):
        yield f"{folder}{name}"
    for name in sorted(folders):
        if name != INCOMING:
            yield from list_keys(f"{folder}{name}/")


def _lost(key: str) -> NotFound:
    return NotFound(f"the file store lacks the bytes of {key.rpartition('/')[2]}", code="blob_missing")


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turn the ways of saying "no room" into StorageFull, and a bucket that does not answer into Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("no room is left in the file store") from error
        raise
    except s3_refusal() as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == StorageFull.status:
            raise StorageFull("no room is left in the file store") from error
        raise _away(error) from error
    except _trouble() as error:
        raise _away(error) from error


@contextmanager
def told_when_away() -> Iterator[None]:
    """Turn what a bucket raises that says no, or does not answer, into Unavailable."""
    try:
        yield
    except (OSError, FluemanError):
        raise
    except (s3_refusal(), *_trouble()) as error:
        raise _away(error) from error


def s3_refusal() -> Any:
    """Give what a bucket of S3 raises that says no. An `except` asks once something was raised: botocore is heavy."""
    return import_module("botocore.exceptions").ClientError


def _trouble() -> tuple[type[Exception], ...]:
    """Give what a bucket raises that does not answer as it should."""
    if not settings.STORAGE_URL.startswith("gs://"):  # the embedded set is without Google's
        return import_module("botocore.exceptions").BotoCoreError, import_module("boto3.exceptions").Boto3Error
    return (
        import_module("google.api_core.exceptions").GoogleAPIError,
        import_module("google.auth.exceptions").GoogleAuthError,
        import_module("requests").RequestException,
    )


def _away(error: Exception) -> Unavailable:
    log.warning("the file store: %s", error)
    return Unavailable("the file store does not answer as it should", code="storage_unavailable", retry_after_s=5)


def _keep_in_folder(bytes_: Received) -> None:
    final = Path(default_storage.path(storage_key(bytes_.sha256)))
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    bytes_.path.chmod(0o400)
    os.utime(bytes_.path)  # young: housekeeping leaves it alone
    second = bytes_.path.with_name(uuid4().hex)  # its own name may be as long as names can be
    os.link(bytes_.path, second)
    # Also over a copy that is there: the new one is known to be whole.
    second.replace(final)
    second.unlink(missing_ok=True)  # a rename onto the same file does nothing
    for folder in final.parents[:3]:
        sync_folder(folder)
