"""Exports that can be fetched: asked for, written by the worker into the anchor, told as an event, gone after days."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db.models import QuerySet
from django.http import FileResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit import work
from audit.anchor import the_anchor
from audit.checkpoints import checkpoint, key_and_last
from audit.exports import Report, boundaries, digest_of, write_export
from audit.models import AuditEvent
from audit.services import Actor, record
from common.errors import Conflict, NotFound, Unavailable
from common.transactions import transactional

EXPORTED = "audit.exported"


@transactional
def begin_export(
    *,
    actor: Actor,
    first: int = 1,
    last: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> str:
    """Have the worker export a part of the chain and give the id of its job. Raises Conflict, NotFound."""
    if work.desk.running(work.EXPORT):
        raise Conflict(_("Another export is being written: wait for its end."), code="already_running")
    boundaries(first=first, last=last, since=since, until=until)
    asked = {"first": first, "last": last, "since": since and since.isoformat(), "until": until and until.isoformat()}
    return work.desk.begin(work.EXPORT, asked, actor)


def make(*, name: str, actor: Actor, asked: Mapping[str, Any], report: Report | None = None) -> AuditEvent:
    """Write an export into the anchor; the same name again writes the same file anew. Raises what `export_to` does."""
    span = dict(asked) | {side: _moment(asked.get(side)) for side in ("since", "until")}
    file = f"exports/{name}.zip"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit-export.zip"
        made = _write(path, report=report, **span)
        the_anchor().put(file, path)
    return _note(actor, {"file": file, **made})


def export_to(path: Path, *, actor: Actor, report: Report | None = None, **span: Any) -> dict[str, Any]:
    """Write an export to a file. Raises NotReady without the signing key, NotFound for an empty range, Conflict."""
    return dict(_note(actor, _write(path, report=report, **span)).after)


def _write(path: Path, *, report: Report | None, **span: Any) -> dict[str, Any]:
    checkpoint()
    key, _last = key_and_last(the_anchor())
    first, last = boundaries(**span)
    manifest = write_export(path, first=first, last=last, key=key, report=report)
    parts = {part: manifest[part] for part in ("first", "last", "events", "root_key")}
    return {"sha256": digest_of(path), "size_bytes": path.stat().st_size, **parts}


@transactional
def _note(actor: Actor, made: dict[str, Any]) -> AuditEvent:
    return record(action=EXPORTED, actor=actor, after=made)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def recent() -> QuerySet[AuditEvent]:
    """Give the events of exports that can still be fetched, newest first."""
    oldest = timezone.now() - timedelta(days=settings.AUDIT_EXPORT_DAYS)
    return AuditEvent.objects.filter(action=EXPORTED, at__gte=oldest).order_by("-sequence")


def opened(event: AuditEvent) -> AbstractContextManager[BinaryIO]:
    """Give the bytes of an export. Raises NotFound if the event tells of none or its days are over."""
    if event.action != EXPORTED or event.at < timezone.now() - timedelta(days=settings.AUDIT_EXPORT_DAYS):
        raise NotFound(_("This export cannot be fetched any more."), code="export_gone")
    return the_anchor().open(str(event.after.get("file", "")))


def response_of(event: AuditEvent) -> FileResponse:
    """Give an export as the answer to a request, streamed. Raises NotFound, Unavailable."""
    stack = ExitStack()
    file = stack.enter_context(opened(event))
    name = f"flueman-audit-{event.after.get('first')}-{event.after.get('last')}.zip"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    response._resource_closers.append(stack.close)  # type: ignore[attr-defined]
    return response


def remove_old() -> int:
    """Remove exports whose days are over; give how many. An anchor that is away is asked again next time."""
    kept = {event.after.get("file") for event in recent()}
    anchor, removed = the_anchor(), 0
    try:
        for name in anchor.names("exports"):
            # One that is being written has no event yet: its name was not kept a day ago either.
            if name not in kept and not work.desk.running(work.EXPORT):
                anchor.remove(name)
                removed += 1
    except Unavailable:
        return removed
    return removed
