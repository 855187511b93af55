"""The public shelf: files that belong to nobody in particular, found by folder and name, which are unique there."""

from __future__ import annotations

from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import Conflict
from files.models import Blob, StoredFile

# Nobody can have this name: those of people hold no colon.
SHELF = "files:shelf"
_MOST_ALIKE = 2000
_MOST_NAME_BYTES, _MOST_SUFFIX_BYTES = 255, 20


def shelf() -> User:
    """Give the owner of the shelf's files: an account that nobody can use, with a quota like any other."""
    unusable = {"is_active": False, "password": make_password(None)}
    return User.objects.get_or_create(username=SHELF, defaults=unusable)[0]


def is_shelf(owner: User | None) -> bool:
    """Tell whether files of this owner stand on the shelf."""
    return owner is not None and owner.username == SHELF


def path_on_shelf(folder: str, name: str) -> str:
    """Give where a file is found."""
    return f"{folder}/{name}" if folder else name


def same_file(*, blob: Blob, name: str, folder: str) -> StoredFile | None:
    """Give the file that has this place and these bytes already: putting it there again changes nothing."""
    _lock()
    return StoredFile.objects.filter(shelf_path=path_on_shelf(folder, name), blob=blob).select_related("blob").first()


def free_name(folder: str, name: str) -> str:
    """Give the name, or the first of `name (2)`, `name (3)` … that is free in a folder. The shelf stays locked."""
    _lock()
    tries = iter((name, *(numbered(name, number) for number in range(2, _MOST_ALIKE))))
    while paths := {tried: path_on_shelf(folder, tried) for tried in islice(tries, 50)}:
        taken = set(StoredFile.objects.filter(shelf_path__in=paths.values()).values_list("shelf_path", flat=True))
        if free := next((tried for tried, path in paths.items() if path not in taken), None):
            return free
    said = _("%(count)s files of this folder have this name") % {"count": _MOST_ALIKE}
    raise Conflict(said, code="name_taken")


def demand_place(*, folder: str, name: str, but: Any) -> str:
    """Give the path of a place that is free, but for one file. Raises Conflict. The shelf stays locked."""
    _lock()
    path = path_on_shelf(folder, name)
    if StoredFile.objects.filter(shelf_path=path).exclude(pk=but).exists():
        problem = _("another file on the shelf has this name")
        raise Conflict(f"name: {problem}", code="name_taken", fields={"name": problem})
    return path


def numbered(name: str, number: int) -> str:
    """Give a name with a number before its ending, cut so that it stays a name."""
    path, mark = PurePosixPath(name), f" ({number})"
    suffix = path.suffix if len(path.suffix.encode()) <= _MOST_SUFFIX_BYTES else ""
    stem = name.removesuffix(suffix).encode()[: _MOST_NAME_BYTES - len((mark + suffix).encode())]
    return f"{stem.decode('utf-8', 'ignore')}{mark}{suffix}"


def _lock() -> None:
    User.objects.select_for_update().filter(username=SHELF).first()
