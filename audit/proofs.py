"""Verifications that are kept: asked for, done by the worker, and told as an event of the chain itself."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audit import work
from audit.checkpoints import checkpoint_if_possible
from audit.models import AuditEvent
from audit.services import Actor, record
from audit.verification import Report, Verification, verify
from common.errors import Conflict
from common.transactions import transactional

VERIFIED = "audit.verified"


@transactional
def begin_proof(*, actor: Actor) -> str:
    """Have the worker verify the chain and give the id of its job. Raises Conflict if that is under way."""
    if work.desk.running(work.VERIFY):
        raise Conflict(_("The chain is being verified already."), code="already_running")
    return work.desk.begin(work.VERIFY, {}, actor)


def prove(*, actor: Actor, report: Report | None = None) -> Verification:
    """Sign what waits for it, verify the whole chain, and keep what was found as an event."""
    checkpoint_if_possible()
    found = verify(report=report)
    after: dict[str, Any] = {
        "events": found.events,
        "first_bad": found.first_bad,
        "problem": found.code,
        "params": dict(found.params),
        "checkpoints": found.checkpoints,
        "anchored_until": found.anchored_until,
        "notes": list(found.notes),
        "took_ms": round(found.took_s * 1000),
    }
    with transaction.atomic():
        record(action=VERIFIED, actor=actor, after=after, outcome="done" if found.is_whole else "failed")
    return found


def last_proof() -> AuditEvent | None:
    """Give the event of the last verification."""
    return AuditEvent.objects.filter(action=VERIFIED).order_by("-sequence").first()
