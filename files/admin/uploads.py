"""The door of the back office for uploads in pieces: what its script talks to. The session is the credential."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from common.admin import require
from common.api.errors import json_error
from common.errors import FluemanError
from files import pieces
from files.models import Upload

MAY = "files.add_storedfile"
View = Callable[..., HttpResponseBase]


def told(view: View) -> View:
    """Answer what a service refuses in JSON, as the API does."""

    @wraps(view)
    def inner(request: HttpRequest, *args: UUID, **kwargs: UUID) -> HttpResponseBase:
        require(request, MAY)
        try:
            return view(request, *args, **kwargs)
        except FluemanError as error:
            return json_error(error)

    return inner


@told
def begin_view(request: HttpRequest) -> HttpResponseBase:
    """Begin an upload of one's own, or of the public shelf."""
    assert isinstance(request.user, User)
    return pieces.begin(request, owner=request.user, addresses=_addresses)


@told
def piece_view(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Look at, go on with or forget one's own upload."""
    assert isinstance(request.user, User)
    return pieces.go_on(request, pk, owner=request.user, addresses=_addresses)


def unfinished(user: User) -> list[Upload]:
    """Give uploads of a person that can be gone on with."""
    waiting = Upload.objects.filter(owner=user, state=Upload.State.RECEIVING, expires_at__gt=timezone.now())
    return list(waiting.filter(is_temporary=False, way=Upload.Way.TUS)[:20])


def _addresses(upload: Upload) -> tuple[str, str | None]:
    file = reverse("admin:files_storedfile_change", args=[upload.file_id]) if upload.file_id else None
    return reverse("admin:files_storedfile_piece", args=[upload.pk]), file
