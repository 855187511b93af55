"""What nobody needs goes, on the disk or S3; counts are made to say what the rows say.

Bytes are deleted while their blob's row is held, the one place where the store is spoken to inside a transaction:
`settle` (`files/services/blobs.py`) writes its row after it has put the bytes there and looks again afterwards, so
neither can slip between the other's two steps. One blob a transaction keeps it short.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Count, ProtectedError, QuerySet, Sum
from django.utils import timezone

from common.errors import Unavailable
from files.holders import count_all, count_one
from files.models import Blob, Upload
from files.services.blobs import release
from files.storage import incoming_folder, list_keys, told_when_full

GRACE = timedelta(hours=1)  # between the storing of a blob and the writing of the row that needs it
MOST = 10_000  # at a time
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection freed, and the blobs without a reference that it left: new ones, and others."""

    blobs: int
    freed_bytes: int
    fresh: int
    fresh_bytes: int
    left: int
    left_bytes: int


def unused_blobs() -> list[Blob]:
    """Give blobs that nobody needs, and nobody has stored of late."""
    return list(_unused().order_by("stored_at")[:MOST])


def remove_unused() -> Collected:
    """Delete them, row and bytes.

    Fresh ones stay for `GRACE`; others for a row that is not counted (`verify_blobs` cures it), or for the next time.
    """
    gone = [blob.size_bytes for blob in unused_blobs() if remove_one(blob.pk)]
    fresh = _count(Blob.objects.filter(references=0, stored_at__gte=_limit()))
    return Collected(len(gone), sum(gone), *fresh, *_count(_unused()))


def remove_one(sha256: str) -> int:
    """Delete a blob, row and bytes, if still nobody needs it; give how many went."""
    try:
        with transaction.atomic():
            blob = _unused().select_for_update().filter(pk=sha256).first()
            if blob is None:
                return 0
            key = blob.storage_key
            blob.delete()
            if blob.thumbnail:
                release(blob=blob.thumbnail)
            with told_when_full():
                default_storage.delete(key)
    except ProtectedError:  # its count is wrong: `verify_blobs` says so and cures it
        return 0
    return 1


def wrong_counts() -> dict[str, tuple[int, int]]:
    """Give, by hash, the count that a blob has and the count that its rows say. Some of it may be work under way."""
    true = count_all()
    counted = Blob.objects.values_list("pk", "references").iterator()
    return {sha256: (have, true[sha256]) for sha256, have in counted if have != true[sha256]}


def correct_count(sha256: str) -> bool:
    """Make a count say what the rows say, and tell whether it did not."""
    with transaction.atomic():
        blob = Blob.objects.select_for_update().filter(pk=sha256).first()
        true = count_one(sha256)
        if blob is None or blob.references == true:
            return False
        Blob.objects.filter(pk=sha256).update(references=true)
    return True


def stray_keys() -> Iterator[str]:
    """Give what lies in the store, for longer than an hour, that no row names."""
    for key in list_keys():
        name = key.rpartition("/")[2]
        if not Blob.objects.filter(pk=name, storage_key=key).exists() and _is_old(key):
            yield key


def remove_stray(key: str) -> bool:
    """Delete such a key, unless a row names it by now, and tell whether it went."""
    name = key.rpartition("/")[2]
    if not _HASH.fullmatch(name):
        default_storage.delete(key)
        return True
    try:
        with transaction.atomic():
            # Holds the row's place: whoever stores these bytes now waits, and then finds them gone.
            Blob.objects.create(sha256=name, size_bytes=0, storage_key=key)
            with told_when_full():
                default_storage.delete(key)
            Blob.objects.filter(pk=name).delete()
    except IntegrityError:
        return False
    return True


def leftovers() -> list[str]:
    """Give what killed processes left on its way in, older than a day: temporary files, folders of uploads."""
    limit = (timezone.now() - timedelta(days=1)).timestamp()
    found = [path for path in incoming_folder().iterdir() if path.stat().st_mtime < limit]
    return sorted(path.name for path in found if not _is_upload(path.name))


def remove_leftover(name: str) -> None:
    """Delete one of them."""
    path = incoming_folder() / name
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _unused() -> QuerySet[Blob]:
    return Blob.objects.filter(references=0, stored_at__lt=_limit())


def _count(blobs: QuerySet[Blob]) -> tuple[int, int]:
    found = blobs.aggregate(blobs=Count("pk"), size=Sum("size_bytes"))
    return found["blobs"], found["size"] or 0


def _limit() -> datetime:
    return timezone.now() - GRACE


def _is_old(key: str) -> bool:
    try:
        with told_when_full():
            return bool(default_storage.get_modified_time(key) < _limit())
    except (FileNotFoundError, Unavailable):  # it has gone, or cannot be seen now
        return False


def _is_upload(name: str) -> bool:
    try:
        return Upload.objects.filter(pk=UUID(name)).exists()
    except ValueError:
        return False
