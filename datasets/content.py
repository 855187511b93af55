"""The rows of sealed versions as files on this machine: where they lie, or fetched once from S3."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import default_storage

from datasets.models import DatasetVersion
from files.models import Blob
from files.services import open_blob
from files.storage import is_on_disk


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
    kept = Path(settings.FLUEMAN_HOME, "cache", "blobs", blob.sha256)
    if not kept.exists():
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = kept.with_name(f".{uuid4().hex}")
        with open_blob(blob) as stream, fresh.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        fresh.replace(kept)
    return kept
