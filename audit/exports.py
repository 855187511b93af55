"""A part of the chain as one file that proves itself: events, checkpoints, public keys, and the program that checks."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.translation import gettext as _

from audit import export_verifier
from audit.anchor import Anchor, the_anchor
from audit.canonical import fields_of, moment
from audit.chain import Broken, Row, follow, rows
from audit.ledger import stored
from audit.models import AuditCheckpoint, AuditEvent, AuditHead
from audit.segments import EVENTS, sealed_rows, sealed_until, unreadable
from audit.statements import KEY, START, id_of
from common.errors import Conflict, NotFound

FORM = "flueman.audit.export/1"
REPORT_EVERY = 5000
LATE = timedelta(hours=1)  # an event may enter the chain so much later than its time, and clocks may differ so much
Report = Callable[[float, str], None]
README = """This is a part of Flueman's audit chain, made so that it proves itself.

  python3 verify_audit_export.py {name} --key FINGERPRINT

FINGERPRINT is the SHA-256 of the first public key (64 hexadecimal digits). Ask the operator for it, or better compare
with what was noted when the installation was new: a key taken from this file would prove nothing.
The copy of verify_audit_export.py in this file is for convenience; take it from a source that you trust if you can.

events.jsonl      one event a line, {{"hash":..., "event":...}}; the hash is the SHA-256 of the bytes of "event", which
                  hold the hash of the event before. People stand there by a reference; names are kept elsewhere.
statements.jsonl  what was signed (Ed25519): which key is in force, and how the chain ended at which event
manifest.json     what this file holds, signed
"""


def boundaries(
    *, first: int = 1, last: int | None = None, since: datetime | None = None, until: datetime | None = None
) -> tuple[int, int]:
    """Give the events to export: those asked for, and so many more that checkpoints stand at both ends.

    Raises NotFound where there is none.
    """
    head = AuditHead.current().sequence
    last = min(last or head, head)
    if since:
        first = max(first, _first_since(since, head))
    if until:
        last = min(last, _last_before(until))
    if first > last:
        raise NotFound(_("There are no events in this range."), code="no_events")
    signed = AuditCheckpoint.objects
    before = signed.filter(sequence__lt=first).aggregate(n=Max("sequence"))["n"] or 0
    return before + 1, signed.filter(sequence__gte=last).aggregate(n=Min("sequence"))["n"] or last


def _first_since(since: datetime, head: int) -> int:
    """Give the first event since a time. Of those under seal the checkpoints tell it, so that none is left out."""
    live = AuditEvent.objects.filter(at__gte=since).aggregate(n=Min("sequence"))["n"] or head + 1
    sealed = sealed_until()
    earlier = AuditCheckpoint.objects.filter(sequence__lte=sealed, at__lt=since - LATE)
    before = earlier.aggregate(n=Max("sequence"))["n"] or 0
    return live if before >= sealed else min(live, before + 1)


def _last_before(until: datetime) -> int:
    """Give the last event before a time; of those under seal as above."""
    live = AuditEvent.objects.filter(at__lt=until).aggregate(n=Max("sequence"))["n"] or 0
    sealed = sealed_until()
    later = AuditCheckpoint.objects.filter(sequence__lte=sealed, at__gte=until + LATE)
    end = later.aggregate(n=Min("sequence"))["n"]
    return max(live, sealed if end is None else end)


def write_export(
    target: Path, *, first: int, last: int, key: Ed25519PrivateKey | None, report: Report | None = None
) -> dict[str, Any]:
    """Write events and what proves them, in constant memory; give the manifest.

    Raises Conflict for a broken chain or sealed file, Unavailable where the anchor with the sealed ones is away.
    """
    target.touch(mode=0o600)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        with archive.open(EVENTS, "w", force_zip64=True) as lines:
            try:
                previous_hash, last_hash = _write_events(lines, first, last, report)
            except Broken as broken:
                raise Conflict(_("The chain is broken at event %(number)d.") % {"number": broken.event}) from broken
        with archive.open(export_verifier.STATEMENTS, "w", force_zip64=True) as lines:
            signed = _write_statements(lines, first, last)
        manifest = {
            "form": FORM,
            "first": first,
            "last": last,
            "events": last - first + 1,
            "previous_hash": previous_hash,
            "last_hash": last_hash,
            **signed,
            "is_signed": key is not None,
            "at": moment(timezone.now()),
        }
        body = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)
        signature = (key.sign(body).hex() if key else "0" * 128).encode()
        archive.writestr(export_verifier.MANIFEST, b'{"signature":"%s","manifest":%s}\n' % (signature, body))
        archive.writestr("verify_audit_export.py", Path(export_verifier.__file__).read_text())
        archive.writestr("README.txt", README.format(name=target.name))
    return manifest


def digest_of(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_events(lines: IO[bytes], first: int, last: int, report: Report | None) -> tuple[str, str]:
    """Write the events, following the chain; give the hash before the first and that of the last."""
    expected, previous, before = first, None, START
    for row in _rows(first, last):
        if previous is None:
            previous = before = row[-2]
        previous = follow(row, expected, previous)
        lines.write(b'{"hash":"%s","event":%s}\n' % (previous.encode(), fields_of(row[:-1])))
        expected += 1
        if report and expected % REPORT_EVERY == 0:
            report(100 * (expected - first) / (last - first + 1), f"{expected - first:,}")
    if expected != last + 1:
        raise Conflict(_("The chain is broken at event %(number)d.") % {"number": expected})
    return before, previous or START


def _rows(first: int, last: int) -> Iterator[Row]:
    sealed = sealed_until()
    if first <= sealed:
        yield from _sealed(the_anchor(), first, last)
    yield from rows(max(first - 1, sealed), last)


def _sealed(anchor: Anchor, first: int, last: int) -> Iterator[Row]:
    try:
        yield from (row for row in sealed_rows(anchor, first=first, last=last) if first <= row[0] <= last)
    except Broken as broken:
        if "file" not in broken.params:
            raise
        raise unreadable(anchor, broken) from broken


def _write_statements(lines: IO[bytes], first: int, last: int) -> dict[str, Any]:
    """Write all statements that name a key, and those from the one before the first event to the one at the last."""
    signed = AuditCheckpoint.objects
    start = signed.filter(sequence__lt=first).aggregate(n=Max("number"))["n"] or 1
    end = signed.filter(sequence__gte=last).aggregate(n=Min("number"))["n"]
    end = end or signed.aggregate(n=Max("number"))["n"] or 0
    # The manifest is signed with the key in force now, so that each later key must be introduced too.
    keys = signed.filter(kind=KEY).order_by("number")
    for row in keys.filter(number__lt=start):
        lines.write(row.statement.line + b"\n")
    for row in stored(start - 1, end):
        lines.write(row.statement.line + b"\n")
    for row in keys.filter(number__gt=end):
        lines.write(row.statement.line + b"\n")
    root = keys.first()
    return {
        "first_statement": start,
        "last_statement": end,
        "root_key": id_of(root.details["public_key"]) if root else "",
    }
