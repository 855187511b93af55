"""`/files_html`: the shelf for people, pictures first, on a desk and on a phone."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie

from common import strict_json
from common.display import tree
from common.errors import FluemanError, NotAuthenticated
from common.policies import PAGE
from files import pieces
from files.content import KINDS, PDF, TEXTS, kind_of
from files.downloads import BEGINNING_BYTES
from files.models import StoredFile, Upload
from files.public.access import ADD, VIEW, Visitor, basic_is_open, guarded, refusal, visitor_of
from files.public.contents import find_file, find_page, neighbours, read_wanted
from files.public.views import url_of
from files.storage import open_part

MOST_TREE_BYTES = 256 * 1024
POLICY = f"{PAGE}; media-src 'self'; frame-src 'self'"


@ensure_csrf_cookie
def shelf_page(request: HttpRequest) -> HttpResponseBase:
    """Show a folder, what was searched for, or with `?file` one file."""
    try:
        visitor = visitor_of(request, VIEW, takes_session=True)
        path = request.GET.get("file")
        response = _one(request, visitor, path) if path else _folder(request, visitor)
    except NotAuthenticated as error:
        return _ask(request, error)
    except FluemanError as error:
        response = render(request, "files/problem.html", {"error": error}, status=error.status)
    response["Content-Security-Policy"] = POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response


@guarded(ADD)
def begin_view(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Begin an upload to the shelf in pieces. Django's token against forged requests is needed, whoever calls."""
    return pieces.begin(request, owner=visitor.owner, addresses=_addresses, is_public=True)


@guarded(ADD)
def piece_view(request: HttpRequest, visitor: Visitor, pk: UUID) -> HttpResponseBase:
    """Look at, go on with or forget an upload of the visitor's."""
    return pieces.go_on(request, pk, owner=visitor.owner, addresses=_addresses)


def _ask(request: HttpRequest, error: NotAuthenticated) -> HttpResponseBase:
    """Ask for the name and password of the environment, or else lead to the log-in."""
    if not basic_is_open():
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}")
    response = render(request, "files/problem.html", {"error": error, "login": settings.LOGIN_URL}, status=401)
    response["WWW-Authenticate"] = refusal(error)["WWW-Authenticate"]
    return response


def _folder(request: HttpRequest, visitor: Visitor) -> HttpResponse:
    query = request.GET.copy()
    query.setdefault("folder", "")
    wanted = read_wanted(query)
    page = find_page(wanted)
    query["cursor"] = page.cursor
    context = {
        "files": [_card(stored) for stored in page.files],
        "folders": [{"name": path.rpartition("/")[2], "url": _page_url(folder=path)} for path in page.folders],
        "older": f"?{query.urlencode()}" if page.cursor else "",
        "is_first": not wanted.cursor,
        "wanted": wanted,
        "kinds": [("", _("All")), *((kind, kind_words(kind)) for kind in (*KINDS, "other"))],
        "title": (wanted.folder or "").rpartition("/")[2] or _("Files"),
    }
    return render(request, "files/shelf.html", {**_frame(visitor, wanted.folder or ""), **context})


def _one(request: HttpRequest, visitor: Visitor, path: str) -> HttpResponse:
    stored = find_file(path)
    newer, older = neighbours(stored)
    kind = kind_of(stored.content_type)
    context = {
        **_frame(visitor, stored.folder),
        **_card(stored),
        "file": stored,
        "title": stored.name,
        "newer": _page_url(file=newer.shelf_path) if newer else "",
        "older": _page_url(file=older.shelf_path) if older else "",
        "tree": _tree(stored) if kind == "json" else "",
        "is_text": stored.content_type in TEXTS,
        "is_cut": stored.blob.size_bytes > BEGINNING_BYTES,
        "is_pdf": stored.content_type == PDF,
    }
    return render(request, "files/view.html", context)


def _frame(visitor: Visitor, folder: str) -> dict[str, Any]:
    steps = folder.split("/") if folder else []
    crumbs = [{"name": step, "url": _page_url(folder="/".join(steps[: place + 1]))} for place, step in enumerate(steps)]
    return {
        "crumbs": crumbs,
        "top_url": reverse("shelf-page"),
        "folder": folder,
        "folder_url": _page_url(folder=folder),
        "may_add": visitor.may(ADD),
        "begin_url": reverse("shelf-begin"),
        "max_bytes": settings.MAX_UPLOAD_BYTES,
    }


def _card(stored: StoredFile) -> dict[str, Any]:
    """Give what the page shows of a file."""
    url, kind = url_of(stored), kind_of(stored.content_type)
    return {
        "name": stored.name,
        "page_url": _page_url(file=stored.shelf_path),
        "url": url,
        "kind": kind,
        "kind_words": kind_words(kind),
        "size_bytes": stored.blob.size_bytes,
        "created_at": stored.created_at,
        "thumbnail": f"{url}?thumbnail" if stored.blob.thumbnail_id else "",
        "folder_name": stored.folder,
    }


def kind_words(kind: str) -> str:
    """Give a kind as people say it."""
    words = {
        "image": _("Pictures"),
        "video": _("Videos"),
        "audio": _("Sound"),
        "text": _("Text"),
        "json": "JSON",
        "pdf": "PDF",
        "other": _("Other"),
    }
    return words[kind]


def _tree(stored: StoredFile) -> SafeString | str:
    """Give JSON as a folded tree, empty where it is too large or is none."""
    if stored.blob.size_bytes > MOST_TREE_BYTES:
        return ""
    stream = open_part(stored.blob.storage_key, 0, stored.blob.size_bytes)
    try:
        return tree(strict_json.loads(stream.read()))
    except FluemanError:
        return ""
    finally:
        stream.close()


def _page_url(**query: str | None) -> str:
    said = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
    return f"{reverse('shelf-page')}?{said}" if said else reverse("shelf-page")


def _addresses(upload: Upload) -> tuple[str, str | None]:
    file = _page_url(file=upload.file.shelf_path) if upload.file else None
    return reverse("shelf-piece", args=[upload.pk]), file
