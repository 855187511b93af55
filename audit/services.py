"""Adding to the chain, proving it whole, and forgetting a person without breaking it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Required, TypedDict, Unpack

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError, transaction
from django.db.models import Model
from django.utils import timezone

from audit import people, work
from audit.canonical import FIELDS, clean, hash_row, plain
from audit.models import AuditEvent, AuditHead, AuditPerson
from audit.people import PERSON, address_of, hidden, names_of, person, reference_of
from common.context import origin
from common.errors import NotFound
from common.transactions import after_the_end

__all__ = [
    "PERSON",
    "Actor",
    "erase_person",
    "names_of",
    "person",
    "record",
    "record_refusal",
    "reference_of",
]

Actor = AbstractBaseUser | str | None


class Said(TypedDict, total=False):
    """What an event says; `outcome` is `done` where nothing is said of it.

    Name people in `before`, `after` and `target_label` by `person(user)` or the user itself, never in clear; e-mail
    addresses are found and hidden.
    """

    action: Required[str]
    actor: Required[Actor]
    target: Model | None
    target_label: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str
    outcome: str


def record(**said: Unpack[Said]) -> AuditEvent:
    """Add an event to the end of the chain, inside the caller's transaction; request and address come from the context.

    Call it last: it locks the head of the chain until the transaction ends.
    """
    with transaction.atomic(savepoint=False):
        return _append(_event(said))


def record_refusal(*, once_in_s: float = 0, **said: Unpack[Said]) -> None:
    """Add an event of something that was not done, in a transaction of its own, so that it outlives the refusal.

    Inside a service (`common/transactions.py`) it is added after its end; inside any other transaction it raises
    RuntimeError. The same refusal is added once in `once_in_s`.
    """
    said.setdefault("outcome", "refused")
    after_the_end(partial(_refuse, once_in_s, said))


def erase_person(*, reference: str, actor: Actor, reason: str) -> AuditPerson:
    """Forget the name behind a reference and the addresses that belong to it. Raises NotFound."""
    with transaction.atomic():
        found = people.erase(reference)
        if found is None:
            raise NotFound("nobody is known under this reference")
        record(action="audit.person_erased", actor=actor, target_label=reference, reason=reason)
    return found


def _refuse(once_in_s: float, said: Said) -> None:
    if once_in_s and _is_told(_event(said), once_in_s):
        return
    with transaction.atomic(durable=True):
        if once_in_s:
            _locked_head()  # of those who are refused at the same moment one is the first
            if _is_told(_event(said), once_in_s):
                return
        record(**said)


def _is_told(event: AuditEvent, within_s: float) -> bool:
    """Whether the chain says the same of the same person within a time."""
    since = event.at - timedelta(seconds=within_s)
    lately = AuditEvent.objects.filter(actor=event.actor, at__gte=since, action=event.action, outcome=event.outcome)
    same = ("target_type", "target_id", "target_label", "before", "after", "reason")
    return any(all(getattr(one, name) == getattr(event, name) for name in same) for one in lately)


def _event(said: Said) -> AuditEvent:
    """Give an event as it will stand in the chain, but for its place there."""
    source, who, target = origin.get(), _actor(said["actor"]), said.get("target")
    label = said.get("target_label") or _label(target)
    owner = next((one for one in (who, label) if one.startswith(PERSON)), "")
    return AuditEvent(
        at=timezone.now(),
        actor=who,
        action=said["action"],
        target_type=target._meta.label_lower if target else "",
        target_id=str(target.pk)[:100] if target else "",
        target_label=clean(hidden(label, owner), 255),
        before=plain(hidden(said.get("before") or {}, owner)),
        after=plain(hidden(said.get("after") or {}, owner)),
        reason=clean(hidden(said.get("reason", ""), owner), 10_000),
        outcome=said.get("outcome", "done"),
        request_id=source.request_id,
        address=address_of(source.address, owner),
        credential=source.credential,
    )


def _append(event: AuditEvent) -> AuditEvent:
    head = _locked_head()
    event.sequence, event.previous_hash = head.sequence + 1, head.hash
    event.hash = hash_row(tuple(getattr(event, name) for name in FIELDS))
    event.save(force_insert=True)
    AuditHead.objects.filter(id=1).update(sequence=event.sequence, hash=event.hash)
    if event.sequence % settings.AUDIT_CHECKPOINT_EVENTS == 0:
        work.desk.begin_once(work.CHECKPOINT)
    return event


def _locked_head() -> AuditHead:
    """Give the row that says where the chain ends; the first event makes it, and two of them may come at once."""
    heads = AuditHead.objects.select_for_update().filter(id=1)
    if head := heads.first():
        return head
    try:
        with transaction.atomic():
            return AuditHead.objects.create(id=1)
    except DatabaseError:  # another process was first; the trigger or the key says so
        return heads.get()


def _actor(actor: Actor) -> str:
    if actor is None:
        return ""
    return clean(actor, 64) if isinstance(actor, str) else person(actor)


def _label(target: Model | None) -> str:
    if target is None:
        return ""
    return person(target) if isinstance(target, get_user_model()) else str(target)
