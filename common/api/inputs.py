"""Reading a body: the shape by a serializer, all else by the service."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


class ReasonIn(serializers.Serializer[None]):
    """Why it is done; kept in the audit trail."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)


class FiniteField(serializers.FloatField):
    """A number as JSON has them: the text "nan" is one to `float`, and no bound refuses it."""

    def to_internal_value(self, data: Any) -> float:
        """Give the number. Raises DRF's ValidationError."""
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value


def checked(
    serializer: type[serializers.BaseSerializer[Any]], request: Request, *, partial: bool = False
) -> dict[str, Any]:
    """Give the fields of a request's body. Raises DRF's ValidationError."""
    given = serializer(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
