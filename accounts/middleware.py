"""A person's own language and time zone, for each request."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from common.api.errors import is_api


class PersonalSettingsMiddleware:
    """Shows a logged-in person their language and time zone; the API speaks UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_api(request):
            with timezone.override("UTC"):
                return self.get_response(request)
        if not request.user.is_authenticated:
            return self.get_response(request)
        language = request.user.language or translation.get_language() or settings.LANGUAGE_CODE
        with translation.override(language), timezone.override(_zone(request.user.time_zone)):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (LookupError, ValueError):  # a zone that this machine's tables no longer know
        return ZoneInfo(settings.TIME_ZONE)
