"""Log-ins of browsers as sessions, and failures of every door in the audit trail, heard from Django's own signals."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from accounts.models import Session, User
from accounts.services.sessions import end_browser_session, open_browser_session, touch_sessions
from audit.services import person, record, record_refusal, reference_of

SESSION = "flueman_session"


def listen() -> None:
    """Begin to listen; the admin logs people in through Django, which tells only by signals."""
    user_logged_in.connect(_logged_in)
    user_logged_out.connect(_logged_out)
    user_login_failed.connect(_failed)


def still_open(request: HttpRequest) -> bool:
    """Tell whether the session of a browser's log-in is open; a cookie without one is nobody's."""
    known = request.session.get(SESSION)
    session = Session.objects.filter(pk=known, user=request.user.pk, ended_at=None).first() if known else None
    if session:
        touch_sessions([session])
    return session is not None


def _open(request: HttpRequest, user: Any) -> None:
    device, old = request.headers.get("User-Agent", ""), request.session.get(SESSION, "")
    request.session[SESSION] = open_browser_session(user=user, device=device, replaces=old).pk.hex


def _logged_in(*, user: User, request: HttpRequest | None = None, **_signal: Any) -> None:
    if request is not None:
        _open(request, user)
    record(action="accounts.logged_in", actor=user, target=user)


def _logged_out(*, user: User | None, request: HttpRequest | None = None, **_signal: Any) -> None:
    if user is None:
        return
    if request is not None and (known := request.session.get(SESSION)):
        end_browser_session(session_id=known)
    record(action="accounts.logged_out", actor=user, target=user)


def _failed(*, credentials: dict[str, Any], **_signal: Any) -> None:
    """Keep who it was tried for; a name that nobody has stays a hash, since people type passwords there."""
    name = str(credentials.get("username", ""))[:150]
    user = User.objects.filter(username=name).first()
    label = person(user) if user else reference_of(f"name:{name}")
    record_refusal(action="accounts.logged_in", actor=None, target=user, target_label=label)
