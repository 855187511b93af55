"""From what was sent to a folder that is worth a version: paths made plain, archives unpacked, contents judged."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.storage import default_storage

from common.errors import Invalid, TooLarge
from files.models import Blob
from files.services import open_blob
from files.storage import incoming_folder, is_on_disk, read_chunks, told_when_full
from registry import huggingface, mlflow_folders
from registry.archives import MAX_ENTRIES, unpack
from registry.formats import PROGRAMS, REFUSED, WEIGHTS, sniff
from registry.manifest import MANIFEST, Manifest, list_files, read_manifest
from registry.mlmodel import MLMODEL
from registry.naming import MAX_DEPTH, MAX_PATH_CHARACTERS, clashes, file_path

Source = Path | BinaryIO | Blob
REFUSED_CONTENT = "refused_content"
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_LITTER_FOLDERS = frozenset({"__MACOSX", ".git", ".ipynb_checkpoints", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Staged:
    """A folder that is worth a version; `reason` says why it is only kept, if it is not to be served.

    `known` has the blobs of files that are in the store already, by the number of the file (inode).
    """

    folder: Path
    manifest: Manifest
    reason: str
    known: Mapping[int, Blob]


@contextmanager
def staged(
    files: Mapping[str, Source], *, manifest: Mapping[str, Any] | None, is_kept: bool = False
) -> Iterator[Staged]:
    """Give a folder with the files, unpacked, judged by content, with their `flueman.json`; it goes when this ends.

    `manifest` is what `flueman.json` shall say where none was sent; its format and weights may be left out.
    Folders of MLflow, and with `is_kept` any, are worth a version that is only kept where they cannot be served; with
    `is_kept` each file keeps its path and its bytes.
    Raises Invalid (code `refused_content` for what must not be kept), TooLarge, StorageFull.
    """
    with tempfile.TemporaryDirectory(dir=incoming_folder()) as name, told_when_full():
        folder = Path(name, "sent")
        known = _copy_all(files, folder, is_kept)
        if not is_kept:
            folder = _tidy(_unpack_lone_archive(folder))
        paths = list_files(folder)
        if is_kept or MLMODEL in paths:
            judged = mlflow_folders.judge(folder, manifest)
            yield Staged(judged.folder, judged.manifest, judged.reason, known)
            return
        weights = judge_contents(folder)
        if MANIFEST not in paths and huggingface.is_huggingface(paths):
            _write(folder, huggingface.describe(folder, paths, manifest or {}))
        elif manifest is not None:
            write_manifest(folder, manifest, weights)
        yield Staged(folder, read_manifest(folder), "", known)


def judge_contents(folder: Path) -> dict[str, str]:
    """Give the format of each file that holds weights or a program. Raises Invalid for one that is refused."""
    kinds = {path: sniff(folder / path) for path in sorted(list_files(folder))}
    for path, kind in kinds.items():
        if kind in REFUSED:
            raise Invalid(f"{path}: is {REFUSED[kind]}", code=REFUSED_CONTENT, fields={path: f"is {REFUSED[kind]}"})
    return {path: kind for path, kind in kinds.items() if kind in WEIGHTS or kind in PROGRAMS}


def write_manifest(folder: Path, manifest: Mapping[str, Any], weights: Mapping[str, str]) -> None:
    """Write `flueman.json`. Raises Invalid if one was sent, or if it cannot be told which file holds the weights."""
    if (folder / MANIFEST).exists():
        raise Invalid(f"{MANIFEST} is among the files: send no other manifest", fields={"manifest": "given twice"})
    named = manifest.get("weights")
    if named is None and len(weights) != 1:
        what = "no file holds weights" if not weights else f"{', '.join(weights)} all hold weights: name one"
        raise Invalid(f"weights: {what}", fields={"weights": what})
    named = named if named is not None else next(iter(weights))
    known = {"weights": named, "format": weights.get(str(named))}
    whole = {**{key: value for key, value in known.items() if value}, **manifest}
    _write(folder, whole)


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    text = json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _copy_all(files: Mapping[str, Source], folder: Path, is_kept: bool) -> dict[int, Blob]:
    if not 1 <= len(files) <= MAX_ENTRIES:
        raise Invalid(f"send 1 to {MAX_ENTRIES} files", fields={"files": f"{len(files)} files"})
    left = settings.MAX_UPLOAD_BYTES
    seen: list[str] = []
    known: dict[int, Blob] = {}
    held = folder.with_name("held")
    held.mkdir()
    for name, source in files.items():
        path = file_path(name, deepest=MAX_PATH_CHARACTERS if is_kept else MAX_DEPTH)
        target = folder / path
        if not is_kept and clashes(path, seen):
            raise Invalid(f"{path} was sent twice", fields={"files": f"{path} was sent twice"})
        seen.append(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        left -= _copy(source, target, left)
        if isinstance(source, Blob):
            os.link(target, held / str(len(seen)))  # so that no later file gets its number
            known[target.stat().st_ino] = source
    return known


def _copy(source: Source, target: Path, left: int) -> int:
    if isinstance(source, Blob):
        return _take(source, target, left)
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return _copy(stream, target, left)
    written = 0
    with target.open("xb") as file:
        for chunk in read_chunks(source):
            written += len(chunk)
            if written > left:
                raise TooLarge(f"the files of a version may have at most {settings.MAX_UPLOAD_BYTES:,} bytes")
            file.write(chunk)
    return written


def _take(blob: Blob, target: Path, left: int) -> int:
    """Put a blob's bytes at a path: as a second name of its file where that is possible, for they may be gigabytes."""
    with open_blob(blob) as stream:
        if not is_on_disk() or blob.size_bytes > left:
            return _copy(stream, target, left)
        os.link(default_storage.path(blob.storage_key), target)
        return blob.size_bytes


def _unpack_lone_archive(folder: Path) -> Path:
    names = list(list_files(folder))
    if len(names) != 1 or (kind := sniff(folder / names[0])) not in ("zip", "tar", "compressed"):
        return folder
    if kind != "zip":
        raise Invalid(f"{names[0]}: only zip archives are unpacked", fields={"files": "send a zip archive"})
    unpacked = folder.with_name("unpacked")
    unpacked.mkdir()
    unpack(folder / names[0], unpacked, max_bytes=settings.MAX_UPLOAD_BYTES)
    return unpacked


def _tidy(folder: Path) -> Path:
    """Drop what systems leave lying about, and give the folder inside where all files lie in one."""
    for path in list_files(folder):
        parts = path.split("/")
        if parts[-1] in _LITTER or _LITTER_FOLDERS.intersection(parts):
            (folder / path).unlink()
    names = list_files(folder)
    if not names:
        raise Invalid("no files were sent", fields={"files": "empty"})
    tops = {name.partition("/")[0] for name in names}
    is_wrapped = len(tops) == 1 and all("/" in name for name in names)
    return _tidy(folder / tops.pop()) if is_wrapped else folder
