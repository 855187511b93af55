"""Who calls: one parser for every way of carrying a key or token, over facts held in memory or read fresh.

`identify` runs once for each prediction, so it asks no database and allocates little.
"""

from __future__ import annotations

import binascii
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.conf import settings

from accounts.callers import Caller, Directory, Facts
from accounts.directory import FreshFacts, load_directory
from accounts.keys import MARK, digest, is_well_formed, prefix_of
from accounts.scopes import narrow
from accounts.tokens import Claims, read
from common.errors import NotAuthenticated

__all__ = ["Caller", "Directory", "FreshFacts", "carried", "identify", "load_directory", "sent_once"]

_MAX_CREDENTIAL = 4096
_PEPPER = settings.API_KEY_PEPPER.encode()
_CHALLENGE = "an API key or token is needed (Authorization: Bearer …)"


def identify(headers: Mapping[bytes, bytes], facts: Facts) -> Caller:
    """Give the caller of a request, by its headers (names in lower case). Raises NotAuthenticated."""
    text = carried(headers)
    if not text:
        raise NotAuthenticated(_CHALLENGE)
    return _by_key(text, facts) if text.startswith(MARK) else _by_token(text, facts)


def carried(headers: Mapping[bytes, bytes]) -> str:
    """Give the key or token that the headers carry, empty if none. Raises NotAuthenticated for a way unknown to us."""
    value, key = headers.get(b"authorization"), headers.get(b"x-api-key")
    if not value:
        return _text(key.strip()) if key else ""
    text = _from_authorization(value)
    if key and _text(key.strip()) != text:
        raise NotAuthenticated("two credentials that differ were sent; send one", code="two_credentials")
    return text


def sent_once(raw: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Give the headers of an ASGI scope by name. Raises NotAuthenticated for a credential header that comes twice."""
    headers = dict(raw)
    if len(headers) != len(raw):
        names = [name for name, _value in raw]
        if names.count(b"authorization") > 1 or names.count(b"x-api-key") > 1:
            raise NotAuthenticated("two credentials were sent; send one", code="two_credentials")
    return headers


def _from_authorization(value: bytes) -> str:
    scheme, _, rest = value.partition(b" ")
    match scheme.lower():
        case b"bearer" | b"api-key":
            return _text(rest.strip())
        case b"basic":
            return _from_basic(rest)
        case _:
            raise NotAuthenticated(_CHALLENGE)


def _text(value: bytes) -> str:
    if len(value) > _MAX_CREDENTIAL or not value.isascii():
        raise NotAuthenticated("this is no credential of ours")
    return value.decode("ascii")


def _from_basic(value: bytes) -> str:
    """Give the password, or the name where a client sends the key as that (`curl -u KEY:`)."""
    try:
        name, _, password = b64decode(value.strip(), validate=True).partition(b":")
    except binascii.Error:
        raise NotAuthenticated("the Basic credential is not base64") from None
    text = _text(password or name)
    if not text.startswith(MARK):
        raise NotAuthenticated("Basic carries an API key as its password; people log in at /api/v1/auth/token")
    return text


def _by_key(text: str, facts: Facts) -> Caller:
    found = facts.key(prefix_of(text))
    caller = found.caller_with(digest(text, _PEPPER)) if found else None
    if found is None or caller is None:
        if not is_well_formed(text):
            raise NotAuthenticated("the API key is mistyped: its checksum does not fit", code="malformed_key")
        raise NotAuthenticated("the API key is not known, or no longer", code="unknown_key")
    if found.expires_at <= time.time():
        raise NotAuthenticated("the API key has expired", code="expired_key")
    return caller


def _by_token(text: str, facts: Facts) -> Caller:
    claims = read(text, "access", facts.verifier)
    if claims.expires_at <= time.time():
        raise NotAuthenticated("the token has expired", code="expired_token")
    if claims.client_id:
        return _by_application(claims, facts)
    caller = facts.user(claims.user_id)
    if caller is None or facts.has_ended(claims.session_id):
        raise NotAuthenticated("the session has ended", code="ended_session")
    return replace(caller, session_id=claims.session_id)


def _by_application(claims: Claims, facts: Facts) -> Caller:
    """Give the caller of a token that an API key was exchanged for: the key decides, limited to the token's scopes.

    It ends with the secret that was sent for it: who ends a stolen one at once ends what was got for it.
    """
    found = facts.key(claims.client_id)
    caller = found.caller_of_token(claims.secret_id) if found else None
    if found is None or caller is None or caller.user_id != claims.user_id or found.expires_at <= time.time():
        raise NotAuthenticated("the application of this token is not known, or no longer", code="unknown_client")
    scopes = frozenset(claims.scopes)
    if scopes == caller.scopes:
        return caller
    return replace(caller, scopes=scopes, permissions=narrow(caller.permissions, scopes))
