"""A read-only folder of files whose SHA-256 is known, from wherever their bytes come. Pure: no ORM, no settings."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from common.errors import Invalid

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20

Opener = Callable[[str], BinaryIO]


def fill(target: Path, files: Mapping[str, str], open_file: Opener) -> Path:
    """Give `target` with exactly these files (SHA-256 by path), made anew unless it is there and whole.

    Raises Invalid (wrong_hash) if other bytes come.
    """
    if target.exists():
        if _is_whole(target, files):
            return target
        logger.warning("%s has changed on disk and is made again", target)
        remove(target)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for path, sha256 in files.items():
            _copy(path, sha256, fresh, open_file)
        _seal(fresh)
        try:
            fresh.rename(target)
        except OSError:
            if not _is_whole(target, files):  # or else somebody made the same at the same time
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


def _copy(path: str, sha256: str, folder: Path, open_file: Opener) -> None:
    target = folder / _inside(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_file(path) as source, target.open("xb") as out:
        digest = _digest(source, out)
    if digest != sha256:
        raise Invalid(f"sha256 of {path} differs from what was registered", code="wrong_hash")


def _digest(source: BinaryIO, out: BinaryIO | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        if out:
            out.write(chunk)
    return digest.hexdigest()


def _is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    found = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    if found != files.keys():
        return False
    for name, sha256 in files.items():
        path = folder / name
        if path.is_symlink():
            return False
        with path.open("rb") as source:
            if _digest(source) != sha256:
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
