"""A version's files from the file store in a folder that a process can load."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from uuid import UUID

from common.errors import NotFound
from files.services import open_blob
from files.storage import told_when_away
from inference.folders import fill, remove
from inference.host.places import cache_folder
from registry.models import ModelVersion


def materialise(version: ModelVersion) -> Path:
    """Give a read-only folder with exactly the files of a version from `read_version`; asks the database nothing.

    Each file has the SHA-256 it was registered with. Raises Invalid (wrong_hash) if the store gives other bytes,
    NotFound if it has none, Unavailable if it is away.
    """
    blobs = {file.path: file.blob for file in version.files.all()}
    if not blobs:
        raise NotFound(f"{version} has no files", code="blob_missing")
    hashes = {path: blob.pk for path, blob in blobs.items()}
    with told_when_away():
        folder = fill(cache_folder("models") / str(version.pk), hashes, lambda path: open_blob(blobs[path]))
    os.utime(folder)  # in use: `clear_unused` leaves it alone
    return folder


def clear_unused(keep: set[UUID], unused_s: float = 0.0) -> None:
    """Delete copies of versions that are not wanted, and what was left half made, both unused for so many seconds."""
    kept, until = {str(version_id) for version_id in keep}, time.time() - unused_s
    for folder in (*cache_folder("models").iterdir(), *cache_folder("checks").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # one that was made or removed meanwhile
            if folder.name not in kept and folder.stat().st_mtime <= until:
                remove(folder)
