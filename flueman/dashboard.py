"""Home: is everything well, and what waits for me?"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def environment(_request: HttpRequest) -> list[str] | None:
    """Name the installation where it is not production, so that nobody takes one for the other."""
    return None if settings.ENVIRONMENT == "PROD" else [settings.ENVIRONMENT, "info"]


def fill(_request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give what the home page shows."""
    return context
