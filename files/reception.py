"""The bytes of one request on their way into an upload, by the rules of tus 1.0.0."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from hmac import compare_digest
from typing import Any
from uuid import uuid4

from django.http import HttpResponse

from common.errors import Conflict, FluemanError, TooLarge
from files.models import Upload
from files.services.uploads import finish_upload, next_expiry
from files.staging import Writer, place

ALGORITHMS = ("sha1", "sha256")


class WrongChecksum(FluemanError):
    """The bytes of a request are not those that its checksum speaks of. Source: tus 1.0.0, extension checksum."""

    status = 460
    code = "wrong_checksum"


class Reception:
    """A `Sink` (`common/bodies.py`) that writes into an upload.

    Bytes count as received once they are safe, a part at a time; bytes with a checksum count all together.
    Raises Conflict if the offset is not where the upload stands. A request that comes later takes over.
    """

    def __init__(
        self,
        upload: Upload,
        *,
        offset: int,
        checksum: tuple[str, bytes] | None,
        answer: Callable[[Upload], HttpResponse],
    ) -> None:
        self._upload, self._offset, self._answer = upload, offset, answer
        self._checksum = checksum[1] if checksum else None
        self._digest = hashlib.new(checksum[0]) if checksum else None
        self._claim = uuid4()
        is_continued = upload.claim is None
        self._take_over(is_continued)
        self._writer: Writer = place().open(upload, is_continued=is_continued)

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises TooLarge past the announced size, Conflict once another has taken over."""
        if self._offset + len(data) > self._upload.size_bytes:
            raise TooLarge(f"more than the {self._upload.size_bytes:,} bytes that were announced")
        self._offset += len(data)
        if self._digest:
            self._digest.update(data)
        view = memoryview(data)
        while view:
            room = max(1, self._upload.part_bytes - self._writer.pending_bytes)
            self._writer.write(bytes(view[:room]))
            view = view[room:]
            if self._writer.pending_bytes >= self._upload.part_bytes and not self._digest:
                self._commit(claim=self._claim)

    def end(self, is_whole: bool) -> HttpResponse:
        """Count what came, finish the upload with its last byte, and answer."""
        if self._digest and not (is_whole and compare_digest(self._digest.digest(), self._checksum or b"")):
            raise WrongChecksum("the bytes of this request are not those of its checksum: none was kept")
        self._commit(claim=None)
        self._writer.close()
        if self._offset == self._upload.size_bytes:
            self._upload = finish_upload(upload=self._upload)
        return self._answer(self._upload)

    def close(self) -> None:
        """Let go after an error; what was counted stays counted."""
        self._writer.close()
        Upload.objects.filter(pk=self._upload.pk, claim=self._claim).update(claim=None)

    def _take_over(self, is_continued: bool) -> None:
        numbers = [part.get("number", 0) for part in self._upload.parts]
        # Past the number that a request which is taken over may be using now.
        following = max(self._upload.next_part + 1, 0 if is_continued else max(numbers, default=0) + 2)
        standing = Upload.objects.filter(
            pk=self._upload.pk,
            state=Upload.State.RECEIVING,
            way=Upload.Way.TUS,
            received_bytes=self._offset,
            next_part=self._upload.next_part,
        )
        if not standing.update(claim=self._claim, next_part=following, expires_at=next_expiry()):
            raise Conflict("the upload does not stand at this offset", code="wrong_offset")
        self._upload.next_part = following

    def _commit(self, *, claim: Any) -> None:
        parts = self._writer.flush()
        received = sum(part["size"] for part in parts)
        ours = Upload.objects.filter(pk=self._upload.pk, claim=self._claim)
        if not ours.update(received_bytes=received, parts=parts, claim=claim, expires_at=next_expiry()):
            raise Conflict("another request has taken this upload over", code="taken_over")
        self._upload.received_bytes = received
