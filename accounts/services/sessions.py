"""Sessions by token: a refresh token is used once, and a used one that comes again ends its whole family."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Session, User
from accounts.tokens import make_pair, read_refresh
from audit.canonical import clean
from audit.services import record, record_refusal
from common.context import origin
from common.errors import Conflict, NotAuthenticated
from guards.services import bump


@dataclass(frozen=True, slots=True)
class Pair:
    """What a log-in gives."""

    access: str
    refresh: str
    expires_in_s: int
    session: Session


def log_in(*, username: str, password: str, device: str = "") -> Pair:
    """Open a session for a name and password. Raises NotAuthenticated, alike for a wrong name and a wrong password.

    The refusal is recorded by `accounts/logins.py`, which hears of failures at every door; unknown names take as long
    as known ones, because Django hashes the password all the same.
    """
    user = authenticate(username=unicodedata.normalize("NFKC", username), password=password)
    if not isinstance(user, User):
        raise NotAuthenticated(_("Name or password is wrong."), code="wrong_credentials")
    return open_session(user=user, device=device)


def open_session(*, user: User, device: str = "") -> Pair:
    """Open a session of an active person."""
    session = Session(user=user, device=clean(device, 255), address=origin.get().address, last_used_at=timezone.now())
    access, refresh_token = make_pair(user_id=user.pk, session_id=session.pk.hex)
    session.refresh_id, session.expires_at = refresh_token["jti"], _moment(refresh_token["exp"])
    with transaction.atomic():
        session.save(force_insert=True)
        User.objects.filter(pk=user.pk).update(last_login=session.last_used_at)
        record(action="accounts.logged_in", actor=user, target=session, target_label=session.device or "—")
    return Pair(str(access), str(refresh_token), _lifetime_s(), session)


def refresh(*, token: str) -> Pair:
    """Exchange a refresh token for a new pair; one that was used before ends the session. Raises NotAuthenticated."""
    given = read_refresh(token)
    session = Session.objects.select_related("user").filter(pk=given["sid"]).first()
    if session is None or session.ended_at or not session.user.is_active:
        raise NotAuthenticated(_("The session has ended."), code="ended_session")
    access, new = make_pair(user_id=session.user_id, session_id=session.pk.hex)
    changes = {"refresh_id": new["jti"], "last_used_at": timezone.now(), "expires_at": _moment(new["exp"])}
    # One of two that come at once wins here. Deactivating a person ends their sessions, so the row alone decides.
    if not Session.objects.filter(pk=session.pk, refresh_id=given["jti"], ended_at=None).update(**changes):
        _end_family(session)
        raise NotAuthenticated(_("The refresh token was used before; the session has ended."), code="reused_token")
    session.refresh_from_db()
    return Pair(str(access), str(new), _lifetime_s(), session)


def end_session(*, session: Session, actor: User | str | None, reason: str = "") -> Session:
    """End a session; its access tokens are refused everywhere within a second. Raises Conflict if it has ended."""
    own = isinstance(actor, User) and actor.pk == session.user_id
    with transaction.atomic():
        if not _end(session, "logged out" if own else "ended"):
            raise Conflict(_("The session has ended already."))
        action = "accounts.logged_out" if own else "accounts.session_ended"
        record(action=action, actor=actor, target=session, target_label=session.device or "—", reason=reason)
    session.refresh_from_db()
    return session


def _end_family(session: Session) -> None:
    with transaction.atomic():
        _end(session, "reused")
    record_refusal(
        action="accounts.session_refreshed", actor=session.user, target=session, target_label=session.device or "—"
    )


def _end(session: Session, reason: str) -> bool:
    ended = Session.objects.filter(pk=session.pk, ended_at=None).update(ended_at=timezone.now(), ended_reason=reason)
    bump("accounts")
    return bool(ended)


def _moment(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, tz=UTC)


def _lifetime_s() -> int:
    return int(settings.ACCESS_TOKEN_LIFETIME.total_seconds())
