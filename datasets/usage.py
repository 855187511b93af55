"""What was made of dataset versions: the apps above say it through this hook.

The registry cannot be asked from here; it fills the hook in `AppConfig.ready`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Product:
    """A thing made of a dataset version, such as a model version, with its page and what was made of it in turn."""

    kind: str
    id: str
    label: str
    url: str = ""
    note: str = ""
    at: datetime | None = None
    products: list[Product] = field(default_factory=list)


def how_many_more(place: str, count: int, url: str = "") -> Product:
    """Give what stands for those that are not shown, with the list of all where there is one."""
    return Product("more", place, _("%(count)d more") % {"count": count}, url)


Finder = Callable[[Collection[UUID]], Mapping[UUID, list[Product]]]
_finders: list[Finder] = []


def register_finder(finder: Finder) -> None:
    """Add one who knows what was made of versions.

    It is asked for many at once, in as many queries as for one, and gives the newest few of each kind.
    """
    if finder not in _finders:
        _finders.append(finder)


def find_products(versions: Collection[UUID]) -> dict[UUID, list[Product]]:
    """Give what was made of those of some versions that anything was made of."""
    found: dict[UUID, list[Product]] = {}
    for finder in _finders:
        for version, products in finder(versions).items():
            found.setdefault(version, []).extend(products)
    return found
