"""The rows of sealed versions as files on this machine: where they lie, or fetched once from S3."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from datasets.models import DatasetVersion
from files.models import Blob
from files.services import open_blob
from files.storage import is_on_disk

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class LocalPart:
    """A Parquet file of some rows of a version."""

    path: Path
    split: str
    first_row: int
    rows: int


def local_parts(version: DatasetVersion, *, split: str | None = None) -> Iterator[LocalPart]:
    """Give the parts in order, of one split if so wanted, each fetched when its turn comes. Raises NotFound."""
    parts = version.parts.select_related("blob").order_by("number")
    for part in parts if split is None else parts.filter(split=split):
        yield LocalPart(local_path(part.blob), part.split, part.first_row, part.rows)


def local_path(blob: Blob) -> Path:
    """Give a file with the bytes of a blob; nobody may write to it. Raises NotFound if the store lacks them."""
    if is_on_disk():
        with open_blob(blob):
            return Path(default_storage.path(blob.storage_key))
    kept = _copies() / blob.sha256
    try:
        os.utime(kept)  # in use: `tidy_copies` leaves it alone
    except FileNotFoundError:
        _fetch(blob, kept)
    return kept


def tidy_copies() -> int:
    """Delete copies that nobody has used for a day, of blobs that are gone, and left half made; give how many went."""
    if not _copies().exists():
        return 0
    young = timezone.now() - timedelta(hours=max(24, settings.PREPROCESSING_HOURS))  # an attempt may use one so long
    copies = list(_copies().iterdir())
    gone = {copy for copy in copies if _modified_at(copy) < young.timestamp()}
    left = [copy for copy in copies if copy not in gone and not copy.name.startswith(".")]
    for start in range(0, len(left), AT_ONCE):
        some = {copy.name: copy for copy in left[start : start + AT_ONCE]}
        known = set(Blob.objects.filter(pk__in=some).values_list("pk", flat=True))
        gone |= {copy for name, copy in some.items() if name not in known}
    for copy in gone:
        copy.unlink(missing_ok=True)
    return len(gone)


def _copies() -> Path:
    return Path(settings.FLUEMAN_HOME, "cache", "blobs")


def _fetch(blob: Blob, kept: Path) -> None:
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = kept.with_name(f".{uuid4().hex}")
    try:
        with open_blob(blob) as stream, fresh.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        fresh.replace(kept)
    finally:
        fresh.unlink(missing_ok=True)


def _modified_at(path: Path) -> float:
    """Give when a file was changed or used last, now for one that has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return timezone.now().timestamp()
