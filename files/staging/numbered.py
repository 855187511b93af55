"""Parts of an upload by their number, in any order and again: on disk and in buckets of others files of their own.

The name of each is its number and its SHA-256, which is its entity tag: no row has to be written for it. On S3 parts go
straight to the bucket, which knows them itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage

from common.durable import sync_folder
from common.errors import NotFound
from files.models import Upload
from files.staging import s3
from files.storage import Received, incoming_folder, is_on_disk, is_on_s3, told_when_full

LEAST_S3_BYTES = 5 * 1024 * 1024  # of a part that is not the last. Source: Amazon S3, multipart upload limits


def put(upload: Upload, number: int, part: Received) -> None:
    """Keep a part in the place of another of this number. Raises NotFound if the upload is gone."""
    name = f"{number:05d}-{part.sha256}"
    older = [one for one in _names(upload) if one.startswith(f"{number:05d}-") and one != name]
    with told_when_full():
        if is_on_disk():
            try:
                part.path.replace(_folder(upload) / name)
            except FileNotFoundError:
                raise NotFound("there is no such upload", code="upload_lost") from None
            sync_folder(_folder(upload))
            for one in older:
                (_folder(upload) / one).unlink(missing_ok=True)
            return
        with part.path.open("rb") as stream:
            default_storage.save(f"{upload.staging_key}/{name}", File(stream))
        for one in older:
            default_storage.delete(f"{upload.staging_key}/{one}")


def listed(upload: Upload) -> dict[int, dict[str, Any]]:
    """Give what is there by number: entity tag and size, and what `assembled` wants to know."""
    with told_when_full():
        if is_on_s3():
            return {part["number"]: part for part in s3.list_parts(upload)}
        found = {int(name[:5]): _part(upload, name) for name in _names(upload)}
        return {number: part for number, part in found.items() if part}


def _part(upload: Upload, name: str) -> dict[str, Any]:
    """Give a part, nothing if another has taken its place by now."""
    try:
        if is_on_disk():
            return {"name": name, "etag": name[6:], "size": (_folder(upload) / name).stat().st_size}
        key = f"{upload.staging_key}/{name}"
        return {"key": key, "etag": name[6:], "size": default_storage.size(key)}
    except FileNotFoundError:
        return {}


def _names(upload: Upload) -> list[str]:
    if is_on_disk():
        return [path.name for path in _folder(upload).glob("[0-9]*-*")]
    return [name for name in default_storage.listdir(str(upload.staging_key))[1] if name[:5].isdigit()]


def _folder(upload: Upload) -> Path:
    return incoming_folder() / str(upload.id)
