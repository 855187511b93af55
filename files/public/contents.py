"""What stands on the shelf, as it was asked for: folder, kind, part of a name, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from common.errors import Invalid, NotFound
from common.names import composed
from common.numbers import whole
from files.content import KINDS
from files.models import StoredFile
from files.services.shelf import SHELF
from files.services.stored import safe_folder

MOST_PAGE, PAGE = 200, 50
_MOST_FOLDERS = 500
_ZERO = "0" * 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; `folder` of `None` means all of them."""

    folder: str | None
    kind: str
    search: str
    cursor: str
    page_size: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some files, newest first, the folders beside them, and where the next page begins, empty at the end."""

    files: list[StoredFile]
    folders: list[str]
    cursor: str


def read_wanted(query: QueryDict) -> Wanted:
    """Give what a query asks for. Raises Invalid naming the parameter."""
    folder, kind, size = query.get("folder"), query.get("type", ""), query.get("page_size", str(PAGE))
    if kind and kind not in (*KINDS, "other") and "/" not in kind:
        raise Invalid(_("There is no such type."), fields={"type": ", ".join((*KINDS, "other"))})
    page_size = whole(size, least=1, most=MOST_PAGE)
    if page_size is None:
        raise Invalid(_("The page size must be 1 to 200."), fields={"page_size": size[:20]})
    cursor = query.get("cursor", "")
    try:
        UUID(cursor or _ZERO)
    except ValueError:
        raise Invalid(_("This is no cursor of ours."), fields={"cursor": cursor[:40]}) from None
    search = composed(query.get("search", query.get("q", ""))).strip()
    return Wanted(None if folder is None else safe_folder(folder), kind, search, cursor, page_size)


def find_page(wanted: Wanted, among: QuerySet[StoredFile] | None = None) -> Page:
    """Give one page of the shelf, or of other files."""
    among = on_shelf() if among is None else among
    rows = _narrowed(wanted, among)
    if wanted.cursor:
        rows = rows.filter(pk__lt=wanted.cursor)
    found = list(rows.order_by("-pk")[: wanted.page_size + 1])
    page = found[: wanted.page_size]
    is_narrowed = wanted.search or wanted.kind or wanted.cursor
    folders = [] if is_narrowed else folders_in(wanted.folder or "", among)
    return Page(page, folders, str(page[-1].pk) if len(found) > wanted.page_size else "")


def find_file(path: str) -> StoredFile:
    """Give the file of a place, its Korean letters composed or not. Raises NotFound."""
    found = StoredFile.objects.select_related("blob").filter(shelf_path=composed(path)).first()
    if found is None:
        raise NotFound(_("There is no such file."))
    return found


def folders_in(folder: str, rows: QuerySet[StoredFile]) -> list[str]:
    """Give the paths of the folders right inside one, in order."""
    if folder:
        rows = rows.filter(folder__startswith=f"{folder}/")
    start = len(folder) + 1 if folder else 0
    paths = rows.exclude(folder="").order_by("folder").values_list("folder", flat=True).distinct()
    inside = {path[:start] + path[start:].partition("/")[0] for path in paths[: _MOST_FOLDERS * 20]}
    return sorted(inside)[:_MOST_FOLDERS]


def on_shelf() -> QuerySet[StoredFile]:
    """Give the files of the shelf."""
    return StoredFile.objects.on_shelf().filter(owner__username=SHELF).select_related("blob")


def _narrowed(wanted: Wanted, rows: QuerySet[StoredFile]) -> QuerySet[StoredFile]:
    if wanted.folder is not None:
        is_here = Q(folder=wanted.folder)
        if wanted.search or wanted.kind:  # what is looked for may lie deeper
            is_here |= Q(folder__startswith=f"{wanted.folder}/" if wanted.folder else "")
        rows = rows.filter(is_here)
    if wanted.kind == "other":
        rows = rows.exclude(content_type__in=[one for types in KINDS.values() for one in types])
    elif wanted.kind:
        rows = rows.filter(content_type__in=KINDS.get(wanted.kind, [wanted.kind]))
    return rows.filter(name__icontains=wanted.search) if wanted.search else rows


def neighbours(stored: StoredFile) -> tuple[StoredFile | None, StoredFile | None]:
    """Give the newer and the older file of the same folder."""
    beside = on_shelf().filter(folder=stored.folder)
    return beside.filter(pk__gt=stored.pk).order_by("pk").first(), beside.filter(pk__lt=stored.pk).order_by(
        "-pk"
    ).first()
