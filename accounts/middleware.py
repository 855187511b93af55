"""What each request of a browser passes: is the log-in still good, and which language and time zone has the person?"""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation

from accounts.logins import still_open
from accounts.services import has_second_factor, needs_second_factor
from common.api.errors import is_api

# What a log-in alone must not open where a second factor is demanded.
GUARDED = ("/admin/", "/files")


class BrowserSessionMiddleware:
    """Logs out a browser whose session was ended, from anywhere, and notes when it was last used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api(request) and request.user.is_authenticated and not still_open(request):
            request.session.flush()
            request.user = AnonymousUser()
        return self.get_response(request)


class SecondFactorMiddleware:
    """Leads who must have a second factor and has none to the page that sets it up, from every page of the admin."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SECOND_FACTOR_ROLES and request.path_info.startswith(GUARDED) and _lacks_factor(request):
            setting_up = reverse("admin:accounts_user_second_factor")
            if request.path_info not in {setting_up, reverse("admin:logout"), reverse("admin:accounts_user_language")}:
                return HttpResponseRedirect(setting_up)
        return self.get_response(request)


def _lacks_factor(request: HttpRequest) -> bool:
    """Tell whether the person lacks a factor that the settings demand; the provider of sign-in sees to its own."""
    user = request.user
    if not user.is_authenticated or request.session.get("openid"):
        return False
    return needs_second_factor(user) and not has_second_factor(user)


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
