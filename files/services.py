"""Blobs by their SHA-256, counted by who needs them, and the named files of people."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F

from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotFound
from common.names import safe_name
from files import storage
from files.models import Blob, StoredFile


def store(source: BinaryIO | Path, *, max_bytes: int | None = None) -> Blob:
    """Keep the bytes of a stream or file and give their blob; the same bytes again give the same blob.

    The row is written after the bytes are durable. Raises TooLarge past `max_bytes` (default: MAX_UPLOAD_BYTES),
    StorageFull if there is no room.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return store(stream, max_bytes=max_bytes)
    with storage.received(source, max_bytes or settings.MAX_UPLOAD_BYTES) as received:
        storage.keep(received)
    blob, _is_new = Blob.objects.get_or_create(
        sha256=received.sha256, defaults={"size_bytes": received.size_bytes, "storage_key": received.storage_key}
    )
    return blob


def open_blob(blob: Blob) -> BinaryIO:
    """Open the bytes of a blob for reading. Raises NotFound if the store lacks them."""
    try:
        return cast(BinaryIO, default_storage.open(blob.storage_key, "rb"))
    except FileNotFoundError:
        raise NotFound(f"the file store lacks the bytes of {blob.sha256}", code="blob_missing") from None


def add_reference(*, blob: Blob) -> None:
    """Count one more that needs the blob. Raises NotFound if it is gone."""
    if not Blob.objects.filter(pk=blob.pk).update(references=F("references") + 1):
        raise NotFound(f"there is no blob {blob.pk}")


def release(*, blob: Blob) -> None:
    """Count one less that needs the blob. Raises Conflict if nobody did."""
    if not Blob.objects.filter(pk=blob.pk, references__gt=0).update(references=F("references") - 1):
        raise Conflict(f"nobody holds blob {blob.pk}")


def add_file(*, stream: BinaryIO, name: str, owner: User, content_type: str = "", folder: str = "") -> StoredFile:
    """Keep a named file of somebody's. Raises Invalid for a bad name."""
    name = safe_name(name)
    blob = store(stream)
    with transaction.atomic():
        add_reference(blob=blob)
        stored = StoredFile.objects.create(
            blob=blob, name=name, folder=folder, content_type=content_type or "application/octet-stream", owner=owner
        )
        after = {"name": name, "sha256": blob.sha256, "size_bytes": blob.size_bytes}
        record(action="files.file_added", actor=owner, target=stored, after=after)
    return stored


def remove_file(*, stored: StoredFile, actor: User) -> None:
    """Take a named file away; its bytes stay while others need them. Raises NotFound if it is gone already."""
    before = {"name": stored.name, "sha256": stored.blob_id}
    with transaction.atomic():
        if not StoredFile.objects.filter(pk=stored.pk).delete()[0]:
            raise NotFound("there is no such file")
        release(blob=stored.blob)
        record(action="files.file_removed", actor=actor, target=stored, before=before)
