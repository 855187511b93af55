"""A version's files from the file store in a folder that a process can load."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import UUID

from common.errors import Invalid, NotFound
from files.services import open_blob
from inference.host.places import cache_folder
from registry.models import ModelFile, ModelVersion

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20


def materialise(version: ModelVersion) -> Path:
    """Give a read-only folder with exactly the files of a version from `read_version`; asks the database nothing.

    Each file has the SHA-256 it was registered with. Raises Invalid (wrong_hash) if the store gives other bytes,
    NotFound if it has none.
    """
    files = list(version.files.all())
    if not files:
        raise NotFound(f"{version} has no files", code="blob_missing")
    target = cache_folder("models") / str(version.pk)
    if target.exists():
        if _is_whole(target, files):
            return target
        logger.warning("the copy of %s has changed on disk and is made again", version)
        remove(target)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for file in files:
            _copy(file, fresh)
        _seal(fresh)
        try:
            fresh.rename(target)
        except OSError:
            if not _is_whole(target, files):  # or else a check and a load made the same copy at the same time
                raise
    finally:
        if fresh.exists():
            remove(fresh)
    return target


def remove(folder: Path) -> None:
    """Delete a sealed folder."""
    for root, _, _ in os.walk(folder):
        os.chmod(root, 0o700)
    shutil.rmtree(folder)


def clear_unused(keep: set[UUID]) -> None:
    """Delete the copies of versions that are not wanted, and what a killed host left half made."""
    kept = {str(version_id) for version_id in keep}
    for folder in cache_folder("models").iterdir():
        if folder.name not in kept:
            remove(folder)
    for folder in cache_folder("checks").iterdir():
        remove(folder)


def _copy(file: ModelFile, folder: Path) -> None:
    target = folder / _inside(file.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_blob(file.blob) as source, target.open("xb") as out:
        digest = _digest(source, out)
    if digest != file.blob_id:
        raise Invalid(f"sha256 of {file.path} differs from what was registered", code="wrong_hash")


def _digest(source: BinaryIO, out: BinaryIO | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        if out:
            out.write(chunk)
    return digest.hexdigest()


def _is_whole(folder: Path, files: list[ModelFile]) -> bool:
    found = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    if found != {file.path for file in files}:
        return False
    for file in files:
        path = folder / file.path
        if path.is_symlink():
            return False
        with path.open("rb") as source:
            if _digest(source) != file.blob_id:
                return False
    return True


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Invalid(f"{name} is no path inside a folder", code="wrong_path")
    return path


def _seal(folder: Path) -> None:
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            os.chmod(Path(root, name), 0o400)
        os.chmod(root, 0o500)
