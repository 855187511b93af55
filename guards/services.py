"""Stamps: how processes learn that what they hold in memory has changed."""

from __future__ import annotations

from django.db.models import F

from guards.models import Stamp


def bump(name: str) -> None:
    """Raise a stamp inside the caller's transaction, so that the change and its stamp are seen together."""
    if not Stamp.objects.filter(name=name).update(value=F("value") + 1):
        Stamp.objects.get_or_create(name=name, defaults={"value": 1})


def read_stamps() -> dict[str, int]:
    """Give all stamps."""
    return dict(Stamp.objects.values_list("name", "value"))
