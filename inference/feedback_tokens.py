"""Tokens that let whoever holds one judge one row of one answer, without an account.

A token leaves with a prediction, where no database is asked: so it is a keyed digest by a key of the installation, and
not a JWT, whose signing keys are rows. It names request, row, end and end user, and is good for nothing else.
"""

from __future__ import annotations

import hmac
import struct
import time
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from functools import cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import Invalid, NotAuthenticated
from common.names import composed
from common.strict_json import check_text

MARK = "fbt_"
WISH, ANSWER = "X-Flueman-Feedback", "X-Flueman-Feedback-Token"
MOST_END_USER = 100  # characters
MOST_ROW = (1 << 32) - 1
_LONGEST = 1024
_HEAD = struct.Struct(">16sIQ")  # request, row, end in seconds since 1970
_SEAL = 32


class Right(NamedTuple):
    """What a token lets its holder judge, and as whom; the end user may be nameless."""

    request_id: UUID
    row: int
    end_user: str
    expires_at: int


def issue(*, request_id: UUID, row: int = 0, end_user: str = "", hours: float | None = None) -> tuple[str, int]:
    """Give a token and when it ends, in seconds since 1970. `end_user` is as `end_user_name` gives it."""
    until = int(time.time() + 3600 * (settings.FEEDBACK_TOKEN_HOURS if hours is None else hours))
    said = _HEAD.pack(request_id.bytes, row, until) + end_user.encode()
    return MARK + urlsafe_b64encode(said + _sealed(said)).decode().rstrip("="), until


def read(token: str) -> Right:
    """Give what a token says. Raises NotAuthenticated for one that is forged, damaged, or over."""
    said = _unpacked(token)
    body, seal = said[:-_SEAL], said[-_SEAL:]
    if len(said) < _HEAD.size + _SEAL or not hmac.compare_digest(seal, _sealed(body)):
        raise NotAuthenticated(_("This is no feedback token of ours."), code="unknown_feedback_token")
    request, row, until = _HEAD.unpack_from(body)
    if until <= time.time():
        raise NotAuthenticated(_("The feedback token has expired."), code="expired_feedback_token")
    return Right(UUID(bytes=request), row, body[_HEAD.size :].decode(), until)


def wish(header: str) -> str:
    """Give the end user of the header that asks for a token: `token`, or `token; end-user=…`. Raises Invalid."""
    try:
        text = header.encode("latin-1").decode()  # as HTTP carries it
    except UnicodeError:
        raise Invalid(f"{WISH}: no UTF-8", fields={WISH: "no UTF-8"}) from None
    what, _mark, rest = text.partition(";")
    name, _mark, end_user = rest.strip().partition("=")
    if what.strip().lower() != "token" or (rest.strip() and name.strip().lower() != "end-user"):
        said = "write token, or token; end-user=ID"
        raise Invalid(f"{WISH}: {said}", fields={WISH: said})
    return end_user_name(end_user, field=WISH)


def end_user_name(given: str, *, field: str = "end_user") -> str:
    """Give the id of an end user as it is kept, empty for none. Raises Invalid."""
    name = composed(check_text(given, field=field)).strip().strip('"')
    if len(name) > MOST_END_USER or not name.isprintable():
        said = f"The id of an end user has at most {MOST_END_USER} characters, on one line."
        raise Invalid(said, fields={field: said})
    return name


def _unpacked(token: str) -> bytes:
    text = token.removeprefix(MARK)
    if text == token or len(token) > _LONGEST or not text.isascii():
        return b""
    try:
        said = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except Error:
        return b""
    # Base64 can write the same bytes in several ways; one token has one spelling.
    return said if urlsafe_b64encode(said).decode().rstrip("=") == text else b""


def _sealed(said: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY), said, "sha256")


@cache
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"flueman feedback token", "sha256")
