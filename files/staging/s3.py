"""Uploads on their way into a bucket: parts of a multipart upload, the unfinished last one as an object beside it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from common.errors import NotFound
from files.content import BINARY, HEAD_BYTES, sniff
from files.models import Upload
from files.storage import CHUNK_BYTES, incoming_folder, s3, s3_key, s3_refusal, storage_key, told_when_full

_GONE = frozenset({"NoSuchKey", "NoSuchUpload", "404"})
PRESIGNED_S = 3600


class PartWriter:
    """Collects a part in a temporary file and sends it on; a part number is never used by two requests."""

    def __init__(self, upload: Upload) -> None:
        self._upload, self._number = upload, upload.next_part
        self._parts: list[dict[str, Any]] = [dict(part) for part in upload.parts]
        self._buffer = tempfile.TemporaryFile(dir=incoming_folder())  # noqa: SIM115 - `close` does
        self.pending_bytes = 0
        if self._parts and "key" in self._parts[-1]:
            self._take_back(self._parts.pop()["key"])

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        with told_when_full():
            self._buffer.write(data)
        self.pending_bytes += len(data)

    def flush(self) -> list[dict[str, Any]]:
        """Send what was collected: as a part if it is one, else as an object that the next request takes back."""
        if not self.pending_bytes:
            return self._parts
        known = sum(part["size"] for part in self._parts)
        is_last = known + self.pending_bytes == self._upload.size_bytes
        if not is_last and self.pending_bytes < self._upload.part_bytes:
            return [*self._parts, self._put_aside()]
        self._parts.append(self._send())
        self._buffer.seek(0)
        self._buffer.truncate()
        self.pending_bytes = 0
        return self._parts

    def close(self) -> None:
        """Drop the temporary file."""
        self._buffer.close()

    def _send(self) -> dict[str, Any]:
        client, bucket = s3()
        self._buffer.seek(0)
        # A request that was taken over may still be sending the part after the last that counts: each begins higher.
        number = 1 + max((part["number"] for part in self._parts), default=0)
        number = max(number, self._number)
        sent = client.upload_part(
            Bucket=bucket,
            Key=_key(self._upload),
            UploadId=self._upload.multipart_id,
            PartNumber=number,
            Body=self._buffer,
        )
        return {"number": number, "etag": sent["ETag"], "size": self.pending_bytes}

    def _put_aside(self) -> dict[str, Any]:
        client, bucket = s3()
        key = f"{self._upload.staging_key}/rest-{self._number}"
        self._buffer.seek(0)
        client.put_object(Bucket=bucket, Key=s3_key(key), Body=self._buffer)
        self._buffer.seek(0, 2)
        return {"key": key, "size": self.pending_bytes}

    def _take_back(self, key: str) -> None:
        client, bucket = s3()
        client.download_fileobj(bucket, s3_key(key), self._buffer)
        self.pending_bytes = self._buffer.seek(0, 2)


@dataclass(frozen=True, slots=True)
class StagedObject:
    """An object that was read back and hashed."""

    key: str
    sha256: str
    size_bytes: int
    content_type: str

    def keep(self) -> None:
        """Copy it to its place, within S3."""
        client, bucket = s3()
        client.copy({"Bucket": bucket, "Key": self.key}, bucket, s3_key(storage_key(self.sha256)))


def begin(upload: Upload) -> None:
    """Begin the multipart upload."""
    client, bucket = s3()
    upload.multipart_id = client.create_multipart_upload(Bucket=bucket, Key=_key(upload))["UploadId"]


def open(upload: Upload, *, is_continued: bool) -> PartWriter:  # noqa: A001 - the words of `Staging`
    """Go on after the parts that are safe."""
    return PartWriter(upload)


@contextmanager
def assembled(upload: Upload) -> Iterator[StagedObject]:
    """Complete the multipart upload, and read the whole object back."""
    client, bucket = s3()
    parts = [{"PartNumber": part["number"], "ETag": part["etag"]} for part in upload.parts]
    try:
        _complete(upload, parts)
        body = client.get_object(Bucket=bucket, Key=_key(upload))["Body"]
        digest, size, kind = hashlib.sha256(), 0, BINARY
        while chunk := body.read(CHUNK_BYTES):
            kind = kind if size else sniff(chunk[:HEAD_BYTES])
            digest.update(chunk)
            size += len(chunk)
    except s3_refusal() as error:
        if error.response["Error"].get("Code") in _GONE:
            raise NotFound("the bytes of this upload are gone", code="upload_lost") from None
        raise
    yield StagedObject(_key(upload), digest.hexdigest(), size, kind)


def discard(upload: Upload) -> None:
    """Abort the multipart upload and delete the objects beside it."""
    client, bucket = s3()
    try:
        client.abort_multipart_upload(Bucket=bucket, Key=_key(upload), UploadId=upload.multipart_id)
    except s3_refusal() as error:
        if error.response["Error"].get("Code") not in _GONE:
            raise
    found = client.list_objects_v2(Bucket=bucket, Prefix=f"{s3_key(str(upload.staging_key))}/")
    for item in found.get("Contents", ()):
        client.delete_object(Bucket=bucket, Key=item["Key"])


def presign(upload: Upload, numbers: Sequence[int]) -> dict[int, str]:
    """Give an address for each part by its number, good for an hour and for a body of just its size."""
    return {number: _presign(upload, number, PRESIGNED_S, part_size(upload, number)) for number in numbers}


def presign_any(upload: Upload, numbers: Sequence[int], seconds: int) -> dict[int, str]:
    """Give an address for each part by its number, for a body of any size."""
    return {number: _presign(upload, number, seconds) for number in numbers}


def _presign(upload: Upload, number: int, seconds: int, size: int | None = None) -> str:
    client, bucket = s3()
    part = {"Bucket": bucket, "Key": _key(upload), "UploadId": upload.multipart_id, "PartNumber": number}
    part |= {} if size is None else {"ContentLength": size}
    return str(client.generate_presigned_url("upload_part", Params=part, ExpiresIn=seconds))


def part_size(upload: Upload, number: int) -> int:
    """Give the size of a part."""
    return min(upload.part_bytes, upload.size_bytes - (number - 1) * upload.part_bytes)


def list_parts(upload: Upload) -> list[dict[str, Any]]:
    """Give the parts that S3 says it has, in order."""
    client, bucket = s3()
    pages = client.get_paginator("list_parts").paginate(Bucket=bucket, Key=_key(upload), UploadId=upload.multipart_id)
    found = [part for page in pages for part in page.get("Parts", ())]
    return [{"number": part["PartNumber"], "etag": part["ETag"], "size": part["Size"]} for part in found]


def _key(upload: Upload) -> str:
    return s3_key(f"{upload.staging_key}/whole")


def _complete(upload: Upload, parts: list[dict[str, Any]]) -> None:
    client, bucket = s3()
    if not parts:
        client.put_object(Bucket=bucket, Key=_key(upload), Body=b"")
        return
    try:
        client.complete_multipart_upload(
            Bucket=bucket, Key=_key(upload), UploadId=upload.multipart_id, MultipartUpload={"Parts": parts}
        )
    except s3_refusal() as error:
        if error.response["Error"].get("Code") != "NoSuchUpload":  # an earlier try has completed it
            raise
