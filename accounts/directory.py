"""The facts about callers: all of them at once for the processes that hold them, or those of one request, fresh."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.callers import Caller, Directory, KeyFacts
from accounts.models import ApiKey, Session, SigningKey, User
from accounts.scopes import narrow
from accounts.tokens import CLOCK_SKEW, Verifier
from guards.limits import Limit

_NAME = ("content_type__app_label", "codename")


def load_directory() -> Directory:
    """Read every active user, live key and lately ended session in seven queries."""
    users = {caller.user_id: caller for caller in _callers()}
    live = ApiKey.objects.live()
    return Directory(
        keys={key.prefix: _key_facts(key, users[key.user_id]) for key in live if key.user_id in users},
        users=users,
        ended_sessions=frozenset(session.hex for session in _lately_ended()),
        verifiers={key.kid: _verifier(key) for key in SigningKey.objects.verifying()},
    )


class FreshFacts:
    """The same facts, read when asked for: a request of the REST API may bear a query or two."""

    def key(self, prefix: str) -> KeyFacts | None:
        """Give a live key."""
        key = ApiKey.objects.live().select_related("user").filter(prefix=prefix).first()
        return _key_facts(key, caller_of(key.user)) if key else None

    def user(self, user_id: int) -> Caller | None:
        """Give an active user."""
        user = User.objects.filter(pk=user_id, is_active=True).first()
        return caller_of(user) if user else None

    def has_ended(self, session_id: str) -> bool:
        """Tell whether a session has ended, or never was."""
        return not Session.objects.filter(pk=session_id, ended_at=None).exists()

    def verifier(self, kid: str) -> Verifier | None:
        """Give a key whose signatures are believed."""
        return find_verifier(kid)


def find_verifier(kid: str) -> Verifier | None:
    """Give a key whose signatures are believed, fresh from the table; `None` if there is none of this id."""
    if "\0" in kid:  # which no database keeps, and PostgreSQL is not to be asked for
        return None
    key = SigningKey.objects.verifying().filter(pk=kid[:40]).first()
    return _verifier(key) if key and key.kid == kid else None


def _verifier(key: SigningKey) -> Verifier:
    return Verifier(key.public_key, key.retire_at.timestamp() if key.retire_at else math.inf)


def caller_of(user: User) -> Caller:
    """Give a person as a caller, with all that they may do; for the admin, which knows people by their cookie."""
    return _caller(user.pk, user.username, frozenset(user.get_all_permissions()))


def _caller(user_id: int, username: str, permissions: frozenset[str]) -> Caller:
    return Caller(
        user_id, username, username, permissions, f"user:{user_id}",
        limit=settings.PREDICT_LIMIT, rows_limit=settings.PREDICT_ROWS_LIMIT,
    )  # fmt: skip


def _key_facts(key: ApiKey, owner: Caller) -> KeyFacts:
    caller = Caller(
        user_id=owner.user_id,
        username=owner.username,
        label=key.prefix,
        permissions=narrow(owner.permissions, key.scopes),
        identity=f"key:{key.pk.hex}",
        key_id=key.pk.hex,
        scopes=frozenset(key.scopes),
        allowed_models=frozenset(key.allowed_models) or None,
        limit=Limit.of(key.per_minute, key.burst) if key.per_minute else owner.limit,
        rows_limit=Limit.of_rows(key.rows_per_minute) if key.rows_per_minute else owner.rows_limit,
        person_permissions=owner.permissions,
    )
    expires_at = key.expires_at.timestamp() if key.expires_at else math.inf
    old_until = key.old_until.timestamp() if key.old_until else 0.0
    return KeyFacts(bytes.fromhex(key.digest), expires_at, caller, bytes.fromhex(key.old_digest), old_until)


def _callers() -> Iterable[Caller]:
    """Give all active users; people of the same roles share one set of permissions."""
    everything = frozenset(_names(Permission.objects.values_list(*_NAME)))
    of_role = _grouped(Permission.objects.filter(group__isnull=False).values_list("group", *_NAME))
    of_user = _grouped(Permission.objects.filter(user__isnull=False).values_list("user", *_NAME))
    roles: dict[int, list[int]] = defaultdict(list)
    for user_id, group_id in User.groups.through.objects.values_list("user_id", "group_id"):
        roles[user_id].append(group_id)
    shared: dict[tuple[int, ...], frozenset[str]] = {}
    for user_id, username, is_superuser in User.objects.filter(is_active=True).values_list(
        "pk", "username", "is_superuser"
    ):
        mine = tuple(sorted(roles.get(user_id, ())))
        if mine not in shared:
            shared[mine] = frozenset().union(*(of_role.get(group, ()) for group in mine))
        permissions = everything if is_superuser else shared[mine]
        yield _caller(user_id, username, permissions | of_user[user_id] if user_id in of_user else permissions)


def _grouped(rows: Iterable[tuple[int, str, str]]) -> Mapping[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for owner, app, codename in rows:
        found[owner].add(f"{app}.{codename}")
    return found


def _names(rows: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{app}.{codename}" for app, codename in rows)


def _lately_ended() -> Iterable[UUID]:
    since = timezone.now() - settings.ACCESS_TOKEN_LIFETIME - CLOCK_SKEW
    return Session.objects.filter(ended_at__gte=since, kind=Session.Kind.TOKEN).values_list("pk", flat=True)
