"""The bytes of a version as answers: its parts, and the rows that were set aside."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase

from datasets.models import DatasetVersion
from files.downloads import send_file
from files.models import Blob, StoredFile

PARQUET, JSON_LINES = "application/vnd.apache.parquet", "application/x-ndjson"


def send_part(request: HttpRequest, version: DatasetVersion, number: int) -> HttpResponseBase:
    """Answer for a part of a version. Raises Http404."""
    part = version.parts.select_related("blob").filter(number=number).first()
    if part is None:
        raise Http404
    split = f"-{part.split}" if part.split else ""
    return _send(
        request, version, part.blob, f"{version.dataset.name}-v{version.number}{split}-{number:05d}.parquet", PARQUET
    )


def send_rejects(request: HttpRequest, version: DatasetVersion) -> HttpResponseBase:
    """Answer for the rows that were set aside, as JSON Lines. Raises Http404 if there were none."""
    if version.rejects is None:
        raise Http404
    return _send(
        request, version, version.rejects, f"{version.dataset.name}-v{version.number}-rejects.jsonl", JSON_LINES
    )


def _send(request: HttpRequest, version: DatasetVersion, blob: Blob, name: str, kind: str) -> HttpResponseBase:
    """Answer as for a file of somebody's, by a row that is not kept."""
    when = version.sealed_at or version.created_at
    return send_file(request, StoredFile(name=name, content_type=kind, blob=blob, created_at=when))
