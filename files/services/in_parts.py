"""Uploads in numbered parts whose sizes nobody announces, as MLflow's clients send them; the end is one blob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from accounts.models import User
from common.errors import Conflict, Invalid, NotFound, TooLarge
from common.transactions import transactional
from files.models import Blob, Upload
from files.receiving import Receiving
from files.services.blobs import release
from files.services.quotas import demand_room
from files.services.uploads import begin_upload, cancel_upload, finish_upload, next_expiry
from files.staging import numbered, s3
from files.storage import is_on_s3, told_when_full

MOST_PARTS = 10_000  # Source: Amazon S3, multipart upload limits
State = Upload.State


def begin_parts(*, name: str, folder: str, count: int, owner: User) -> Upload:
    """Begin an upload of so many parts. Raises Invalid, TooMany, StorageFull."""
    if not 1 <= count <= MOST_PARTS:
        raise Invalid(f"num_parts: must be from 1 to {MOST_PARTS}", fields={"num_parts": "is out of range"})
    upload = begin_upload(name=name, folder=folder, size_bytes=0, owner=owner, is_temporary=True, way=Upload.Way.PARTS)
    Upload.objects.filter(pk=upload.pk).update(next_part=count)  # nothing else numbers parts of this kind
    upload.next_part = count
    return upload


def addresses_on_s3(*, upload: Upload, seconds: int) -> dict[int, str] | None:
    """Give the bucket's own address for each part by its number; `None` where parts come to Flueman."""
    if not is_on_s3():
        return None
    with told_when_full():
        return s3.presign_any(upload, range(1, upload.next_part + 1), seconds)


class PartSink:
    """A `Sink` (`common/bodies.py`) for one part. Raises NotFound, Conflict for an upload that takes none."""

    def __init__(self, upload: Upload, number: int) -> None:
        _demand_open(upload)
        if not 1 <= number <= upload.next_part:
            raise NotFound("there is no such part")
        others = sum(part["size"] for key, part in numbered.listed(upload).items() if key != number)
        self._upload, self._number = upload, number
        self._incoming = Receiving(max_bytes=max(0, settings.MAX_UPLOAD_BYTES - others))

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._incoming.write(data)

    def end(self, is_whole: bool) -> HttpResponse:
        """Keep the part and answer with its entity tag."""
        if not is_whole:
            raise Invalid("the body ended early: this part was not kept", code="malformed")
        part = self._incoming.whole()
        before = numbered.listed(self._upload).get(self._number, {"size": 0})
        _take_room(self._upload, part.size_bytes - before["size"])
        numbered.put(self._upload, self._number, part)
        self._incoming.close()
        return HttpResponse(headers={"ETag": f'"{part.sha256}"'})

    def close(self) -> None:
        """Drop what did not come to its end."""
        self._incoming.close()


def complete_parts(*, upload: Upload, parts: Sequence[tuple[int, str]]) -> None:
    """Put the parts together, in order, as a blob that the upload holds; safe to call again.

    Raises Invalid for a part that is missing, doubled, out of order or another than was sent, TooLarge past a limit.
    """
    if upload.state == State.RECEIVING:
        chosen = _chosen(upload, parts)
        size = sum(part["size"] for part in chosen)
        if size > settings.MAX_UPLOAD_BYTES:
            cancel_upload(upload=upload)
            raise TooLarge(f"a file may have at most {settings.MAX_UPLOAD_BYTES:,} bytes")
        _close(upload, chosen, size)
    finish_upload(upload=upload)


@transactional
def hand_over(*, upload: Upload) -> Blob:
    """Forget a finished upload and give its blob to whoever needs it from now on, in the transaction of the caller."""
    held = Upload.objects.select_for_update().filter(pk=upload.pk, state=State.DONE).first()
    if held is None or held.blob is None:
        raise NotFound("there is no such upload", code="upload_lost")
    held.delete()
    release(blob=held.blob)
    return held.blob


@transactional
def _take_room(upload: Upload, size_bytes: int) -> None:
    """Count a part as the upload's before it is kept, so that what was never completed takes room like all else.

    Raises Conflict for an upload that takes no more, TooLarge or StorageFull past a quota.
    """
    held = Upload.objects.select_for_update().select_related("owner").filter(pk=upload.pk).first()
    if held is None:
        raise NotFound("there is no such upload", code="upload_lost")
    _demand_open(held)
    demand_room(owner=held.owner, size_bytes=size_bytes)
    Upload.objects.filter(pk=held.pk).update(size_bytes=max(0, held.size_bytes + size_bytes))


@transactional
def _close(upload: Upload, chosen: list[dict[str, Any]], size: int) -> None:
    """Take no more parts; if another call was quicker, its choice stands."""
    held = Upload.objects.select_for_update().filter(pk=upload.pk).values_list("size_bytes", flat=True).first()
    demand_room(owner=upload.owner, size_bytes=size - (held or 0))
    Upload.objects.filter(pk=upload.pk, state=State.RECEIVING).update(
        state=State.CHECKING, parts=chosen, size_bytes=size, received_bytes=size, expires_at=next_expiry()
    )


def _chosen(upload: Upload, parts: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    numbers, held = [number for number, _tag in parts], numbered.listed(upload)
    if len(set(numbers)) < len(numbers) or numbers != sorted(numbers):
        raise _bad("must name each part once, in order")
    if missing := sorted(set(range(1, upload.next_part + 1)).difference(numbers)):
        raise _bad(f"part {missing[0]} of {upload.next_part} is missing")
    for number, tag in parts:
        if number not in held:
            raise _bad(f"part {number} has not come")
        if held[number]["etag"].strip('"') != tag.strip('"'):
            raise _bad(f"part {number} has another ETag")
        if is_on_s3() and number < upload.next_part and held[number]["size"] < numbered.LEAST_S3_BYTES:
            raise _bad(f"part {number} is smaller than {numbered.LEAST_S3_BYTES} bytes")
    return [held[number] for number in numbers]


def _demand_open(upload: Upload) -> None:
    if upload.way != Upload.Way.PARTS or upload.state != State.RECEIVING:
        raise Conflict("this upload takes no more parts", code="not_multipart")


def _bad(problem: str) -> Invalid:
    return Invalid(f"parts: {problem}", fields={"parts": problem})
