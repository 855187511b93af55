"""The named files of people and of the public shelf: kept, renamed, put in the bin, taken out again, purged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, NotFound
from common.names import safe_name
from files.content import media_type
from files.models import Blob, StoredFile
from files.services.blobs import add_reference, release, store
from files.services.quotas import demand_room
from files.services.shelf import demand_place, free_name, is_shelf, path_on_shelf, same_file, shelf
from files.services.thumbnails import ask_for_thumbnail

PURGER = "files.tidy"


def add_file(*, stream: BinaryIO, name: str, owner: User, folder: str = "") -> StoredFile:
    """Keep a named file of somebody's. Raises Invalid for a bad name, TooLarge or StorageFull past a quota."""
    name, folder = safe_name(name), safe_folder(folder)
    return name_blob(blob=store(stream), name=name, owner=owner, folder=folder)


@transaction.atomic
def name_blob(*, blob: Blob, name: str, owner: User, folder: str = "", actor: User | str | None = None) -> StoredFile:
    """Make a blob somebody's file, or one of the shelf. Raises Invalid for a bad name, StorageFull past a quota."""
    name, folder = safe_name(name), safe_folder(folder)
    demand_room(owner=owner, size_bytes=blob.size_bytes, blob=blob)
    return make_file(blob=blob, name=name, folder=folder, owner=owner, actor=actor)


def make_file(*, blob: Blob, name: str, folder: str, owner: User, actor: User | str | None = None) -> StoredFile:
    """Name a blob; inside the caller's transaction, with a checked name. On the shelf a taken name gets a number."""
    place: dict[str, str] = {}
    if is_shelf(owner):
        if same := same_file(blob=blob, name=name, folder=folder):
            return same
        name = free_name(folder, name)
        place = {"shelf_path": path_on_shelf(folder, name)}
    add_reference(blob=blob)
    kind = media_type(blob.content_type, name)
    stored = StoredFile.objects.create(blob=blob, name=name, folder=folder, content_type=kind, owner=owner, **place)
    ask_for_thumbnail(blob)
    record(action="files.file_added", actor=actor or owner, target=stored, after=_facts(stored))
    return stored


def safe_folder(path: str) -> str:
    """Give a folder's path without slashes around it, empty for the top. Raises Invalid naming `folder`."""
    path = path.strip().strip("/")
    if not path:
        return ""
    whole = safe_name(path, field="folder", slashes=True)
    return "/".join(safe_name(part, field="folder") for part in whole.split("/"))


def publish_file(*, stored: StoredFile, actor: User) -> StoredFile:
    """Put a file on the shelf too, without a copy of its bytes. Raises TooLarge past the shelf's quota."""
    return name_blob(blob=stored.blob, name=stored.name, owner=shelf(), folder=stored.folder, actor=actor)


def change_file(*, stored: StoredFile, actor: User, name: str | None = None, folder: str | None = None) -> StoredFile:
    """Rename a file or move it to another folder. Raises Conflict while it lies in the bin, or for a taken place."""
    before = _facts(stored)
    name = stored.name if name is None else safe_name(name)
    folder = stored.folder if folder is None else safe_folder(folder)
    changes = {"name": name, "folder": folder, "content_type": media_type(stored.blob.content_type, name)}
    with transaction.atomic():
        if is_shelf(stored.owner):
            changes["shelf_path"] = demand_place(folder=folder, name=name, but=stored.pk)
        if not StoredFile.objects.present().filter(pk=stored.pk).update(**changes):
            raise Conflict(_("the file is in the bin"))
        stored.refresh_from_db()
        record(action="files.file_changed", actor=actor, target=stored, before=before, after=_facts(stored))
    return stored


def remove_file(*, stored: StoredFile, actor: User) -> None:
    """Put a file in the bin, where it can be restored for FILES_BIN_DAYS. Raises NotFound if it is there already."""
    gone = {"deleted_at": timezone.now(), "shelf_path": None}
    with transaction.atomic():
        if not StoredFile.objects.present().filter(pk=stored.pk).update(**gone):
            raise NotFound(_("there is no such file"))
        record(action="files.file_removed", actor=actor, target=stored, before=_facts(stored))


def restore_file(*, stored: StoredFile, actor: User) -> StoredFile:
    """Take a file out of the bin; on the shelf, under a name that is free by now.

    Raises Conflict if it is not in the bin, TooLarge past a quota.
    """
    back: dict[str, Any] = {"deleted_at": None}
    with transaction.atomic():
        if stored.owner:
            demand_room(owner=stored.owner, size_bytes=stored.blob.size_bytes, blob=stored.blob)
        if is_shelf(stored.owner):
            name = free_name(stored.folder, stored.name)
            back |= {"name": name, "shelf_path": path_on_shelf(stored.folder, name)}
        if not StoredFile.objects.filter(pk=stored.pk, deleted_at__isnull=False).update(**back):
            raise Conflict(_("the file is not in the bin"))
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
