"""Reading a body: the shape by a serializer, all else by the service."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import User
from common.errors import Invalid, NotAllowed


class ReasonIn(serializers.Serializer[None]):
    """Why it is done; kept in the audit trail."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)


def checked(
    serializer: type[serializers.BaseSerializer[Any]], request: Request, *, partial: bool = False
) -> dict[str, Any]:
    """Give the fields of a request's body. Raises DRF's ValidationError."""
    given = serializer(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


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
