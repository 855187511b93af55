"""Who looks at a page of the back office, and whether they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Onlooker:
    """The person of an admin request, as `visible_to` of the querysets wants one."""

    user: Any

    @property
    def user_id(self) -> int:
        """Give the person's id."""
        return self.user.pk

    def may(self, permission: str) -> bool:
        """Tell whether the person holds a permission."""
        return self.user.has_perm(permission)

    person_may = may  # there is no credential in between


def require(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied if the person of a request may not."""
    if not request.user.has_perm(permission):  # type: ignore[union-attr]
        raise PermissionDenied(permission)
