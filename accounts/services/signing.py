"""The keys that sign tokens: made, rotated with overlap, withdrawn."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import SigningKey, User
from accounts.tokens import ALGORITHM, Signer, key_id_of, keys_in, make_private_pem, public_pem_of
from audit.services import record
from common.errors import Conflict, NotReady
from common.sealing import seal, unseal
from common.transactions import transactional
from guards.services import bump

# A token signed a moment before its key retires lives as long as any; a day more for processes that learn of it late.
OVERLAP = settings.REFRESH_TOKEN_LIFETIME + timedelta(days=1)
State = SigningKey.State


def signing_key() -> Signer:
    """Give the key that signs now: the first of the environment, where that brings keys, else the active one."""
    if settings.JWT_PRIVATE_KEY:
        return _adopt(settings.JWT_PRIVATE_KEY)
    key = SigningKey.objects.filter(state=State.ACTIVE).exclude(private_key="").first() or _begin()
    return Signer(key.kid, _unsealed(key.private_key))


@transactional
def rotate_signing_keys(*, actor: User | str | None, reason: str = "") -> SigningKey:
    """Have the next key sign and make another next one; tokens of the old key stay good until they run out.

    Raises Conflict where the keys come from the environment.
    """
    if settings.JWT_PRIVATE_KEY:
        raise Conflict(
            _("The signing key comes from the environment: put a new one first in JWT_PRIVATE_KEY and start anew."),
            code="key_from_environment",
        )
    bump("accounts")  # first: its row is the lock under which keys change
    old = _retire_active()
    _end_waiting()
    new = SigningKey.objects.filter(state=State.NEXT).first() or _make(State.NEXT)
    _activate(new)
    _make(State.NEXT)
    record(
        action="accounts.signing_key_rotated",
        actor=actor,
        target=new,
        before={"kid": old.kid if old else ""},
        after={"kid": new.kid},
        reason=reason,
    )
    return new


def rotate_if_due() -> SigningKey | None:
    """Rotate when the active key has signed for SIGNING_KEY_DAYS; `None` if it is not due or not ours to do."""
    since = timezone.now() - timedelta(days=settings.SIGNING_KEY_DAYS)
    is_due = SigningKey.objects.filter(state=State.ACTIVE, not_before__lt=since).exclude(private_key="").exists()
    if settings.JWT_PRIVATE_KEY or not is_due:
        return None
    return rotate_signing_keys(actor="schedule", reason=_("the active key is old enough"))


@transactional
def withdraw_signing_key(*, key: SigningKey, actor: User | str | None, reason: str = "") -> SigningKey:
    """Stop believing a retired key now, such as one that was stolen: who has a token of it logs in again.

    Raises Conflict for a key that signs or is to sign.
    """
    now = timezone.now()
    bump("accounts")
    retired = SigningKey.objects.filter(Q(retire_at=None) | Q(retire_at__gt=now), pk=key.pk, state=State.RETIRED)
    if not retired.update(retire_at=now):
        raise Conflict(_("Only a retired key that is still believed can be withdrawn; rotate first."))
    record(action="accounts.signing_key_withdrawn", actor=actor, target=key, reason=reason)
    key.refresh_from_db()
    return key


@transactional
def _begin() -> SigningKey:
    """Make the first keys, once, whoever asks first."""
    bump("accounts")
    if found := SigningKey.objects.filter(state=State.ACTIVE).exclude(private_key="").first():
        return found
    _retire_active()  # one that came from the environment, which brings none any more
    _end_waiting()
    key = SigningKey.objects.filter(state=State.NEXT).first() or _make(State.NEXT)
    _activate(key)
    _make(State.NEXT)
    record(action="accounts.signing_key_rotated", actor=None, target=key, after={"kid": key.kid})
    return key


def _end_waiting() -> None:
    """Let keys that wait for their turn run out: the environment brings none any more."""
    SigningKey.objects.in_waiting().update(retire_at=timezone.now() + OVERLAP)


@lru_cache(maxsize=4)
def _adopt(pems: str) -> Signer:
    """Give the first key of the environment, once the table knows all of them: it is what every process believes.

    Raises NotReady for one that is believed no more.
    """
    given = keys_in(pems)
    first = next(iter(given))
    active = SigningKey.objects.filter(state=State.ACTIVE).first()
    known = set(SigningKey.objects.values_list("kid", flat=True))
    waiting = set(SigningKey.objects.in_waiting().values_list("kid", flat=True))
    is_back = SigningKey.objects.lapsing().filter(kid__in=list(given)).exists()
    if (active and active.kid) != first or not waiting <= given.keys() <= known or is_back:
        _take_over(given, first)
    return Signer(first, given[first])


@transactional
def _take_over(given: dict[str, str], first: str) -> None:
    bump("accounts")
    if SigningKey.objects.run_out().filter(kid=first).exists():
        raise NotReady(
            _("The first key of JWT_PRIVATE_KEY has run out or was withdrawn: put a new one first and start anew."),
            code="key_withdrawn",
        )
    _retire_active()
    SigningKey.objects.in_waiting().exclude(kid__in=list(given)).update(retire_at=timezone.now() + OVERLAP)
    SigningKey.objects.lapsing().filter(kid__in=list(given)).update(retire_at=None)  # missed by another host
    for kid, pem in given.items():
        _publish(kid, public_pem_of(pem))
    _activate(SigningKey.objects.get(kid=first))
    record(action="accounts.signing_key_rotated", actor=None, target_label=first, after={"kid": first})


def _publish(kid: str, public_pem: str) -> None:
    """Have the table know a key of the environment, believed while it is there; one that it knows stays as it is."""
    given = {"state": State.RETIRED, "algorithm": ALGORITHM, "public_key": public_pem}
    SigningKey.objects.get_or_create(kid=kid, defaults=given)


def _retire_active() -> SigningKey | None:
    """Take the active key out of use. Its private half is destroyed: nothing may be signed with it again."""
    key = SigningKey.objects.filter(state=State.ACTIVE).first()
    if key:
        key.state, key.private_key, key.retire_at = State.RETIRED, "", timezone.now() + OVERLAP
        key.save(update_fields=["state", "private_key", "retire_at"])
    return key


def _activate(key: SigningKey) -> None:
    key.state, key.not_before, key.retire_at = State.ACTIVE, timezone.now(), None
    key.save(update_fields=["state", "not_before", "retire_at"])


def _make(state: str) -> SigningKey:
    pem = make_private_pem()
    public = public_pem_of(pem)
    return SigningKey.objects.create(
        kid=key_id_of(public), algorithm=ALGORITHM, public_key=public, private_key=seal(pem), state=state
    )


@lru_cache(maxsize=8)
def _unsealed(sealed: str) -> str:
    return unseal(sealed)
