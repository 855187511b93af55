"""Which rows need blobs: each app tells of its own, so that the counts can be proved without knowing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

from files.models import Blob, StoredFile, Upload

Rows = Callable[[], QuerySet[Any]]
_holders: list[tuple[Rows, str]] = []


def register_holder(rows: Rows, column: str) -> None:
    """Tell of rows of which each needs the blob whose hash stands in a column; empty or null needs none."""
    _holders.append((rows, column))


def count_all() -> Counter[str]:
    """Give how many rows need each blob."""
    counts: Counter[str] = Counter()
    for rows, column in _holders:
        needed = rows().exclude(**{column: ""}).exclude(**{column: None}).order_by()
        counts.update(needed.values_list(column, flat=True).iterator())
    return counts


def count_one(sha256: str) -> int:
    """Give how many rows need one blob."""
    return sum(rows().filter(**{column: sha256}).count() for rows, column in _holders)


register_holder(StoredFile.objects.all, "blob_id")
register_holder(Upload.objects.all, "blob_id")
register_holder(Blob.objects.all, "thumbnail_id")
