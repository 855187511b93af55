"""`GET /files` and `GET /files/{name}`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from common.api.errors import dumps
from common.errors import FluemanError
from files.content import IMAGES, SOUNDS, TEXTS, VIDEOS
from files.downloads import ATTACHMENT_POLICY, SHOWN_POLICY, send_beginning, send_file, send_thumbnail
from files.models import StoredFile
from files.public.access import VIEW, Visitor, guarded
from files.public.contents import Page, find_file, find_page, read_wanted

# What is shown and not saved. HTML and SVG are text here (`files/content.py`), PDF is saved.
SHOWN = IMAGES | VIDEOS | SOUNDS | TEXTS


class NotThisMethod(FluemanError):
    """The address does not take this method."""

    status = 405
    code = "method_not_allowed"


@csrf_exempt  # nothing is changed here, and a refusal would be a page
@guarded(VIEW)
def files(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """List what stands on the shelf, newest first."""
    demand_method(request, "GET", "HEAD")
    page = find_page(read_wanted(request.GET))
    told = {"files": [facts(stored) for stored in page.files], "folders": page.folders, "next": next_url(request, page)}
    return HttpResponse(dumps(told), content_type="application/json")


@csrf_exempt
@guarded(VIEW)
def file(request: HttpRequest, visitor: Visitor, name: str) -> HttpResponseBase:
    """Give the bytes of a file, or with `?thumbnail` its small picture."""
    demand_method(request, "GET", "HEAD")
    stored = find_file(name)
    if "thumbnail" in request.GET:
        return send_thumbnail(request, stored)
    if "beginning" in request.GET and stored.content_type in TEXTS:
        return send_beginning(stored)
    return send_shown(request, stored, is_saved="download" in request.GET)


def send_shown(request: HttpRequest, stored: StoredFile, *, is_saved: bool = False) -> HttpResponseBase:
    """Give a file to look at where that is harmless, in a sandbox in any case, else to save."""
    is_shown = stored.content_type in SHOWN and not is_saved
    response = send_file(request, stored, is_inline=is_shown, policy=SHOWN_POLICY if is_shown else ATTACHMENT_POLICY)
    if is_shown:
        response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def demand_method(request: HttpRequest, *allowed: str) -> None:
    """Refuse other methods. Raises NotThisMethod."""
    if request.method not in allowed:
        raise NotThisMethod(f"this address takes {', '.join(allowed)}", headers={"Allow": ", ".join(allowed)})


def facts(stored: StoredFile) -> dict[str, Any]:
    """Give what a client is told of a file."""
    url = url_of(stored)
    return {
        "name": stored.name,
        "folder": stored.folder,
        "path": stored.shelf_path,
        "url": url,
        "type": stored.content_type,
        "size": stored.blob.size_bytes,
        "sha256": stored.blob_id,
        "modified": stored.created_at,
        "thumbnail": f"{url}?thumbnail" if stored.blob.thumbnail_id else None,
    }


def url_of(stored: StoredFile) -> str:
    """Give the address of a file of the shelf."""
    return f"/files/{quote(stored.shelf_path or '')}"


def next_url(request: HttpRequest, page: Page) -> str | None:
    """Give the address of the next page, `None` at the end."""
    if not page.cursor:
        return None
    query = request.GET.copy()
    query["cursor"] = page.cursor
    return f"{request.path}?{query.urlencode()}"
