"""An export below an S3 prefix, with the keys of the environment."""

from __future__ import annotations

from pathlib import Path

import boto3

from datasets.export.places import MARK
from files.storage import told_when_full


def upload_folder(path: Path, bucket: str, prefix: str) -> None:
    """Send a file, or all files of a folder, to keys below a prefix. Raises Unavailable, StorageFull."""
    client = boto3.client("s3")
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file() and one.name != MARK)
    with told_when_full():
        for file in files:
            own = prefix if path.is_file() else "/".join(filter(None, [prefix, file.relative_to(path).as_posix()]))
            client.upload_file(str(file), bucket, own)
