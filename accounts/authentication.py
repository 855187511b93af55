"""Authentication at the doors that Django answers: one parser of credentials, facts fresh from the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.callers import Caller
from accounts.credentials import FreshFacts, carried, identify
from accounts.models import Session, User
from accounts.services import touch_keys, touch_sessions
from common.context import origin


class CredentialAuthentication(BaseAuthentication):
    """Knows callers by API key or JWT; `request.user` is the person, `request.auth` the caller."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        """Give the user and the caller, None without a credential. Raises NotAuthenticated for one that is not good."""
        return authenticate(request.META)

    def authenticate_header(self, request: Request) -> str:
        """Give the challenge of a 401."""
        return 'Bearer realm="flueman"'


def authenticate(meta: Mapping[str, Any]) -> tuple[User, Caller] | None:
    """Give who calls, by the headers of a Django request; None without a credential. Raises NotAuthenticated."""
    headers = {
        b"authorization": meta.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace"),
        b"x-api-key": meta.get("HTTP_X_API_KEY", "").encode("latin-1", "replace"),
    }
    if not carried(headers):
        return None
    caller = identify(headers, FreshFacts())
    if caller.key_id:
        origin.set(replace(origin.get(), credential=caller.label))
        touch_keys([(caller.key_id, caller.has_old_secret)])
    if caller.session_id:
        touch_sessions(Session.objects.filter(pk=caller.session_id))
    return User.objects.get(pk=caller.user_id), caller
