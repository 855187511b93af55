"""What the rows say of a version that runs elsewhere."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from inference.models import RemoteModel, RemoteServer
from inference.remote.client import Place

MOST_REASON = 300


def place_of(remote: RemoteModel) -> Place:
    """Give where a version runs and how it is called; it is read with its server and version."""
    limits = remote.version.manifest.get("limits", {})
    return place_on(
        remote.server,
        model=remote.model,
        version=remote.model_version,
        is_binary=remote.is_binary,
        most_rows=limits.get("max_batch", 1),
    )


def place_on(
    server: RemoteServer, *, model: str = "", version: str = "", is_binary: bool = False, most_rows: int = 1
) -> Place:
    """Give a model on a server, which need not be a version yet."""
    return Place(
        server=server.name,
        base_url=server.base_url,
        model=model,
        version=version,
        header=server.header,
        credential=server.credential,
        ca_pem=server.ca_pem,
        timeout_s=server.timeout_s,
        is_binary=is_binary,
        most_rows=most_rows,
    )


def note_breaker(version_id: str, *, wait_s: float, reason: str) -> None:
    """Write that a web process leaves a version alone for a while, or with 0 that it does not any more."""
    until = timezone.now() + timedelta(seconds=wait_s) if wait_s > 0 else None
    rows = RemoteModel.objects.filter(pk=UUID(version_id))
    if until is None:
        rows = rows.exclude(Q(breaker_until=None))
    rows.update(breaker_until=until, breaker_reason=reason[:MOST_REASON])
