"""The bytes of a file as an answer: whole or in ranges, and in no case what a browser would run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import BinaryIO, cast

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe

from common.errors import NotFound
from files.content import TEXTS
from files.models import StoredFile
from files.ranges import Span, is_listed, wanted_spans
from files.storage import is_on_disk, open_part, presigned, told_when_full

REDIRECT_S = 60
BEGINNING_BYTES = 256 * 1024
ATTACHMENT_POLICY = "sandbox; default-src 'none'"
# For pictures, videos, sound and text, which are shown, in a frame of our own pages too.
SHOWN_POLICY = (
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
)


class Joined:
    """Pieces of text and of the file, one after the other, each opened when its turn comes."""

    def __init__(self, key: str, pieces: Sequence[bytes | Span]) -> None:
        self._key, self._pieces = key, list(reversed(pieces))
        self._open: BinaryIO | None = None

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, none at the end."""
        while True:
            if self._open is not None:
                if data := self._open.read(size):
                    return data
                self.release()
            if not self._pieces:
                return b""
            piece = self._pieces.pop()
            if isinstance(piece, bytes):
                return piece
            self._open = open_part(self._key, piece.start, piece.length)

    def prepare(self) -> None:
        """Open the first piece now, so that bytes that are lost are told of before the head of the answer leaves."""
        if self._pieces and isinstance(piece := self._pieces[-1], Span):
            self._open = open_part(self._key, piece.start, piece.length)
            self._pieces.pop()

    def release(self) -> None:
        """Let go of the piece that is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def close(self) -> None:
        """Let go."""
        self.release()


def send_file(
    request: HttpRequest,
    stored: StoredFile,
    *,
    is_inline: bool = False,
    may_redirect: bool = True,
    policy: str = ATTACHMENT_POLICY,
) -> HttpResponseBase:
    """Answer GET or HEAD for a file's bytes. Raises NotFound if the store lacks them."""
    etag, size = f'"{stored.blob_id}"', stored.blob.size_bytes
    response: HttpResponseBase
    if _is_known(request, stored, etag):
        response = HttpResponse(status=304)
    elif settings.FILES_REDIRECT and may_redirect and not is_on_disk() and not is_inline:
        response = HttpResponse(status=307, headers={"Location": _presigned(stored)})
    else:
        response = _ranged(request, stored, size, etag)
    kind = f"{stored.content_type}; charset=utf-8" if stored.content_type in TEXTS else stored.content_type
    if not response.headers.get("Content-Type", "").startswith("multipart/"):
        response["Content-Type"] = kind
    response["Content-Disposition"] = content_disposition_header(not is_inline, stored.name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = policy
    response["ETag"] = etag
    response["Last-Modified"] = http_date(stored.created_at.timestamp())
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-cache, no-transform"
    return response


def send_thumbnail(request: HttpRequest, stored: StoredFile) -> HttpResponseBase:
    """Give the small picture of a picture. Raises NotFound while there is none."""
    small = stored.blob.thumbnail
    if small is None:
        raise NotFound("there is no thumbnail of this file")
    shown = StoredFile(blob=small, name=f"{stored.name}.webp", content_type=small.content_type)
    shown.created_at = small.created_at
    return send_file(request, shown, is_inline=True, policy=SHOWN_POLICY)


def send_beginning(stored: StoredFile) -> HttpResponse:
    """Give the beginning of a text, for a sandboxed frame of our own pages."""
    stream = open_part(stored.blob.storage_key, 0, min(stored.blob.size_bytes, BEGINNING_BYTES))
    try:
        text = stream.read().decode("utf-8", "ignore")
    finally:
        stream.close()
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Security-Policy"] = SHOWN_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _is_known(request: HttpRequest, stored: StoredFile, etag: str) -> bool:
    """Tell whether the client has these bytes. A date is asked for only where no tag was sent (RFC 9110, 13.1.3)."""
    if (tags := request.headers.get("If-None-Match")) is not None:
        return is_listed(tags, etag)
    since = parse_http_date_safe(request.headers.get("If-Modified-Since", ""))
    return since == int(stored.created_at.timestamp())  # not "at most": what was restored from the bin is older


def _ranged(request: HttpRequest, stored: StoredFile, size: int, etag: str) -> HttpResponseBase:
    spans = None
    if request.method == "GET" and (header := request.headers.get("Range")):
        # A weak tag or a date never proves that the bytes are the same.
        spans = wanted_spans(header, size) if request.headers.get("If-Range", etag) == etag else None
    if spans is None:
        return _answer(request, stored, [Span(0, size)], 200, {"Content-Length": str(size)})
    if not spans:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    if len(spans) == 1:
        headers = {"Content-Length": str(spans[0].length), "Content-Range": spans[0].header(size)}
        return _answer(request, stored, spans, 206, headers)
    mark = secrets.token_hex(16)
    pieces: list[bytes | Span] = []
    for span in spans:
        head = f"\r\n--{mark}\r\nContent-Type: {stored.content_type}\r\nContent-Range: {span.header(size)}\r\n\r\n"
        pieces += [head.encode("ascii"), span]
    pieces.append(f"\r\n--{mark}--\r\n".encode())
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
    response = _answer(request, stored, pieces, 206, {"Content-Length": str(length)})
    response["Content-Type"] = f"multipart/byteranges; boundary={mark}"
    return response


def _answer(
    request: HttpRequest,
    stored: StoredFile,
    pieces: Sequence[bytes | Span],
    status: int,
    headers: dict[str, str],
) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    body = Joined(stored.blob.storage_key, pieces)
    with told_when_full():
        body.prepare()
    return FileResponse(cast(BinaryIO, body), status=status, headers=headers)


def _presigned(stored: StoredFile) -> str:
    said = content_disposition_header(True, stored.name) or "attachment"
    key, kind = stored.blob.storage_key, stored.content_type
    return presigned(key, disposition=said, content_type=kind, seconds=REDIRECT_S)
