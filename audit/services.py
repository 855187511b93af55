"""Adding to the chain, proving it whole, and forgetting a person without breaking it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from audit.canonical import FIELDS, clean, hash_row, plain
from audit.models import AuditEvent, AuditHead, AuditPerson
from common.context import origin
from common.errors import NotFound

Actor = AbstractBaseUser | str | None
PERSON = "person:"


def record(
    *,
    action: str,
    actor: Actor,
    target: Model | None = None,
    target_label: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    outcome: str = "done",
) -> AuditEvent:
    """Add an event to the end of the chain, inside the caller's transaction; request and address come from the context.

    Call it last: it locks the head of the chain until the transaction ends. Name people in `before`, `after` and
    `target_label` by `person(user)`, never in clear.
    """
    with transaction.atomic(savepoint=False):
        source = origin.get()
        event = AuditEvent(
            at=timezone.now(),
            actor=_actor(actor),
            action=action,
            target_type=target._meta.label_lower if target else "",
            target_id=str(target.pk)[:100] if target else "",
            target_label=clean(target_label or _label(target), 255),
            before=plain(before or {}),
            after=plain(after or {}),
            reason=clean(reason, 10_000),
            outcome=outcome,
            request_id=source.request_id,
            address=source.address,
            credential=source.credential,
        )
        return _append(event)


def record_refusal(*, action: str, actor: Actor, outcome: str = "refused", **details: Any) -> AuditEvent:
    """Add an event of something that was not done, in a transaction of its own, so that it outlives the refusal.

    Raises RuntimeError inside a transaction. `details` are those of `record`.
    """
    with transaction.atomic(durable=True):
        return record(action=action, actor=actor, outcome=outcome, **details)


def person(user: AbstractBaseUser) -> str:
    """Give the reference under which a person stands in the chain, and keep the name beside the chain, erasable."""
    reference, name = reference_of(f"user:{user.pk}"), user.get_username()[:255]
    known = AuditPerson.objects.filter(reference=reference).first()
    if known is None:
        AuditPerson.objects.bulk_create([AuditPerson(reference=reference, label=name)], ignore_conflicts=True)
    elif known.label != name and known.erased_at is None:
        AuditPerson.objects.filter(reference=reference, erased_at=None).update(label=name)
    return reference


def reference_of(identity: str) -> str:
    """Give the salted hash of what names somebody."""
    return PERSON + hmac.digest(settings.AUDIT_SALT.encode(), identity.encode(), hashlib.sha256).hex()[:40]


def names_of(references: Iterable[str]) -> dict[str, str]:
    """Give the clear names of references; those erased or never known are left out."""
    wanted = {reference for reference in references if reference.startswith(PERSON)}
    known = AuditPerson.objects.filter(reference__in=wanted, erased_at=None)
    return dict(known.values_list("reference", "label"))


def erase_person(*, reference: str, actor: Actor, reason: str) -> AuditPerson:
    """Forget the name behind a reference; the chain stays whole. Raises NotFound."""
    with transaction.atomic():
        found = AuditPerson.objects.select_for_update().filter(reference=reference).first()
        if found is None:
            raise NotFound("nobody is known under this reference")
        found.label, found.erased_at = "", found.erased_at or timezone.now()
        found.save(update_fields=["label", "erased_at"])
        record(action="audit.person_erased", actor=actor, target_label=reference, reason=reason)
    return found


def _append(event: AuditEvent) -> AuditEvent:
    head = AuditHead.objects.select_for_update().filter(id=1).first() or AuditHead.objects.create(id=1)
    event.sequence, event.previous_hash = head.sequence + 1, head.hash
    event.hash = hash_row(tuple(getattr(event, name) for name in FIELDS))
    event.save(force_insert=True)
    AuditHead.objects.filter(id=1).update(sequence=event.sequence, hash=event.hash)
    return event


def _actor(actor: Actor) -> str:
    if actor is None:
        return ""
    return clean(actor, 64) if isinstance(actor, str) else person(actor)


def _label(target: Model | None) -> str:
    if target is None:
        return ""
    return person(target) if isinstance(target, get_user_model()) else str(target)
