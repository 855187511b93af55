"""Log-ins and failures of every door, heard from Django's own signals and written into the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from accounts.models import User
from audit.services import person, record, record_refusal, reference_of


def listen() -> None:
    """Begin to listen; the admin logs people in through Django, which tells only by signals."""
    user_logged_in.connect(_logged_in)
    user_logged_out.connect(_logged_out)
    user_login_failed.connect(_failed)


def _logged_in(*, user: User, **_signal: Any) -> None:
    record(action="accounts.logged_in", actor=user, target=user)


def _logged_out(*, user: User | None, **_signal: Any) -> None:
    if user is not None:
        record(action="accounts.logged_out", actor=user, target=user)


def _failed(*, credentials: dict[str, Any], **_signal: Any) -> None:
    """Keep who it was tried for; a name that nobody has stays a hash, since people type passwords there."""
    name = str(credentials.get("username", ""))[:150]
    user = User.objects.filter(username=name).first()
    label = person(user) if user else reference_of(f"name:{name}")
    record_refusal(action="accounts.logged_in", actor=None, target=user, target_label=label)
