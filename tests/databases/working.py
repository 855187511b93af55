"""What services do to rows, several at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import DatabaseError, connection

from guards.models import Stamp


def raise_by_one(name: str) -> None:
    """Do what a service does: read a row under a lock, write it."""
    row = Stamp.objects.select_for_update().get(name=name)
    Stamp.objects.filter(name=name).update(value=row.value + 1)


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread with a connection of its own; give results or errors."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except DatabaseError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def values() -> dict[str, int]:
    """Give what the rows hold."""
    return dict(Stamp.objects.exclude(name="left out").values_list("name", "value"))
