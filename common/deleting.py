"""Many rows deleted a few at a time, so that no statement locks them all."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet


def delete_in_pieces(rows: QuerySet[Any], *, at_once: int = 1000) -> int:
    """Delete rows in their order and give how many of them went, without what went along; safe to break off."""
    model, count = rows.model, 0
    while keys := list(rows.values_list("pk", flat=True)[:at_once]):
        count += model._default_manager.filter(pk__in=keys).delete()[1].get(model._meta.label, 0)
    return count
