"""The outside anchor: a place beside the database where statements and sealed segments are only ever added.

`file:///folder` or `s3://bucket/prefix?endpoint_url=…&region_name=…&lock=COMPLIANCE&lock_days=3650`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from django.conf import settings

from audit.statements import Statement

# What Flueman puts there beside statements; nothing else is ever opened by name.
NAMES = re.compile(r"(segments|exports)/[0-9a-z][0-9a-z-]{0,100}\.zip")


class Anchor(Protocol):
    """Where statements are kept out of the database's reach. Every method raises Unavailable if the place is away."""

    where: str

    def known(self, after: int = 0) -> Iterator[tuple[int, str]]:
        """Give number and hash of the statements past a number, in order."""

    def fetch(self, number: int, digest: str) -> Statement:
        """Give a statement that is known. Raises NotFound."""

    def append(self, statement: Statement) -> None:
        """Keep a statement for good; the same one again changes nothing."""

    def put(self, name: str, source: Path, *, is_sealed: bool = False) -> None:
        """Keep a file; with `is_sealed` under the same lock as statements."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Give the bytes of a file that was put. Raises NotFound."""

    def names(self, folder: str) -> list[str]:
        """Give the names of what was put in a folder."""

    def remove(self, name: str) -> None:
        """Take away a file that is not sealed."""


def the_anchor() -> Anchor:
    """Give the anchor that the settings name."""
    url = urlsplit(settings.AUDIT_ANCHOR_URL)
    if url.scheme == "s3":
        from audit.anchor_s3 import BucketAnchor  # noqa: PLC0415 - boto3 takes long to import, and most do without

        return BucketAnchor(url)
    from audit.anchor_folder import FolderAnchor  # noqa: PLC0415 - the two are alike

    return FolderAnchor(Path(unquote(url.path)))
