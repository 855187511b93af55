"""Uploads in pieces for the scripts of pages (`static/files/transfer.js`): begun, gone on with, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from common import strict_json
from common.bodies import take_body
from common.errors import Invalid, NotAllowed
from files import services
from files.models import Upload
from files.reception import Reception

# Gives the address of an upload, and that of the page of what it became.
Addresses = Callable[[Upload], tuple[str, str | None]]


def begin(request: HttpRequest, *, owner: User, addresses: Addresses, is_public: bool | None = None) -> HttpResponse:
    """Begin an upload: POST `{"name", "size_bytes", "folder", "is_temporary", "is_public"}`."""
    if request.method != "POST":
        return HttpResponse(status=405)
    sent = _object(request)
    if is_public is None and sent.get("is_public") is True and not owner.has_perm("files.add_shelf"):
        raise NotAllowed(gettext("You may not do this."))
    upload = services.begin_upload(
        name=str(sent.get("name", "")),
        size_bytes=sent["size_bytes"] if type(sent.get("size_bytes")) is int else -1,
        folder=str(sent.get("folder", "")),
        is_temporary=is_public is None and sent.get("is_temporary") is True,
        is_public=sent.get("is_public") is True if is_public is None else is_public,
        owner=owner,
    )
    if upload.size_bytes == 0:
        upload = services.finish_upload(upload=upload)
    return _state(upload, addresses, status=201)


def go_on(request: HttpRequest, pk: UUID, *, owner: User, addresses: Addresses) -> HttpResponseBase:
    """Tell how far one's own upload is (GET), go on with it from `Upload-Offset` (PATCH), forget it (DELETE)."""
    upload = get_object_or_404(Upload, pk=pk, owner=owner, expires_at__gt=timezone.now())
    if request.method == "PATCH":
        text = request.headers.get("Upload-Offset", "")
        offset = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1
        return take_body(
            request, Reception(upload, offset=offset, checksum=None, answer=lambda done: _state(done, addresses))
        )
    if request.method == "DELETE":
        services.cancel_upload(upload=upload)
        return HttpResponse(status=204)
    return _state(upload, addresses)


def _state(upload: Upload, addresses: Addresses, status: int = 200) -> HttpResponse:
    url, file = addresses(upload)
    told = {"id": str(upload.pk), "url": url, "offset": upload.received_bytes, "state": upload.state, "file": file}
    return JsonResponse(told, status=status)


def _object(request: HttpRequest) -> dict[str, Any]:
    sent = strict_json.loads(request.body)
    if not isinstance(sent, dict):
        raise Invalid("the body must be a JSON object")
    return sent
