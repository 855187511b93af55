"""API keys: made, revoked, and when they were last used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.callers import Caller
from accounts.keys import digest, make_key
from accounts.models import ApiKey, User
from accounts.scopes import SCOPES
from audit.services import person, record
from common.errors import Conflict, Invalid, NotAllowed
from common.names import safe_name
from guards.services import bump

TOUCH_AT_MOST_EVERY = timedelta(minutes=1)


def create_api_key(
    *,
    name: str,
    user: User,
    scopes: Iterable[str],
    allowed_models: Iterable[str] = (),
    expires_at: datetime | None = None,
    actor: User | str | None,
    caller: Caller | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and give it with its clear text, which is kept nowhere.

    A `caller` who came with a key gives away no more than that key can. Raises Invalid or NotAllowed.
    """
    key = ApiKey(
        name=safe_name(name, 300),
        user=user,
        scopes=sorted(set(scopes)),
        allowed_models=sorted({safe_name(model, field="allowed_models") for model in allowed_models}),
        expires_at=expires_at,
        created_by=actor if isinstance(actor, User) else None,
    )
    _check(key)
    if caller and caller.key_id:
        _check_within(key, caller.key_id)
    made = make_key(settings.ENVIRONMENT)
    key.prefix, key.digest = made.prefix, digest(made.text, settings.API_KEY_PEPPER.encode()).hex()
    key.full_clean()
    with transaction.atomic():
        key.save(force_insert=True)
        bump("accounts")
        record(action="accounts.api_key_created", actor=actor, target=key, after=_facts(key))
    return key, made.text


def revoke_api_key(*, key: ApiKey, actor: User | str | None, reason: str = "") -> ApiKey:
    """End a key for good; every process refuses it within a second. Raises Conflict if it has ended already."""
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            raise Conflict(_("The key has been revoked already."))
        bump("accounts")
        record(action="accounts.api_key_revoked", actor=actor, target=key, before=_facts(key), reason=reason)
    key.refresh_from_db()
    return key


def touch_keys(key_ids: Iterable[str]) -> None:
    """Note that keys were used now, at most once a minute for each."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - TOUCH_AT_MOST_EVERY)
    due = ApiKey.objects.filter(stale, pk__in=list(key_ids))
    # Looked for first: on SQLite even an update of no row would take the one write lock.
    if wanted := list(due.values_list("pk", flat=True)):
        ApiKey.objects.filter(pk__in=wanted).update(last_used_at=now)


def _check(key: ApiKey) -> None:
    if unknown := set(key.scopes) - SCOPES.keys():
        allowed = ", ".join(SCOPES)
        raise Invalid(_("Unknown scope."), fields={"scopes": f"{', '.join(sorted(unknown))}: {allowed}"})
    if not key.scopes:
        raise Invalid(_("A key needs at least one scope."), fields={"scopes": ", ".join(SCOPES)})
    if not key.user.is_active:
        raise Invalid(_("The owner is not active."), fields={"user": key.user.username})
    if key.expires_at and key.expires_at <= timezone.now():
        raise Invalid(_("The expiry is in the past."), fields={"expires_at": key.expires_at.isoformat()})


def _check_within(key: ApiKey, own_id: str) -> None:
    """Refuse a key that could do more, for longer or for somebody else than the key that asks for it."""
    own = ApiKey.objects.get(pk=own_id)
    wider = []
    if key.user_id != own.user_id:
        wider.append("user")
    if not (set(key.scopes) <= set(own.scopes) or "manage" in own.scopes):
        wider.append("scopes")
    if own.allowed_models and not (key.allowed_models and set(key.allowed_models) <= set(own.allowed_models)):
        wider.append("allowed_models")
    if own.expires_at and not (key.expires_at and key.expires_at <= own.expires_at):
        wider.append("expires_at")
    if wider:
        problem = _("wider than the key that asks")
        raise NotAllowed(_("A key cannot make a key wider than itself."), fields=dict.fromkeys(wider, problem))


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "owner": person(key.user),
        "scopes": key.scopes,
        "allowed_models": key.allowed_models,
        "expires_at": key.expires_at,
    }
