"""Multipart uploads that go straight to S3: addresses for their parts, and which of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.errors import Conflict, Invalid
from files.models import Upload
from files.staging import s3
from files.storage import told_when_full


def addresses(*, upload: Upload, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Give number, size and presigned address of parts. Raises Invalid for a part that the upload does not have."""
    _demand_direct(upload)
    if wrong := [number for number in numbers if number > upload.part_count]:
        problem = f"there are {upload.part_count} parts"
        raise Invalid(f"numbers: {problem}, {wrong[0]} is none of them", fields={"numbers": problem})
    with told_when_full():
        found = s3.presign(upload, numbers)
    return [{"number": number, "size_bytes": s3.part_size(upload, number), "url": url} for number, url in found.items()]


def parts_of(*, upload: Upload) -> list[dict[str, Any]]:
    """Give number and size of the parts that S3 has."""
    _demand_direct(upload)
    with told_when_full():
        return s3.list_parts(upload)


def _demand_direct(upload: Upload) -> None:
    if upload.way != Upload.Way.MULTIPART or upload.state != Upload.State.RECEIVING:
        raise Conflict("this upload does not go straight to S3, or has ended", code="not_multipart")
