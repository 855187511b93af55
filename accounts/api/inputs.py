"""What the bodies of several addresses share."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.models import User
from common.errors import Invalid, NotAllowed


def owner_of(request: Request, username: str, permission: str) -> User:
    """Give the person whose things are meant: the caller, or with the permission somebody else. Raises NotAllowed."""
    if not username or username == request.user.username:
        return request.user
    if not request.auth.may(permission):
        raise NotAllowed(_("You may do this for yourself only."), fields={"user": username})
    owner = User.objects.filter(username=username).first()
    if owner is None:
        raise Invalid(_("Nobody has this name."), fields={"user": username})
    return owner
