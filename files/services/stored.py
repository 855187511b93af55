"""The named files of people: kept, renamed, put in the bin, taken out again, purged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotFound
from common.names import safe_name
from files.models import Blob, StoredFile
from files.services.blobs import add_reference, release, store
from files.services.quotas import demand_room

PURGER = "files.tidy"


def add_file(*, stream: BinaryIO, name: str, owner: User, folder: str = "") -> StoredFile:
    """Keep a named file of somebody's. Raises Invalid for a bad name, TooLarge or StorageFull past a quota."""
    name, folder = safe_name(name), safe_folder(folder)
    return name_blob(blob=store(stream), name=name, owner=owner, folder=folder)


@transaction.atomic
def name_blob(*, blob: Blob, name: str, owner: User, folder: str = "") -> StoredFile:
    """Make a blob somebody's file. Raises Invalid for a bad name, StorageFull past a quota."""
    name, folder = safe_name(name), safe_folder(folder)
    demand_room(owner=owner, size_bytes=blob.size_bytes)
    return make_file(blob=blob, name=name, folder=folder, owner=owner)


def make_file(*, blob: Blob, name: str, folder: str, owner: User) -> StoredFile:
    """Name a blob; inside the caller's transaction, with a checked name."""
    add_reference(blob=blob)
    stored = StoredFile.objects.create(blob=blob, name=name, folder=folder, content_type=blob.content_type, owner=owner)
    record(action="files.file_added", actor=owner, target=stored, after=_facts(stored))
    return stored


def safe_folder(path: str) -> str:
    """Give a folder's path without slashes around it, empty for the top. Raises Invalid naming `folder`."""
    path = path.strip().strip("/")
    if not path:
        return ""
    whole = safe_name(path, field="folder", slashes=True)
    return "/".join(safe_name(part, field="folder") for part in whole.split("/"))


def change_file(*, stored: StoredFile, actor: User, name: str | None = None, folder: str | None = None) -> StoredFile:
    """Rename a file or move it to another folder. Raises Conflict while it lies in the bin."""
    before = _facts(stored)
    changes = {"name": safe_name(name)} if name is not None else {}
    changes |= {"folder": safe_folder(folder)} if folder is not None else {}
    with transaction.atomic():
        if changes and not StoredFile.objects.present().filter(pk=stored.pk).update(**changes):
            raise Conflict("the file is in the bin")
        stored.refresh_from_db()
        record(action="files.file_changed", actor=actor, target=stored, before=before, after=_facts(stored))
    return stored


def remove_file(*, stored: StoredFile, actor: User) -> None:
    """Put a file in the bin, where it can be restored for FILES_BIN_DAYS. Raises NotFound if it is there already."""
    with transaction.atomic():
        if not StoredFile.objects.present().filter(pk=stored.pk).update(deleted_at=timezone.now()):
            raise NotFound("there is no such file")
        record(action="files.file_removed", actor=actor, target=stored, before=_facts(stored))


def restore_file(*, stored: StoredFile, actor: User) -> StoredFile:
    """Take a file out of the bin. Raises Conflict if it is not in it, TooLarge past a quota."""
    with transaction.atomic():
        if stored.owner:
            demand_room(owner=stored.owner, size_bytes=stored.blob.size_bytes)
        if not StoredFile.objects.filter(pk=stored.pk, deleted_at__isnull=False).update(deleted_at=None):
            raise Conflict("the file is not in the bin")
        stored.refresh_from_db()
        record(action="files.file_restored", actor=actor, target=stored, after=_facts(stored))
    return stored


def purge_bin() -> int:
    """Delete for good what has been in the bin long enough, and give how many files."""
    before = timezone.now() - timedelta(days=settings.FILES_BIN_DAYS)
    old = StoredFile.objects.filter(deleted_at__lt=before).select_related("blob").order_by("deleted_at")
    return sum(_purge(stored, before) for stored in old[:10_000])


def _purge(stored: StoredFile, before: Any) -> int:
    with transaction.atomic():
        deleted: int = StoredFile.objects.filter(pk=stored.pk, deleted_at__lt=before).delete()[0]
        if deleted:
            release(blob=stored.blob)
            record(action="files.file_purged", actor=PURGER, target=stored, before=_facts(stored))
    return deleted


def _facts(stored: StoredFile) -> dict[str, Any]:
    return {
        "name": stored.name,
        "folder": stored.folder,
        "sha256": stored.blob_id,
        "size_bytes": stored.blob.size_bytes,
    }
