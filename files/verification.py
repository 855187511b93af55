"""Proof that the store holds what the rows say: every blob read and hashed, every stray key named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.core.files.storage import default_storage

from common.errors import NotFound
from files.models import Blob
from files.services import open_blob
from files.storage import list_keys, read_chunks


@dataclass
class Findings:
    """What a verification found; `orphans` are keys of the store that no row names."""

    blobs: int = 0
    size_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether every blob is there and is what its name says. Orphans cost room and harm nothing."""
        return not self.missing and not self.damaged


def verify_blobs(*, told: Callable[[str, str], None]) -> Findings:
    """Read and hash every blob; `told(kind, name)` hears of each finding at once. Changes nothing."""
    findings = Findings()
    for blob in Blob.objects.order_by("pk").iterator():
        findings.blobs += 1
        findings.size_bytes += blob.size_bytes
        if problem := _examine(blob):
            getattr(findings, problem).append(blob.pk)
            told(problem, blob.pk)
    for key in _orphans():
        findings.orphans.append(key)
        told("orphans", key)
    return findings


def remove_orphans(*, keys: list[str]) -> int:
    """Delete keys that still no row names and give how many. Bytes being stored now may be among them: stop writers."""
    gone = [key for key in keys if not Blob.objects.filter(storage_key=key).exists()]
    for key in gone:
        default_storage.delete(key)
    return len(gone)


def _examine(blob: Blob) -> str:
    digest = hashlib.sha256()
    try:
        with open_blob(blob) as stream:
            for chunk in read_chunks(stream):
                digest.update(chunk)
    except NotFound:
        return "missing"
    return "" if digest.hexdigest() == blob.sha256 else "damaged"


def _orphans() -> Iterator[str]:
    for key in list_keys():
        if not Blob.objects.filter(pk=key.rpartition("/")[2], storage_key=key).exists():
            yield key
