"""Proof that the store holds what the rows say: every blob read and hashed, every count proved, every stray named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from common.errors import NotFound
from files import housekeeping
from files.models import Blob
from files.services import open_blob
from files.storage import read_chunks, told_when_full

Told = Callable[[str, str], None]


@dataclass
class Findings:
    """What a verification found, by name; `cured` counts what was repaired."""

    blobs: int = 0
    size_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    cured: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every blob that somebody needs is there and is what its name says. The rest only costs room."""
        return not self.missing and not self.damaged


def verify_blobs(*, told: Told, is_repairing: bool = False) -> Findings:
    """Read and hash every blob and prove every count; `told(kind, name)` hears of each finding at once.

    With `is_repairing` counts are corrected and what nobody needs is deleted; safe while Flueman runs.
    """
    findings = Findings()
    for blob in Blob.objects.order_by("pk").iterator():
        findings.blobs += 1
        findings.size_bytes += blob.size_bytes
        if problem := _examine(blob):
            getattr(findings, problem).append(blob.pk)
            told(problem, blob.pk)
    cures: list[tuple[str, Callable[[], Iterable[str]], Callable[[str], object]]] = [
        ("miscounted", housekeeping.wrong_counts, housekeeping.correct_count),
        ("unused", lambda: [blob.pk for blob in housekeeping.unused_blobs()], housekeeping.remove_one),
        ("orphans", housekeeping.stray_keys, housekeeping.remove_stray),
        ("leftovers", housekeeping.leftovers, housekeeping.remove_leftover),
    ]
    for kind, find, cure in cures:
        for name in list(find()):
            getattr(findings, kind).append(name)
            told(kind, name)
            if is_repairing:
                cure(name)
                findings.cured += 1
    return findings


def _examine(blob: Blob) -> str:
    digest = hashlib.sha256()
    try:
        with told_when_full(), open_blob(blob) as stream:
            for chunk in read_chunks(stream):
                digest.update(chunk)
    except NotFound:
        return "missing"
    return "" if digest.hexdigest() == blob.sha256 else "damaged"
