"""Blobs by their SHA-256, counted by who needs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F
from django.utils import timezone

from common.errors import Conflict, NotFound, Unavailable
from files import storage
from files.models import Blob
from files.storage import Whole

_TRIES = 5


def store(source: BinaryIO | Path, *, max_bytes: int | None = None) -> Blob:
    """Keep the bytes of a stream or file and give their blob; the same bytes again give the same blob.

    The blob is safe from housekeeping for an hour; whoever needs it longer adds a reference. Not inside a transaction.
    Raises TooLarge past `max_bytes` (default: MAX_UPLOAD_BYTES), StorageFull if there is no room.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return store(stream, max_bytes=max_bytes)
    with storage.received(source, max_bytes or settings.MAX_UPLOAD_BYTES) as received:
        return settle(received)


def settle(whole: Whole) -> Blob:
    """Put bytes in the store and give their blob, also while housekeeping removes the same bytes.

    Housekeeping deletes bytes only while it holds the blob's row. So once our row is written the bytes are either
    there to stay or gone, and then they are put there again.
    """
    key = storage.storage_key(whole.sha256)
    for _try in range(_TRIES):
        whole.keep()
        blob, is_new = Blob.objects.get_or_create(
            sha256=whole.sha256,
            defaults={"size_bytes": whole.size_bytes, "storage_key": key, "content_type": whole.content_type},
        )
        if not is_new and not Blob.objects.filter(pk=blob.pk).update(stored_at=timezone.now()):
            continue
        with storage.told_when_full():
            if storage.is_kept(key, whole.size_bytes):
                return blob
    raise Unavailable("the file store does not keep what it is given", code="storage_unavailable", retry_after_s=5)


def adopt(path: Path) -> Blob:
    """Keep a file that lies in `incoming_folder`, is nobody else's and will not be written again, without a copy."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return settle(storage.examined(path))


def keep_for_a_while(*, blob: Blob) -> Blob:
    """Keep a blob safe from housekeeping for another hour. Raises NotFound if it is gone."""
    if not Blob.objects.filter(pk=blob.pk).update(stored_at=timezone.now()):
        raise NotFound(f"there is no blob {blob.pk}")
    return blob


def open_blob(blob: Blob) -> BinaryIO:
    """Open the bytes of a blob for reading. Raises NotFound if the store lacks them, Unavailable if it is away."""
    try:
        with storage.told_when_away():
            return cast(BinaryIO, default_storage.open(blob.storage_key, "rb"))
    except FileNotFoundError:
        raise NotFound(f"the file store lacks the bytes of {blob.sha256}", code="blob_missing") from None


def add_reference(*, blob: Blob) -> None:
    """Count one more that needs the blob. Raises NotFound if it is gone."""
    if not Blob.objects.filter(pk=blob.pk).update(references=F("references") + 1):
        raise NotFound(f"there is no blob {blob.pk}")


def release(*, blob: Blob, times: int = 1) -> None:
    """Count one less, or `times` less, that need the blob. Raises Conflict if fewer did."""
    if not Blob.objects.filter(pk=blob.pk, references__gte=times).update(references=F("references") - times):
        raise Conflict(f"nobody holds blob {blob.pk}")
