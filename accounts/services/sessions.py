"""Log-ins, by token or in a browser. A refresh token is used once; a used one that comes again ends its session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.directory import find_verifier
from accounts.models import Session, User
from accounts.services.signing import signing_key
from accounts.tokens import Claims, read, sign
from audit.canonical import clean
from audit.services import record, record_refusal
from common.context import origin
from common.errors import Conflict, NotAuthenticated
from common.transactions import transactional
from guards.services import bump

TOUCH_AT_MOST_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a log-in gives."""

    access: str
    refresh: str
    expires_in_s: int
    session: Session


def open_session(*, user: User, device: str = "") -> Pair:
    """Open a session of an active person by token."""
    session = _new(user, Session.Kind.TOKEN, device)
    access, refresh_token, claims = _make_pair(session)
    session.refresh_id, session.expires_at = claims.token_id, _moment(claims.expires_at)
    _begin(session)
    return Pair(access, refresh_token, _lifetime_s(), session)


@transactional
def _begin(session: Session) -> None:
    # The person's row first: to insert the session shares a lock on it, which two log-ins could not both raise after.
    User.objects.filter(pk=session.user_id).update(last_login=session.last_used_at)
    session.save(force_insert=True)
    label = session.device or "—"
    record(action="accounts.logged_in", actor=session.user, target=session, target_label=label)


@transactional
def open_browser_session(*, user: User, device: str, replaces: str = "") -> Session:
    """Keep a log-in by cookie, which Django has made, as a session that can be seen and ended."""
    session = _new(user, Session.Kind.BROWSER, device)
    session.expires_at = session.last_used_at + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    if replaces:
        _end(Session.objects.filter(pk=replaces), "replaced")
    session.save(force_insert=True)
    return session


@transactional
def end_browser_session(*, session_id: str) -> None:
    """Note that a browser has logged out; the cookie is Django's to end."""
    _end(Session.objects.filter(pk=session_id), "logged out")


def refresh(*, token: str) -> Pair:
    """Exchange a refresh token for a new pair; one that was used before ends the session. Raises NotAuthenticated."""
    given = read(token, "refresh", find_verifier)
    session = Session.objects.select_related("user").filter(pk=given.session_id, user=given.user_id).first()
    if session is None or session.ended_at or not session.user.is_active:
        raise NotAuthenticated(_("The session has ended."), code="ended_session")
    access, new, claims = _make_pair(session)
    changes = {
        "refresh_id": claims.token_id,
        "last_used_at": timezone.now(),
        "expires_at": _moment(claims.expires_at),
        "address": origin.get().address,
    }
    # One of two that come at once wins here. Deactivating a person ends their sessions, so the row alone decides.
    if not Session.objects.filter(pk=session.pk, refresh_id=given.token_id, ended_at=None).update(**changes):
        _end_family(session)
        raise NotAuthenticated(_("The refresh token was used before; the session has ended."), code="reused_token")
    session.refresh_from_db()
    return Pair(access, new, _lifetime_s(), session)


def touch_sessions(sessions: Iterable[Session]) -> None:
    """Note that sessions were used now, at most once a minute for each."""
    now = timezone.now()
    due = [session.pk for session in sessions if session.last_used_at < now - TOUCH_AT_MOST_EVERY]
    # On SQLite even an update of no row would take the one write lock.
    if due:
        Session.objects.filter(pk__in=due).update(last_used_at=now)


@transactional
def end_session(*, session: Session, actor: User | str | None, reason: str = "") -> Session:
    """End a session; its access tokens are refused everywhere within a second. Raises Conflict if it has ended."""
    own = isinstance(actor, User) and actor.pk == session.user_id
    if not _end(Session.objects.filter(pk=session.pk), "logged out" if own else "ended"):
        raise Conflict(_("The session has ended already."))
    action = "accounts.logged_out" if own else "accounts.session_ended"
    record(action=action, actor=actor, target=session, target_label=session.device or "—", reason=reason)
    session.refresh_from_db()
    return session


@transactional
def end_all_sessions(*, user: User, actor: User | str | None, keep: str = "", reason: str = "") -> int:
    """End every session of a person, by token and in browsers, but for `keep`; give how many there were."""
    count = end_sessions_of(user, reason="everywhere", keep=keep)
    record(action="accounts.sessions_ended", actor=actor, target=user, after={"sessions": count}, reason=reason)
    return count


def end_sessions_of(user: User, *, reason: str, keep: str = "") -> int:
    """End every open session of a person but for `keep`, inside the caller's transaction."""
    sessions = Session.objects.filter(user=user)
    return _end(sessions.exclude(pk=keep) if keep else sessions, reason)


def forget_old_sessions() -> int:
    """Remove sessions that ended or ran out long ago; the audit trail keeps that they were."""
    before = timezone.now() - KEPT
    old = Session.objects.filter(expires_at__lt=before).values_list("pk", flat=True)
    old_ended = Session.objects.filter(ended_at__lt=before).values_list("pk", flat=True)
    gone = {*old[:1000], *old_ended[:1000]}
    return Session.objects.filter(pk__in=gone).delete()[0]


def _new(user: User, kind: str, device: str) -> Session:
    now = timezone.now()
    return Session(user=user, kind=kind, device=clean(device, 255), address=origin.get().address, last_used_at=now)


def _make_pair(session: Session) -> tuple[str, str, Claims]:
    """Give a new pair of tokens of a session, and what the refresh token says."""
    signer = signing_key()
    about: dict[str, Any] = {"user_id": session.user_id, "sid": session.pk.hex}
    access, _said = sign(signer, "access", lifetime=settings.ACCESS_TOKEN_LIFETIME, **about)
    token, claims = sign(signer, "refresh", lifetime=settings.REFRESH_TOKEN_LIFETIME, **about)
    return access, token, claims


def _end_family(session: Session) -> None:
    transactional(_end)(Session.objects.filter(pk=session.pk), "reused")
    label = session.device or "—"
    record_refusal(action="accounts.session_refreshed", actor=session.user, target=session, target_label=label)


def _end(sessions: QuerySet[Session], reason: str) -> int:
    bump("accounts")
    return sessions.filter(ended_at=None).update(ended_at=timezone.now(), ended_reason=reason)


def _moment(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, tz=UTC)


def _lifetime_s() -> int:
    return int(settings.ACCESS_TOKEN_LIFETIME.total_seconds())
