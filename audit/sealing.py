"""Retention: old events leave the database as a sealed file in the anchor, under a signed statement."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.db.models import Max, Min
from django.utils.translation import gettext as _

from audit.anchor import Anchor, the_anchor
from audit.chain import CHUNK
from audit.checkpoints import checkpoint, key_and_last, push, sign
from audit.export_verifier import Wrong, verify
from audit.exports import digest_of, write_export
from audit.models import AuditCheckpoint, AuditEvent, AuditHead
from audit.segments import demand_kept, sealed_until
from audit.services import Actor, record
from audit.statements import SEAL
from common.errors import Conflict, NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Sealing:
    """Which events leave, or would leave with a dry run, and how many rows of them the database still had."""

    first: int
    last: int
    removed: int
    file: str = ""


def seal(*, before: datetime, actor: Actor, reason: str, is_dry_run: bool = False) -> Sealing:
    """Move the events before a time into a sealed file; safe to run again after it was cut short.

    The rows go when the anchor holds file and seal, not earlier. Raises NotFound, NotReady, Conflict, Unavailable.
    """
    anchor = the_anchor()
    if not is_dry_run:
        checkpoint()
        _take_out(anchor)  # what an earlier run has left
    first, last = _range(before)
    if is_dry_run:
        return Sealing(first, last, AuditEvent.objects.filter(sequence__range=(first, last)).count())
    name = _keep(anchor, first, last, actor, reason)
    return Sealing(first, last, _take_out(anchor), name)


def _range(before: datetime) -> tuple[int, int]:
    """Give the events before a time and not yet under seal, up to the last of them that a checkpoint ends at."""
    first = sealed_until() + 1
    wanted = AuditEvent.objects.filter(at__lt=before).aggregate(n=Max("sequence"))["n"] or 0
    last = AuditCheckpoint.objects.filter(sequence__lte=wanted).aggregate(n=Max("sequence"))["n"] or 0
    if last < first:
        raise NotFound(_("No signed events are that old."), code="no_events")
    return first, last


def _keep(anchor: Anchor, first: int, last: int, actor: Actor, reason: str) -> str:
    """Write the file, prove it as an auditor would, bring it to the anchor, and sign the seal; give the file's name.

    The name holds the file's hash, so that of two who seal at one moment none writes over what the other has signed.
    """
    key, signed = key_and_last(anchor)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.zip"
        manifest = write_export(path, first=first, last=last, key=key)
        try:
            verify(str(path), [str(manifest["root_key"])])
        except Wrong as wrong:
            raise Conflict(str(wrong), code="chain_broken") from wrong
        details = {"first": first, "last": last, "last_hash": manifest["last_hash"]}
        digest = digest_of(path)
        name = f"segments/{first:016d}-{last:016d}-{digest[:16]}.zip"
        details |= {"file": name, "sha256": digest}
        anchor.put(name, path, is_sealed=True)
    with transaction.atomic():
        record(action="audit.sealed", actor=actor, after=details, reason=reason)
        if sign(SEAL, key, signed, AuditHead.current(), details) is None:
            raise Conflict(_("Another process has just signed: try again."), code="signed_meanwhile")
    return name


def _take_out(anchor: Anchor) -> int:
    """Remove the rows under seal once the anchor holds seals and files; give how many. Raises Unavailable, Conflict."""
    oldest = AuditEvent.objects.aggregate(n=Min("sequence"))["n"] or 0
    seals = list(AuditCheckpoint.objects.filter(kind=SEAL, sealed_until__gte=oldest))
    if not seals:
        return 0
    if push(anchor):
        raise Unavailable(_("The anchor does not hold the seal yet: no event was removed."), code="anchor_away")
    for seal_row in seals:
        demand_kept(anchor, seal_row.details)
    return _remove(max(one.sealed_until or 0 for one in seals))  # and not what another has sealed meanwhile


def _remove(last: int) -> int:
    """Remove the rows under a seal, in short transactions; the database's own rule lets these go and no others."""
    removed = 0
    while numbers := list(
        AuditEvent.objects.filter(sequence__lte=last).order_by("sequence").values_list("sequence", flat=True)[:CHUNK]
    ):
        with transaction.atomic():
            removed += AuditEvent.objects.filter(sequence__lte=numbers[-1]).delete()[0]
    return removed
