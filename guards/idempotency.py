"""Idempotency keys: one key of one caller on one route has one effect and one answer.

Source: IETF draft-ietf-httpapi-idempotency-key-header; 409 while the first call is under way, 422 for another body.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from common.deleting import delete_in_pieces
from common.errors import Conflict, Invalid, Unprocessable
from common.ids import uuid7
from guards.models import IdempotencyRecord

KEPT_FOR = timedelta(hours=24)
MARGIN = timedelta(hours=1)  # so that none goes while a call is about to meet it
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Claimed:
    """The work is the caller's to do, until the lease ends."""

    id: str
    lease_until: datetime

    @property
    def stored_lease(self) -> str:
        """The lease in the database's own form, for plain SQL."""
        return str(connection.ops.adapt_datetimefield_value(self.lease_until))


@dataclass(frozen=True, slots=True)
class Replay:
    """The work was done before; this is the answer it got."""

    status: int
    body: str
    location: str = ""


def fingerprint(body: bytes) -> str:
    """Give what tells one body from another, and nobody without our secret what stood in it: it may be a password."""
    return hmac.digest(settings.SECRET_KEY.encode(), body, hashlib.sha256).hex()


def claim(*, caller: str, route: str, key: str, body_hash: str, lease_s: float) -> Claimed | Replay:
    """Claim a key in a commit of its own, or give the answer it already has.

    Raises Conflict while another call works on it, Unprocessable for another body, Invalid for a bad key.
    """
    _check(key)
    now = timezone.now()
    lease_until = now + timedelta(seconds=lease_s)
    record_id = uuid7()
    try:
        with transaction.atomic():
            IdempotencyRecord.objects.create(
                id=record_id,
                caller=caller,
                route=route,
                key=key,
                fingerprint=body_hash,
                created_at=now,
                lease_until=lease_until,
            )
    except IntegrityError:
        record = IdempotencyRecord.objects.filter(caller=caller, route=route, key=key).first()
        if record is None:
            raise _under_way() from None
        return _meet(record, body_hash, now, lease_until)
    return Claimed(record_id.hex, lease_until)


def look(*, caller: str, route: str, key: str, body_hash: str) -> Replay | None:
    """Give the answer that a key already has, `None` where it has none; nothing is claimed.

    Raises Conflict while a call works on it, Unprocessable for another body, Invalid for a bad key.
    """
    _check(key)
    record = IdempotencyRecord.objects.filter(caller=caller, route=route, key=key).first()
    return _kept(record, body_hash, timezone.now()) if record else None


def release(claimed: Claimed) -> None:
    """Give a claim back after a failure, so that a repeat may try at once."""
    IdempotencyRecord.objects.filter(id=claimed.id, lease_until=claimed.lease_until, status=None).delete()


def complete(claimed: Claimed, *, status: int, body: str, location: str = "") -> None:
    """Keep the answer, in the transaction of the effect. Raises Conflict if another call has taken the key over."""
    own = IdempotencyRecord.objects.filter(id=claimed.id, lease_until=claimed.lease_until, status=None)
    if not own.update(status=status, body=body, location=location):
        raise Conflict("another call took this idempotency key over", code="idempotency_lost", retry_after_s=1)


def forget_old() -> int:
    """Delete the records of keys whose day is over, a thousand at a time."""
    old = IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT_FOR - MARGIN)
    return delete_in_pieces(old.order_by("created_at"))


def _check(key: str) -> None:
    if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable() or not key.isascii():
        raise Invalid(f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters", code="bad_key")


def _meet(record: IdempotencyRecord, body_hash: str, now: datetime, lease_until: datetime) -> Claimed | Replay:
    if kept := _kept(record, body_hash, now):
        return kept
    taken = IdempotencyRecord.objects.filter(id=record.id, lease_until=record.lease_until, status=record.status).update(
        lease_until=lease_until,
        fingerprint=body_hash,
        status=None,
        body="",
        location="",
        **({"created_at": now} if _is_old(record, now) else {}),
    )
    if not taken:
        raise _under_way()
    return Claimed(record.id.hex, lease_until)


def _kept(record: IdempotencyRecord, body_hash: str, now: datetime) -> Replay | None:
    """Give the answer of a record; `None` where its day is over, or the lease of who worked on it."""
    if _is_old(record, now):
        return None
    if record.fingerprint != body_hash:
        raise Unprocessable("this Idempotency-Key was used with another body", code="idempotency_mismatch")
    if record.status is not None:
        return Replay(record.status, record.body, record.location)
    if record.lease_until > now:
        raise _under_way()
    return None


def _is_old(record: IdempotencyRecord, now: datetime) -> bool:
    return record.created_at < now - KEPT_FOR


def _under_way() -> Conflict:
    return Conflict("a call with this Idempotency-Key is under way", code="idempotency_in_flight", retry_after_s=1)
