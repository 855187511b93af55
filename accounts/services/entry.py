"""The way in with a name and password, one for every door: limit, lock-out, password, then the second factor."""

from __future__ import annotations

import unicodedata

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import lockout
from accounts.models import User
from accounts.services.second_factor import check_second_factor, has_second_factor, needs_second_factor
from accounts.services.sessions import Pair, open_session
from audit.services import record
from common.context import origin
from common.errors import Conflict, NotAuthenticated
from guards.services import take_token


def check_password(*, username: str, password: str) -> User:
    """Give the person of a name and password. Raises NotAuthenticated, or TooMany for a limit or a lock.

    Nothing tells a name that nobody has from a wrong password: Django hashes the password all the same, and the lock
    counts both. The refusal is recorded by `accounts/logins.py`.
    """
    if settings.LOGIN_LIMIT:
        take_token(bucket=f"log-in:{origin.get().address}", limit=settings.LOGIN_LIMIT)
    username = unicodedata.normalize("NFKC", username)
    request = lockout.make_request()
    lockout.refuse_locked(request, username)
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise NotAuthenticated(_("Name or password is wrong."), code="wrong_credentials")
    return user


def let_in(*, username: str, password: str, code: str = "") -> User:
    """Give the person of a name, password and, where they have a second factor, a code of it.

    Raises NotAuthenticated: `otp_required` without the code, `wrong_code`, `otp_enrolment_required` for a person who
    has to set up a second factor in the back office first.
    """
    user = check_password(username=username, password=password)
    if has_second_factor(user):
        check_second_factor(user=user, code=code)
    elif needs_second_factor(user):
        problem = _("Set up the second factor in the back office first.")
        raise NotAuthenticated(problem, code="otp_enrolment_required")
    forgive(user)
    return user


def log_in(*, username: str, password: str, code: str = "", device: str = "") -> Pair:
    """Open a session by token for a name and password, and a code where one is needed. Raises as `let_in` does."""
    return open_session(user=let_in(username=username, password=password, code=code), device=device)


def forgive(user: User) -> None:
    """Forget the failures of a person at this address, after they have come in."""
    lockout.forgive(username=user.username, address=origin.get().address)


def unlock_user(*, user: User, actor: User | str | None, reason: str = "") -> None:
    """Let a person try to log in again from everywhere. Raises Conflict if they are not locked out."""
    with transaction.atomic():
        locked = lockout.locked_addresses(user)
        if not lockout.forgive(username=user.username):
            raise Conflict(_("The person is not locked out."))
        before = {"addresses": len(locked)}
        record(action="accounts.user_unlocked", actor=actor, target=user, before=before, reason=reason)
