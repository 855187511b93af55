"""Log-in by an OpenID Connect provider: what is asked without asking the provider itself (`accounts/provider.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from common.errors import NotAuthenticated

_SALT = "openid link"
_MARK_AGE_S = 3600


def is_configured() -> bool:
    """Tell whether people may log in by a provider."""
    return bool(settings.OIDC_ISSUER)


def is_safe(url: str) -> bool:
    """Tell whether an address keeps secrets on the way: https, or this machine's own."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        is_local = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_local = False
    return parts.scheme == "http" and is_local


def make_mark(request: HttpRequest) -> str:
    """Give what lets a browser begin to link its person's account: no other page can make one."""
    return signing.dumps(_browser(request), salt=_SALT)


def check_mark(request: HttpRequest, mark: str) -> None:
    """Raise NotAuthenticated unless this browser's session has got the mark a moment ago."""
    try:
        known = signing.loads(mark, salt=_SALT, max_age=_MARK_AGE_S)
    except signing.BadSignature:
        known = None
    if not request.user.is_authenticated or known != _browser(request):
        raise NotAuthenticated("not asked for by this browser, or too long ago", code="openid_refused")


def values_at(claims: Mapping[str, Any], path: str) -> list[str] | None:
    """Give the texts of a claim such as `groups` or `realm_access.roles`; `None` if there is no such claim."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.split()
    if not isinstance(found, list):
        return None
    return [text for text in found if isinstance(text, str)]


def _browser(request: HttpRequest) -> list[Any]:
    """Give who is logged in where; the cookie itself must not stand in an address."""
    return [request.user.pk, salted_hmac(_SALT, request.session.session_key or "").hexdigest()]
