"""What may be done to an account from its page."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts import lockout, services
from accounts.admin.forms import PasswordForm
from accounts.models import ApiKey, Session, User
from common.admin import Consequence, Verb


def _deactivate(*, obj: User, actor: Any, reason: str) -> str:
    services.deactivate_user(user=obj, actor=actor, reason=reason)
    return gettext("%(user)s can no longer log in, and their keys and sessions have stopped.") % {"user": obj}


def _activate(*, obj: User, actor: Any, reason: str) -> str:
    services.activate_user(user=obj, actor=actor, reason=reason)
    return gettext("%(user)s can log in again.") % {"user": obj}


def _set_password(*, obj: User, actor: Any, password: str) -> str:
    services.change_password(user=obj, password=password, actor=actor)
    return gettext("%(user)s has a new password.") % {"user": obj}


def _unlock(*, obj: User, actor: Any, reason: str) -> str:
    services.unlock_user(user=obj, actor=actor, reason=reason)
    return gettext("%(user)s can try to log in again.") % {"user": obj}


def _reset_second_factor(*, obj: User, actor: Any, reason: str) -> str:
    services.remove_second_factor(user=obj, actor=actor, reason=reason)
    return gettext("%(user)s logs in with the password alone until a new second factor is set up.") % {"user": obj}


def _what_stops(user: User) -> Consequence:
    keys = ApiKey.objects.live().filter(user=user).count()
    sessions = Session.objects.open().filter(user=user).count()
    return Consequence(
        _("The account stays, with all it did; it can be activated again."),
        [
            (_("Log-in"), _("possible"), _("refused")),
            (_("API keys that work"), keys, 0),
            (_("Open sessions"), sessions, 0),
        ],
    )


def _end_all(*, obj: User, actor: Any, reason: str) -> str:
    count = services.end_all_sessions(user=obj, actor=actor, reason=reason)
    return ngettext("%d session has ended.", "%d sessions have ended.", count) % count


def _what_ends(user: User) -> Consequence:
    count = Session.objects.open().filter(user=user).count()
    text = _("Every browser and application has to log in again, this one too. API keys go on.")
    return Consequence(text, [(_("Open sessions"), count, 0)])


END_ALL = Verb(
    name="end-sessions",
    label=_("Log out everywhere"),
    permission="accounts.manage_any_session",
    run=_end_all,
    title=lambda user: gettext("Log out everywhere: %(user)s") % {"user": user},
    consequence=_what_ends,
    is_offered=lambda user: Session.objects.open().filter(user=user).exists(),
    is_destructive=True,
)
VERBS = (
    END_ALL,
    Verb(
        name="password",
        label=_("Set password"),
        permission="accounts.change_user",
        run=_set_password,
        form=lambda _user: PasswordForm,
    ),
    Verb(
        name="unlock",
        label=_("Unlock"),
        permission="accounts.reset_secondfactor",
        run=_unlock,
        is_offered=lambda user: bool(lockout.locked_addresses(user)),
        is_primary=True,
    ),
    Verb(
        name="reset_second_factor",
        label=_("Reset second factor"),
        permission="accounts.reset_secondfactor",
        run=_reset_second_factor,
        consequence=lambda _user: Consequence(
            _("Make sure that it is really them who ask: a password alone lets them in afterwards.")
        ),
        is_offered=services.has_second_factor,
        is_destructive=True,
    ),
    Verb(
        name="deactivate",
        label=_("Deactivate"),
        permission="accounts.change_user",
        run=_deactivate,
        consequence=_what_stops,
        is_offered=lambda user: user.is_active,
        is_destructive=True,
    ),
    Verb(
        name="activate",
        label=_("Activate"),
        permission="accounts.change_user",
        run=_activate,
        is_offered=lambda user: not user.is_active,
        is_primary=True,
    ),
)
