"""An anchor in an S3 bucket: an object for each statement, named by number and hash, under object lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import SplitResult, parse_qsl

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audit.anchor import NAMES
from audit.statements import Statement, read_line
from common.errors import Conflict, NotFound, Unavailable

STATEMENTS = "statements/"
# Statements are small; an anchor that is away must not hold up the end of the worker.
QUICK = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 2, "mode": "standard"})
_DIGITS = 16


class BucketAnchor:
    """Objects are written once: `If-None-Match: *`, a retention date, a checksum of the body."""

    def __init__(self, url: SplitResult) -> None:
        options = dict(parse_qsl(url.query))
        self._lock = options.pop("lock", "")
        self._days = int(options.pop("lock_days", "3650"))
        self._bucket, self._prefix = url.netloc, url.path.strip("/") + "/" if url.path.strip("/") else ""
        self._s3 = boto3.client("s3", config=QUICK, **options)
        self.where = f"s3://{self._bucket}/{self._prefix}"

    def known(self, after: int = 0) -> Iterator[tuple[int, str]]:
        """Give number and hash of each statement past a number, from the names alone."""
        for name in self._list(STATEMENTS, f"{after + 1:0{_DIGITS}d}"):
            number, _dash, digest = name.removeprefix(STATEMENTS).removesuffix(".json").partition("-")
            if number.isdecimal() and int(number) > after and len(digest) == 64:
                yield int(number), digest

    def fetch(self, number: int, digest: str) -> Statement:
        """Read a statement; one that is not what its name says counts as missing."""
        with self._told():
            body = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + _name(number, digest))["Body"].read()
        try:
            statement = read_line(body)
        except ValueError:
            raise NotFound(f"statement {number} in the anchor cannot be read") from None
        if (statement.number, statement.hash) != (number, digest):
            raise NotFound(f"statement {number} in the anchor is not what its name says")
        return statement

    def append(self, statement: Statement) -> None:
        """Write the statement's object, unless it is there."""
        there = {digest for number, digest in self.known(statement.number - 1) if number == statement.number}
        if there - {statement.hash}:
            raise Conflict(f"the anchor holds another statement {statement.number}", code="anchor_differs")
        if not there:
            key = self._prefix + _name(statement.number, statement.hash)
            with self._told():
                self._s3.put_object(
                    Bucket=self._bucket, Key=key, Body=statement.line, IfNoneMatch="*", **self._retention()
                )

    def put(self, name: str, source: Path, *, is_sealed: bool = False) -> None:
        """Send a file, in parts where it is large."""
        extra = self._retention() if is_sealed else {}
        with self._told():
            self._s3.upload_file(str(source), self._bucket, self._key(name), ExtraArgs=extra)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Give the bytes of a file that was put, as a stream."""
        with self._told():
            body: Any = self._s3.get_object(Bucket=self._bucket, Key=self._key(name))["Body"]
        try:
            yield body
        except BotoCoreError as error:  # the rest does not come
            raise Unavailable(f"the audit anchor does not answer: {error}", code="anchor_away") from error
        finally:
            body.close()

    def names(self, folder: str) -> list[str]:
        """Give the names of what was put in a folder."""
        return [name for name in self._list(f"{folder}/") if NAMES.fullmatch(name)]

    def remove(self, name: str) -> None:
        """Take a file away."""
        with self._told():
            self._s3.delete_object(Bucket=self._bucket, Key=self._key(name))

    def _list(self, folder: str, after: str = "") -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2")
        start = {"StartAfter": self._prefix + folder + after} if after else {}
        with self._told():
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + folder, **start):
                for item in page.get("Contents", ()):
                    yield item["Key"].removeprefix(self._prefix)

    def _key(self, name: str) -> str:
        if not NAMES.fullmatch(name):
            raise NotFound(f"nothing in the anchor is called {name}")
        return self._prefix + name

    def _retention(self) -> Mapping[str, Any]:
        if not self._lock:
            return {}
        until = datetime.now(UTC) + timedelta(days=self._days)
        return {"ObjectLockMode": self._lock, "ObjectLockRetainUntilDate": until}

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("NoSuchKey", "404"):
                raise NotFound("the anchor lacks this object") from error
            if code in ("PreconditionFailed", "ConditionalRequestConflict"):
                return  # the same name means the same bytes: somebody else has written it
            raise Unavailable(f"the audit anchor does not answer: {error}", code="anchor_away") from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"the audit anchor does not answer: {error}", code="anchor_away") from error


def _name(number: int, digest: str) -> str:
    return f"{STATEMENTS}{number:0{_DIGITS}d}-{digest}.json"
