"""A new signing key, named by a statement that the old one signs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from audit.anchor import the_anchor
from audit.checkpoints import checkpoint, key_and_last, last_statement, push, sign
from audit.keys import draft_path, keep_key
from audit.models import AuditCheckpoint, AuditHead
from audit.services import Actor, record
from audit.statements import CHECKPOINT, KEY, Statement, id_of, public_of
from common.errors import Conflict, Invalid


def rotate_key(
    *, actor: Actor, reason: str, new_key: Ed25519PrivateKey | None = None, is_old_lost: bool = False
) -> AuditCheckpoint:
    """Let a new key sign from now on; the old one vouches for it, unless it is lost.

    A key in a file is replaced there; where the environment holds the key, `new_key` is given and must be put there
    next. After a loss the new key's fingerprint must stand in AUDIT_TRUSTED_KEYS. Raises Invalid, Conflict, NotReady.
    """
    key = new_key or Ed25519PrivateKey.generate()
    if settings.AUDIT_SIGNING_KEY and new_key is None:
        raise Invalid(_("The environment holds the signing key: give the file of the new one."), code="key_wanted")
    if is_old_lost and id_of(public_of(key)) not in settings.AUDIT_TRUSTED_KEYS:
        raise Invalid(_("A key that no other vouches for must stand in AUDIT_TRUSTED_KEYS."), code="not_trusted")
    old, last = _old(is_old_lost)
    if not settings.AUDIT_SIGNING_KEY:
        keep_key(key, draft_path())
    with transaction.atomic():
        record(
            action="audit.key_rotated",
            actor=actor,
            before={"key": last.key_id},
            after={"key": id_of(public_of(key)), "is_old_lost": is_old_lost},
            reason=reason,
        )
        named = _signed(KEY, old or key, last, key)
        _signed(CHECKPOINT, key, named.statement, None)
    if not settings.AUDIT_SIGNING_KEY:
        draft_path().rename(settings.AUDIT_KEY_PATH)
    push(the_anchor())
    return named


def _old(is_lost: bool) -> tuple[Ed25519PrivateKey | None, Statement]:
    """Give the key that vouches for the next one, `None` if it is lost, and the last statement."""
    if not is_lost:
        checkpoint()
        key, last = key_and_last(the_anchor())
    else:
        key, last = None, last_statement(the_anchor())
    if last is None:
        raise Conflict(_("Nothing has been signed yet: there is no key to replace."), code="no_checkpoint")
    return key, last


def _signed(kind: str, key: Ed25519PrivateKey, last: Statement, named: Ed25519PrivateKey | None) -> AuditCheckpoint:
    details = {"public_key": public_of(named)} if named else {}
    row = sign(kind, key, last, AuditHead.current(), details)
    if row is None:
        raise Conflict(_("Another process has just signed: try again."), code="signed_meanwhile")
    return row
