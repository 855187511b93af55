"""Tokens of applications: an API key exchanged for a short access token. Source: RFC 6749, section 4.4.

The key is the client: its prefix the `client_id`, the whole key the secret. So whatever is true of the key (owner,
scopes, deployments, limits, expiry, revoked or not) is true of its tokens, at every door and within the same second.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.callers import Caller
from accounts.directory import FreshFacts
from accounts.keys import digest, fingerprint, is_well_formed, prefix_of
from accounts.scopes import SCOPES
from accounts.services.keys import touch_keys
from accounts.services.signing import signing_key
from accounts.tokens import sign
from common.errors import Invalid, NotAuthenticated


@dataclass(frozen=True, slots=True)
class Grant:
    """What an application gets; there is no refresh token, as it can come back with its key."""

    access: str
    scopes: tuple[str, ...]
    expires_in_s: int


def grant_application(*, client_id: str, client_secret: str, scopes: Iterable[str] = ()) -> Grant:
    """Give an access token for an API key, limited to `scopes`, or with all that the key has.

    Raises NotAuthenticated for a client that is not known, Invalid (`invalid_scope`) for scopes that it lacks.
    """
    caller, ends_at = _authenticate(client_id, client_secret)
    granted = _granted(frozenset(scopes), caller.scopes or frozenset())
    left_s = int(min(settings.ACCESS_TOKEN_LIFETIME.total_seconds(), ends_at - time.time()))
    text, _claims = sign(
        signing_key(),
        "access",
        lifetime=timedelta(seconds=left_s),
        user_id=caller.user_id,
        client_id=client_id,
        scope=" ".join(granted),
        secret_id=fingerprint(_digest(client_secret)),
    )
    if caller.key_id:
        touch_keys([(caller.key_id, caller.has_old_secret)])
    return Grant(text, granted, left_s)


def _authenticate(client_id: str, client_secret: str) -> tuple[Caller, float]:
    """Give the caller, and when the secret ends that was sent."""
    is_ours = is_well_formed(client_secret) and prefix_of(client_secret) == client_id
    found = FreshFacts().key(client_id) if is_ours else None
    caller = found.caller_with(_digest(client_secret)) if found else None
    if found is None or caller is None:
        raise NotAuthenticated(_("The application is not known, or its secret is wrong."), code="invalid_client")
    if found.expires_at <= time.time():
        raise NotAuthenticated(_("The key of the application has expired."), code="invalid_client")
    return caller, min(found.expires_at, found.old_until) if caller.has_old_secret else found.expires_at


def _digest(client_secret: str) -> bytes:
    return digest(client_secret, settings.API_KEY_PEPPER.encode())


def _granted(wanted: frozenset[str], held: frozenset[str]) -> tuple[str, ...]:
    if not wanted:
        return tuple(sorted(held))
    if lacking := {scope for scope in wanted if scope not in SCOPES or not (scope in held or "manage" in held)}:
        named = ", ".join(sorted(lacking))[:200]
        raise Invalid(
            _("The application has not been given this scope."), code="invalid_scope", fields={"scope": named}
        )
    return tuple(sorted(wanted))
