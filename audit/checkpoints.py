"""Signing where the chain stands, and bringing what was signed to the anchor. The worker does it; web has no key."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.anchor import Anchor, the_anchor
from audit.chain import Broken, follow, rows
from audit.keys import finish_rotation, first_key, signing_key
from audit.models import AuditCheckpoint, AuditHead
from audit.statements import CHECKPOINT, KEY, SEAL, START, Statement, id_of, public_of
from common.errors import Conflict, FluemanError, Unavailable

logger = logging.getLogger(__name__)

# An idle chain is signed too: who looks at the anchor alone sees from its silence that nobody signs any more.
IDLE = timedelta(hours=1)
AT_ONCE = 10_000
NOTHING: Mapping[str, Any] = {}


def checkpoint() -> AuditCheckpoint | None:
    """Sign where the chain stands, if it has grown or was idle for long, and anchor what waits.

    Raises NotReady without a key, Conflict if the chain does not continue what was signed last.
    """
    anchor = the_anchor()
    key, last = key_and_last(anchor)
    head = AuditHead.current()
    made = None
    if last is None:
        made = sign(KEY, key, None, head, {"public_key": public_of(key)})
    elif head.sequence > last.sequence or timezone.now() - datetime.fromisoformat(last.at) > IDLE:
        made = sign(CHECKPOINT, key, last, head)
    push(anchor)
    return made


def key_and_last(anchor: Anchor) -> tuple[Ed25519PrivateKey, Statement | None]:
    """Give the key of this process and what it signed last. Raises Conflict if that was another key."""
    last = last_statement(anchor)
    key = signing_key() if last else first_key()
    if last and not last.is_signed_by(public_of(key)):
        if new := finish_rotation(last):
            return new, last
        raise Conflict(_("The last checkpoint was signed with another key than this process has."), code="other_key")
    return key, last


def sign(
    kind: str, key: Ed25519PrivateKey, last: Statement | None, head: AuditHead, details: Mapping[str, Any] = NOTHING
) -> AuditCheckpoint | None:
    """Keep a signed statement about the chain as it stands; `None` if somebody else has just signed.

    What does not continue the last statement is never signed. Raises Conflict.
    """
    _refuse_broken(last, head)
    now = timezone.now()
    number, previous, covered = (last.number + 1, last.hash, last.sequence) if last else (1, START, 0)
    row = AuditCheckpoint(
        number=number,
        kind=kind,
        sequence=head.sequence,
        head_hash=head.hash,
        events=head.sequence - covered,
        at=now,
        key_id=id_of(public_of(key)),
        details=dict(details),
        previous=previous,
        sealed_until=details["last"] if kind == SEAL else None,
    )
    row.signature = key.sign(row.statement.body).hex()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except DatabaseError:  # each database refuses in its own way what another process has just signed
        if not AuditCheckpoint.objects.filter(number=number).exists():
            raise
        return None
    return row


def checkpoint_if_possible() -> None:
    """Sign if nothing stands against it, as when the worker ends in order; what does is logged."""
    try:
        checkpoint()
    except (FluemanError, OperationalError, InterfaceError) as error:
        logger.warning("no audit checkpoint was signed: %s", error)


def push(anchor: Anchor) -> int:
    """Bring what waits to the anchor, oldest first; give how many statements still wait. Nothing else waits for it."""
    waiting = AuditCheckpoint.objects.filter(anchored_at=None).order_by("number")
    for row in waiting[:AT_ONCE]:
        try:
            anchor.append(row.statement)
        except Unavailable as error:
            logger.warning("audit checkpoints wait for their anchor: %s", error.message)
            return waiting.count()
        AuditCheckpoint.objects.filter(pk=row.pk, anchored_at=None).update(anchored_at=timezone.now())
    return waiting.count()


def push_all(anchor: Anchor) -> int:
    """Bring every statement to an anchor that is new; give how many there are. Raises Unavailable."""
    count = 0
    for row in AuditCheckpoint.objects.order_by("number").iterator(2000):
        anchor.append(row.statement)
        count += 1
    push(anchor)
    return count


def last_statement(anchor: Anchor) -> Statement | None:
    """Give what was signed last. Raises Conflict if the anchor holds something else, or more, than the database."""
    row = AuditCheckpoint.objects.order_by("-number").first()
    last = row.statement if row else None
    try:
        anchored = list(anchor.known(last.number - 1 if last else 0))
    except Unavailable as error:
        logger.warning("the audit anchor was not asked before signing: %s", error.message)
        return last
    if any(last is None or (number, digest) != (last.number, last.hash) for number, digest in anchored):
        # Another process may have signed and anchored between the two looks.
        newer = AuditCheckpoint.objects.order_by("-number").first()
        if newer and (last is None or newer.number > last.number):
            return last_statement(anchor)
        raise Conflict(
            _("The anchor holds other checkpoints than the database: nothing is signed."), code="anchor_ahead"
        )
    if row and row.anchored_at and not anchored:
        raise Conflict(_("The anchor lacks the last checkpoint: nothing is signed."), code="anchor_lacks")
    return last


def _refuse_broken(last: Statement | None, head: AuditHead) -> None:
    previous, number = (last.head_hash, last.sequence) if last else (START, 0)
    try:
        for row in rows(number, head.sequence):
            number += 1
            previous = follow(row, number, previous)
    except Broken as broken:
        raise Conflict(_broken(broken.event), code="chain_broken") from broken
    if (number, previous) != (head.sequence, head.hash):
        raise Conflict(_broken(number), code="chain_broken")


def _broken(event: int) -> Any:
    return _("The chain is broken near event %(number)d: nothing is signed until it was looked at.") % {"number": event}
