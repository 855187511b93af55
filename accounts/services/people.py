"""People: their accounts, roles, passwords and settings."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.callers import Caller
from accounts.models import User
from accounts.roles import ADMINISTRATOR, ROLES
from accounts.services.keys import demand_whole_key
from accounts.services.second_factor import GUESSES
from accounts.services.sessions import end_sessions_of
from audit.services import record
from common.errors import Conflict, Invalid, NotAllowed
from guards.services import bump, take_token
from notify.services import send_email

Actor = User | str | None
SETTINGS = ("email", "first_name", "last_name", "language", "time_zone")


def create_user(
    *,
    username: str,
    password: str | None = None,
    roles: Iterable[str] = (),
    actor: Actor,
    caller: Caller | None = None,
    **details: str,
) -> User:
    """Make an account; without a password only API keys can use it.

    A `caller` who came with a limited key makes none. Raises Invalid, NotAllowed or Django's ValidationError.
    """
    if caller:
        demand_whole_key(caller)
    wanted = _known(roles)
    user = User(username=unicodedata.normalize("NFKC", username), **_settings(details))
    if password is None:
        user.set_unusable_password()
    else:
        validate_password(password, user)
        user.set_password(password)
    user.is_staff = any(ROLES[role].is_staff for role in wanted)
    user.full_clean()
    with transaction.atomic():
        user.save(force_insert=True)
        user.groups.set(_groups(wanted))
        bump("accounts")
        record(action="accounts.user_created", actor=actor, target=user, after={"roles": wanted})
    return user


def set_roles(
    *, user: User, roles: Iterable[str], actor: Actor, reason: str = "", caller: Caller | None = None
) -> User:
    """Give a person exactly these roles, but not for a `caller` who came with a limited key.

    Raises NotAllowed, or Conflict if no administrator would be left.
    """
    if caller:
        demand_whole_key(caller)
    wanted = _known(roles)
    with transaction.atomic():
        _lock_administrators()
        before = roles_of(user)
        if ADMINISTRATOR in before and ADMINISTRATOR not in wanted:
            _refuse_the_last(user)
        user.groups.set(_groups(wanted))
        user.is_staff = user.is_superuser or any(ROLES[role].is_staff for role in wanted)
        user.save(update_fields=["is_staff"])
        bump("accounts")
        _note("roles_set", actor, user, {"roles": before}, {"roles": wanted}, reason)
    return user


def deactivate_user(*, user: User, actor: Actor, reason: str = "") -> User:
    """Shut a person out everywhere within a second: sessions, keys and admin. Raises Conflict."""
    with transaction.atomic():
        _lock_administrators()
        _refuse_the_last(user)
        if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            raise Conflict(_("The account is not active."))
        end_sessions_of(user, reason="deactivated")
        _note("user_deactivated", actor, user, {"active": True}, {"active": False}, reason)
    user.is_active = False
    return user


def activate_user(*, user: User, actor: Actor, reason: str = "") -> User:
    """Let a person in again. Raises Conflict if they are in."""
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            raise Conflict(_("The account is active."))
        bump("accounts")
        _note("user_activated", actor, user, {"active": False}, {"active": True}, reason)
    user.is_active = True
    return user


def change_settings(
    *, user: User, actor: Actor, caller: Caller | None = None, old_password: str = "", **details: str
) -> User:
    """Change name, e-mail, language or time zone; the audit trail keeps which, not what.

    For another address a `caller` is asked for more, and the old one gets a letter. Raises Invalid, NotAllowed.
    """
    return change_account(user=user, actor=actor, caller=caller, old_password=old_password, **details)


def change_account(
    *,
    user: User,
    actor: Actor,
    caller: Caller | None = None,
    roles: Iterable[str] | None = None,
    reason: str = "",
    old_password: str = "",
    **details: str,
) -> User:
    """Change settings and, where they are given, roles: all or nothing. Raises Invalid, NotAllowed, Conflict."""
    changed = [name for name, value in _settings(details).items() if getattr(user, name) != value]
    if caller and "email" in changed:
        _check_may_move(user, caller, old_password)  # before the transaction: guesses count, whatever comes of it
    with transaction.atomic():
        if roles is not None:
            set_roles(user=user, roles=roles, actor=actor, reason=reason, caller=caller)
        if changed:
            _write_settings(user, {name: details[name] for name in changed}, actor)
    return user


def _write_settings(user: User, changes: dict[str, str], actor: Actor) -> None:
    before = user.email
    for name, value in changes.items():
        setattr(user, name, value)
    user.full_clean(exclude=[field.name for field in User._meta.fields if field.name not in changes])
    user.save(update_fields=list(changes))
    if "email" in changes and before:
        _tell_old_address(user, before)
    _note("user_changed", actor, user, {}, {"changed": list(changes)}, "")


def change_password(
    *, user: User, password: str, actor: Actor, old_password: str | None = None, keep_session: str = ""
) -> User:
    """Set a password and end all sessions but `keep_session`. `old_password`, where given, must be right.

    Raises Invalid.
    """
    if old_password is not None:
        _check_password(user, old_password)
    validate_password(password, user)
    user.set_password(password)
    with transaction.atomic():
        user.save(update_fields=["password"])
        end_sessions_of(user, reason="password", keep=keep_session)
        _note("password_changed", actor, user, {}, {}, "")
    return user


def _check_may_move(user: User, caller: Caller, old_password: str) -> None:
    """Refuse another address to who has but a key or token of the person: links to new passwords are sent there."""
    demand_whole_key(caller)
    if caller.user_id != user.pk:
        return
    if caller.key_id:
        problem = _("is changed with the password, not with a key")
        raise NotAllowed(_("A key does not change the e-mail address of its owner."), fields={"email": problem})
    _check_password(user, old_password)


def _check_password(user: User, old_password: str) -> None:
    """Refuse another password, and guesses without end by who has but a session. Raises Invalid, TooMany."""
    take_token(bucket=f"old-password:{user.pk}", limit=GUESSES)
    if not user.check_password(old_password):
        raise Invalid(_("The old password is wrong."), fields={"old_password": _("wrong")})


def _tell_old_address(user: User, address: str) -> None:
    language = user.language or settings.LANGUAGE_CODE
    with suppress(Invalid):  # what was no address cannot be told
        send_email(to=address, template="address_changed", context={"name": user.username}, language=language)


def roles_of(user: User) -> list[str]:
    """Give the names of a person's roles."""
    return sorted(user.groups.filter(name__in=ROLES).values_list("name", flat=True))


def _note(action: str, actor: Actor, user: User, before: dict[str, Any], after: dict[str, Any], reason: str) -> None:
    record(action=f"accounts.{action}", actor=actor, target=user, before=before, after=after, reason=reason)


def _known(roles: Iterable[str]) -> list[str]:
    wanted = sorted(set(roles))
    if unknown := [role for role in wanted if role not in ROLES]:
        raise Invalid(_("Unknown role."), fields={"roles": f"{', '.join(unknown)}: {', '.join(ROLES)}"})
    return wanted


def _groups(roles: list[str]) -> list[Group]:
    return list(Group.objects.filter(name__in=roles))


def _lock_administrators() -> None:
    """Have changes of who is an administrator wait for each other, or two could remove the last two."""
    Group.objects.select_for_update().filter(name=ADMINISTRATOR).first()


def _refuse_the_last(user: User) -> None:
    administrators = User.objects.filter(is_active=True, groups__name=ADMINISTRATOR)
    if administrators.filter(pk=user.pk).exists() and not administrators.exclude(pk=user.pk).exists():
        raise Conflict(_("This is the last administrator."), code="last_administrator")


def _settings(details: dict[str, str]) -> dict[str, str]:
    if unknown := details.keys() - set(SETTINGS):
        raise TypeError(f"not a setting of a person: {', '.join(unknown)}")
    if (language := details.get("language")) and language not in dict(settings.LANGUAGES):
        raise Invalid(_("Unknown language."), fields={"language": ", ".join(dict(settings.LANGUAGES))})
    if (zone := details.get("time_zone")) and zone not in available_timezones():
        raise Invalid(_("Unknown time zone."), fields={"time_zone": "Asia/Seoul, Europe/Berlin, UTC, …"})
    return details
