"""The door of the back office for uploads in pieces: what its script talks to. The session is the credential."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from common import strict_json
from common.admin import require
from common.api.errors import json_error
from common.bodies import take_body
from common.errors import FluemanError, Invalid
from files import services
from files.models import Upload
from files.reception import Reception

MAY = "files.add_storedfile"
View = Callable[..., HttpResponseBase]


def told(view: View) -> View:
    """Answer what a service refuses in JSON, as the API does."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        require(request, MAY)
        try:
            return view(request, *args, **kwargs)
        except FluemanError as error:
            return json_error(error)

    return inner


@told
def begin_view(request: HttpRequest) -> HttpResponseBase:
    """Begin an upload: POST `{"name", "size_bytes", "folder", "is_temporary"}`."""
    if request.method != "POST":
        return HttpResponse(status=405)
    sent = _object(request)
    upload = services.begin_upload(
        name=str(sent.get("name", "")),
        size_bytes=sent["size_bytes"] if type(sent.get("size_bytes")) is int else -1,
        folder=str(sent.get("folder", "")),
        is_temporary=sent.get("is_temporary") is True,
        owner=request.user,
    )
    if upload.size_bytes == 0:
        upload = services.finish_upload(upload=upload)
    return _state(upload, status=201)


@told
def piece_view(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Tell how far one's own upload is (GET), go on with it from `Upload-Offset` (PATCH), forget it (DELETE)."""
    upload = get_object_or_404(Upload, pk=pk, owner=request.user, expires_at__gt=timezone.now())
    if request.method == "PATCH":
        text = request.headers.get("Upload-Offset", "")
        offset = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1
        return take_body(request, Reception(upload, offset=offset, checksum=None, answer=_state))
    if request.method == "DELETE":
        services.cancel_upload(upload=upload)
        return HttpResponse(status=204)
    return _state(upload)


def unfinished(user: Any) -> list[Upload]:
    """Give uploads of a person that can be gone on with."""
    waiting = Upload.objects.filter(owner=user, state=Upload.State.RECEIVING, expires_at__gt=timezone.now())
    return list(waiting.filter(is_temporary=False, way=Upload.Way.TUS)[:20])


def _state(upload: Upload, status: int = 200) -> HttpResponse:
    url = reverse("admin:files_storedfile_piece", args=[upload.pk])
    file = reverse("admin:files_storedfile_change", args=[upload.file_id]) if upload.file_id else None
    told_ = {"id": str(upload.pk), "url": url, "offset": upload.received_bytes, "state": upload.state, "file": file}
    return JsonResponse(told_, status=status)


def _object(request: HttpRequest) -> dict[str, Any]:
    sent = strict_json.loads(request.body)
    if not isinstance(sent, dict):
        raise Invalid("the body must be a JSON object")
    return sent
