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
from accounts.keys import digest, make_key, renew_key
from accounts.models import ApiKey, User
from accounts.scopes import SCOPES
from audit.services import person, record
from common.errors import Conflict, Invalid, NotAllowed
from common.names import safe_name
from guards.limits import Limit
from guards.services import bump

TOUCH_AT_MOST_EVERY = timedelta(minutes=1)
OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=30)
# Every web process holds all keys that work.
MOST_KEYS, MOST_MODELS = 1000, 200  # of a person, of a key


def create_api_key(
    *,
    name: str,
    user: User,
    scopes: Iterable[str],
    allowed_models: Iterable[str] = (),
    expires_at: datetime | None = None,
    per_minute: int | None = None,
    burst: int | None = None,
    rows_per_minute: int | None = None,
    actor: User | str | None,
    caller: Caller | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and give it with its clear text, which is kept nowhere.

    A `caller` who came with a key gives away no more than that key can. Raises Invalid, NotAllowed or Conflict.
    """
    key = ApiKey(
        name=safe_name(name, 300),
        user=user,
        scopes=sorted(set(scopes)),
        allowed_models=sorted({safe_name(model, field="allowed_models") for model in allowed_models}),
        expires_at=expires_at,
        per_minute=per_minute,
        burst=burst,
        rows_per_minute=rows_per_minute,
        created_by=actor if isinstance(actor, User) else None,
    )
    _check(key)
    if caller and caller.key_id:
        _check_within(key, caller.key_id)
    made = make_key(settings.ENVIRONMENT)
    key.prefix, key.digest = made.prefix, _digest(made.text)
    key.full_clean()
    with transaction.atomic():
        if ApiKey.objects.live().filter(user=user).count() >= MOST_KEYS:
            told = _("A person has at most %(most)d working keys: revoke one first.") % {"most": MOST_KEYS}
            raise Conflict(told, code="too_many_keys")
        key.save(force_insert=True)
        bump("accounts")
        record(action="accounts.api_key_created", actor=actor, target=key, after=_facts(key))
    return key, made.text


def rotate_api_key(
    *,
    key: ApiKey,
    actor: User | str | None,
    keep_old_for: timedelta = OVERLAP,
    reason: str = "",
    caller: Caller | None = None,
) -> tuple[ApiKey, str]:
    """Give a key a new secret and give its clear text; the old one works on for a while, one from before it no more.

    Raises Conflict for a key that has ended or been rotated meanwhile, Invalid for a time over 30 days.
    """
    if not timedelta(0) <= keep_old_for <= MAX_OVERLAP:
        days = MAX_OVERLAP.days
        raise Invalid(_("The old secret may work on for at most %(days)d days.") % {"days": days}, code="bad_overlap")
    if caller and caller.key_id:
        _check_within(key, caller.key_id)
    now, made = timezone.now(), renew_key(key.prefix)
    if key.expires_at and key.expires_at <= now:
        raise Conflict(_("The key has expired."))
    before = {"old_until": key.old_until}
    changes = {"digest": _digest(made.text), "old_digest": key.digest, "old_until": now + keep_old_for}
    with transaction.atomic():
        same = ApiKey.objects.filter(pk=key.pk, digest=key.digest, revoked_at=None)
        if not same.update(**changes, old_used_at=key.last_used_at):
            raise Conflict(_("The key has been revoked or rotated already."))
        bump("accounts")
        after = {"old_until": changes["old_until"]}
        record(action="accounts.api_key_rotated", actor=actor, target=key, before=before, after=after, reason=reason)
    key.refresh_from_db()
    return key, made.text


def limit_api_key(
    *,
    key: ApiKey,
    per_minute: int | None,
    burst: int | None,
    rows_per_minute: int | None,
    actor: User | str | None,
    reason: str = "",
    caller: Caller | None = None,
) -> ApiKey:
    """Set how often a key may predict, and for how many rows; every process follows within a second.

    A `caller` who came with a key lets none, itself neither, predict more often than that. Raises Invalid,
    ValidationError, NotAllowed.
    """
    before = key.limits
    key.per_minute, key.burst, key.rows_per_minute = per_minute, burst, rows_per_minute
    if caller and caller.key_id and (wider := _faster(key, ApiKey.objects.get(pk=caller.key_id))):
        raise _wider(wider)
    _check_limit(key)
    key.full_clean()
    after = key.limits
    with transaction.atomic():
        key.save(update_fields=list(after))
        bump("accounts")
        record(action="accounts.api_key_limited", actor=actor, target=key, before=before, after=after, reason=reason)
    return key


def revoke_api_key(*, key: ApiKey, actor: User | str | None, reason: str = "") -> ApiKey:
    """End a key for good; every process refuses it within a second. Raises Conflict if it has ended already."""
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            raise Conflict(_("The key has been revoked already."))
        bump("accounts")
        record(action="accounts.api_key_revoked", actor=actor, target=key, before=_facts(key), reason=reason)
    key.refresh_from_db()
    return key


def touch_keys(uses: Iterable[tuple[str, bool]]) -> None:
    """Note that keys were used now, at most once a minute for each. Takes (key, whether its old secret was sent)."""
    uses = list(uses)
    _touch("last_used_at", [key for key, is_old in uses if not is_old])
    _touch("old_used_at", [key for key, is_old in uses if is_old])


def _touch(field: str, keys: list[str]) -> None:
    if not keys:
        return
    now = timezone.now()
    stale = Q(**{field: None}) | Q(**{f"{field}__lt": now - TOUCH_AT_MOST_EVERY})
    due = ApiKey.objects.filter(stale, pk__in=keys)
    # Looked for first: on SQLite even an update of no row would take the one write lock.
    if wanted := list(due.values_list("pk", flat=True)):
        ApiKey.objects.filter(pk__in=wanted).update(**{field: now})


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
    if len(key.allowed_models) > MOST_MODELS:
        problem = _("A key names at most %(most)d deployments.") % {"most": MOST_MODELS}
        raise Invalid(problem, fields={"allowed_models": problem})
    _check_limit(key)


def _check_limit(key: ApiKey) -> None:
    if key.burst and not key.per_minute:
        raise Invalid(_("A burst needs a limit a minute."), fields={"burst": _("needs a limit a minute")})


def _digest(text: str) -> str:
    return digest(text, settings.API_KEY_PEPPER.encode()).hex()


def demand_whole_key(caller: Caller) -> None:
    """Refuse a key with deployments, an end or limits of its own what would have none of them, such as an account."""
    if not caller.key_id:
        return
    own = ApiKey.objects.get(pk=caller.key_id)
    if narrow := [name for name in ("allowed_models", "expires_at", *ApiKey.LIMITS) if getattr(own, name)]:
        problem = _("the key that asks is limited by it, an account is not")
        told = _("A limited key cannot make accounts, nor change their roles or addresses.")
        raise NotAllowed(told, fields=dict.fromkeys(narrow, problem))


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
    wider += _faster(key, own)
    if wider:
        raise _wider(wider)


def _faster(key: ApiKey, own: ApiKey) -> list[str]:
    """Give the limits of a key that let through more than those of the key that asks."""
    limits = [(name, getattr(key, name), getattr(own, name)) for name in ("per_minute", "rows_per_minute")]
    faster = [name for name, wanted, most in limits if most and not (wanted and wanted <= most)]
    if key.per_minute and own.per_minute:
        wanted, most = Limit.of(key.per_minute, key.burst), Limit.of(own.per_minute, own.burst)
        faster += ["burst"] if wanted.burst > most.burst else []
    return faster


def _wider(fields: Iterable[str]) -> NotAllowed:
    problem = _("wider than the key that asks")
    return NotAllowed(_("A key cannot make a key wider than itself."), fields=dict.fromkeys(fields, problem))


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "owner": person(key.user),
        "scopes": key.scopes,
        "allowed_models": key.allowed_models,
        "expires_at": key.expires_at,
        **key.limits,
    }
