"""The media library: files as pictures, with folders beside them and the chosen one in view."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.errors import FluemanError
from common.wording import in_words
from files.content import kind_of
from files.models import StoredFile
from files.public.contents import Wanted, find_page, read_wanted
from files.services.shelf import SHELF

PLACES = {"mine": _("My files"), "shelf": _("Public files"), "bin": _("The bin")}
_LISTS = {"mine": "", "shelf": "?bin=shelf", "bin": "?bin=1"}
PAGE_SIZE = "48"


def mine_and_shelf(rows: QuerySet[StoredFile], user: Any) -> QuerySet[StoredFile]:
    """Narrow files to a person's own, and those of the shelf for who may see it."""
    own = Q(owner_id=user.pk)
    return rows.filter(own | Q(owner__username=SHELF) if user.has_perm("files.view_shelf") else own)


class LibraryMixin:
    """Adds the library's page to the admin of files."""

    def library_view(self: Any, request: HttpRequest) -> HttpResponseBase:
        """Show one folder of one place, or what was searched for."""
        require(request, "files.view_storedfile")
        place = request.GET.get("place", "mine")
        place = place if place in PLACES else "mine"
        wanted, refused = _read(request)
        page = find_page(wanted, _rows(self.get_queryset(request), place, request.user))
        chosen = self.get_object(request, request.GET["file"]) if request.GET.get("file") else None
        response = self.page(
            request,
            "admin/files/library.html",
            title=_("Media library"),
            headline=self.list_headline(request) if place == "mine" else PLACES[place],
            question=self.question,
            refused=refused,
            links=self._library_links(request, place, wanted.folder or ""),
            places=[(name, words, f"?place={name}", name == place) for name, words in PLACES.items()],
            place=place,
            wanted=wanted,
            crumbs=_crumbs(place, wanted.folder or ""),
            folders=[(path.rpartition("/")[2], _url(place=place, folder=path)) for path in page.folders],
            files=[_card(stored, place, wanted) for stored in page.files],
            older=_url(place=place, folder=wanted.folder, search=wanted.search, cursor=page.cursor)
            if page.cursor
            else "",
            chosen=self._chosen(request, chosen) if chosen else None,
        )
        response["Content-Security-Policy"] = self.page_policy
        return response

    def _library_links(self: Any, request: HttpRequest, place: str, folder: str) -> list[dict[str, Any]]:
        links = [{"label": _("As a list"), "url": f"{self.list_url()}{_LISTS[place]}"}]
        if request.user.has_perm("files.add_storedfile") and place != "bin":
            url = f"{reverse('admin:files_storedfile_upload')}?{urlencode({'place': place, 'folder': folder})}"
            links.append({"label": _("Upload"), "url": url, "primary": True, "key": "n"})
        return links

    def _chosen(self: Any, request: HttpRequest, stored: StoredFile) -> dict[str, Any]:
        above = self._above(request, str(stored.pk))
        return {"file": stored, "url": self.url_of(stored), "links": above["links"], **self.detail(request, stored)}


def _read(request: HttpRequest) -> tuple[Wanted, str]:
    """Give what is wanted; where that is nonsense the top of the place, and why."""
    query = request.GET.copy()
    query["page_size"] = PAGE_SIZE
    query.setdefault("folder", "")
    try:
        return read_wanted(query), ""
    except FluemanError as error:
        return Wanted("", "", "", "", int(PAGE_SIZE)), in_words(error.message)


def _rows(rows: QuerySet[StoredFile], place: str, user: Any) -> QuerySet[StoredFile]:
    if place == "bin":
        return rows.filter(deleted_at__isnull=False)
    rows = rows.filter(deleted_at=None)
    return rows.filter(owner__username=SHELF) if place == "shelf" else rows.filter(owner_id=user.pk)


def _card(stored: StoredFile, place: str, wanted: Wanted) -> dict[str, Any]:
    small = reverse("admin:files_storedfile_thumbnail", args=[stored.pk]) if stored.blob.thumbnail_id else ""
    url = _url(place=place, folder=wanted.folder, search=wanted.search, cursor=wanted.cursor, file=str(stored.pk))
    return {"file": stored, "kind": kind_of(stored.content_type), "thumbnail": small, "url": f"{url}#chosen"}


def _crumbs(place: str, folder: str) -> list[tuple[str, str]]:
    steps = folder.split("/") if folder else []
    below = [(step, _url(place=place, folder="/".join(steps[: at + 1]))) for at, step in enumerate(steps)]
    return [(str(PLACES[place]), _url(place=place)), *below]


def _url(**query: str | None) -> str:
    return f"?{urlencode({name: value for name, value in query.items() if value})}"
