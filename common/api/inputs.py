"""Reading a body: the shape by a serializer, all else by the service."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


def checked(
    serializer: type[serializers.BaseSerializer[Any]], request: Request, *, partial: bool = False
) -> dict[str, Any]:
    """Give the fields of a request's body. Raises DRF's ValidationError."""
    given = serializer(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
