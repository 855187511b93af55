"""Who may come to the public shelf: name and password of the environment, a key, a token, or a browser's session."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from hmac import compare_digest

from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from accounts import lockout
from accounts.authentication import CredentialAuthentication
from accounts.keys import MARK
from accounts.models import User
from accounts.throttling import count_anonymous
from common.api.errors import json_error
from common.context import origin
from common.errors import FluemanError, NotAllowed, NotAuthenticated
from files.services.shelf import shelf

VIEW, ADD = "files.view_shelf", "files.add_shelf"
REALM = 'Basic realm="Flueman files", charset="UTF-8"'
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may come to the shelf; `owner` is whose an upload is while it is on its way."""

    owner: User
    name: str
    identity: str
    may: Callable[[str], bool]


def basic_is_open() -> bool:
    """Tell whether the environment names a user and a password."""
    return bool(settings.FILES_BASIC_USER and settings.FILES_BASIC_PASSWORD)


def visitor_of(request: HttpRequest, permission: str, *, takes_session: bool) -> Visitor:
    """Give who calls. Raises NotAuthenticated, NotAllowed without the permission, TooMany for a name that is locked."""
    visitor = _by_header(request) or (_by_session(request) if takes_session else None)
    if visitor is None:
        raise NotAuthenticated(_("A name and password, a key or a token is needed."))
    if not visitor.may(permission):
        raise NotAllowed(_("You may not do this."), fields={"permission": permission})
    return visitor


def guarded(permission: str, *, takes_session: bool = True) -> Callable[[View], View]:
    """Let a view be called with the visitor, and answer whatever is wrong in the shape of the API."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, **where: str) -> HttpResponseBase:
            try:
                response = view(request, visitor_of(request, permission, takes_session=takes_session), **where)
            except Exception as error:  # told in the shape of the API; what nobody foresaw is logged there
                response = refusal(error)
            # Credentials that a browser sends by itself must not let another site show or read what is here.
            response["Cross-Origin-Resource-Policy"] = "same-origin"
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return answer

    return decorate


def refusal(error: Exception) -> HttpResponseBase:
    """Give the answer to an error, asking for a name and password where these would do."""
    response = json_error(error)
    if response.status_code == NotAuthenticated.status and basic_is_open():
        response["WWW-Authenticate"] = REALM
    return response


def refuse_other_sites(request: HttpRequest) -> None:
    """Refuse a page of another site, which a browser would lend its name and password. Raises NotAllowed."""
    sent_by = request.headers.get("Origin")
    if sent_by is None or sent_by in settings.CORS_ORIGINS:
        return
    if sent_by.partition("://")[2] != request.get_host():
        raise NotAllowed(_("Pages of other sites may not do this."), code="other_site")


def _by_header(request: HttpRequest) -> Visitor | None:
    if basic_is_open() and (given := _basic(request.headers.get("Authorization", ""))):
        return _by_basic(*given)
    try:
        known = CredentialAuthentication().authenticate(request)  # type: ignore[arg-type]
    except FluemanError:
        count_anonymous()
        raise
    if known is None:
        return None
    user, caller = known
    return Visitor(user, user.username, caller.identity, caller.may)


def _basic(header: str) -> tuple[bytes, bytes] | None:
    """Give name and password of a Basic header, `None` for another one, and for one that carries an API key."""
    scheme, _space, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _colon, password = b64decode(rest.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return None if (password or name).startswith(MARK.encode()) else (name, password)


def _by_basic(name: bytes, password: bytes) -> Visitor:
    # Nobody's log-in elsewhere is locked by it; PostgreSQL keeps no NUL.
    tried = "files:" + name.decode("utf-8", "replace").replace("\0", "\ufffd")[:100]
    request = lockout.make_request()
    lockout.refuse_locked(request, tried)
    # Both are compared whole whatever they are: hashes are of one length.
    is_name = compare_digest(_hash(name), _hash(settings.FILES_BASIC_USER.encode()))
    is_password = compare_digest(_hash(password), _hash(settings.FILES_BASIC_PASSWORD.encode()))
    if not (is_name & is_password):
        count_anonymous()
        user_login_failed.send(sender=__name__, credentials={"username": tried}, request=request)
        raise NotAuthenticated(_("Name or password is wrong."), code="wrong_credentials")
    origin.set(replace(origin.get(), credential="basic"))
    return Visitor(shelf(), f"basic:{settings.FILES_BASIC_USER}", "files:basic", {VIEW, ADD}.__contains__)


def _hash(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _by_session(request: HttpRequest) -> Visitor | None:
    user = request.user
    if not isinstance(user, User):
        return None
    return Visitor(user, user.username, f"user:{user.pk}", user.has_perm)
