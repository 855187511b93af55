"""Limits of the REST door: how often an address may call without a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from common.context import origin
from guards.services import take_token

if TYPE_CHECKING:  # DRF's views read this class from the settings while they are imported
    from rest_framework.views import APIView


class AnonymousThrottle(BaseThrottle):
    """Counts the calls of each address that come without a credential, in every process; DRF's own throttles race."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Let a call through. Raises TooMany."""
        # What is open to anybody and only read is documentation, which works without a database.
        if request.auth is None and request.method not in SAFE_METHODS:
            count_anonymous()
        return True


def count_anonymous() -> None:
    """Count a call without a credential against its address. Raises TooMany."""
    if settings.ANONYMOUS_LIMIT:
        take_token(bucket=f"anonymous:{origin.get().address}", limit=settings.ANONYMOUS_LIMIT)
