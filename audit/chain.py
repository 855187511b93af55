"""Walking along the chain: its rows in order, live or under seal, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audit.canonical import FIELDS, hash_row
from audit.models import AuditEvent

CHUNK = 5000
Row = tuple[Any, ...]


class Broken(Exception):
    """The chain is not what it should be: the first event concerned, a code of PROBLEMS, what its text wants."""

    def __init__(self, event: int, code: str, **params: int | str) -> None:
        super().__init__(event, code, params)
        self.event, self.code, self.params = event, code, params


def follow(row: Row, expected: int, previous: str) -> str:
    """Give the hash of the row that stands where `expected` should, after `previous`. Raises Broken."""
    if len(row) == 1:
        raise Broken(expected, "unreadable")
    if row[0] < expected:
        raise Broken(expected, "stray_before", stray=row[0])
    if row[0] > expected:
        raise Broken(expected, "missing")
    try:
        is_same = hash_row(row[:-1]) == row[-1]
    except (TypeError, ValueError):
        is_same = False
    if not is_same:
        raise Broken(expected, "changed")
    if row[-2] != previous:
        raise Broken(expected, "unlinked")
    return str(row[-1])


def rows(after: int, until: int) -> Iterator[Row]:
    """Give the rows of FIELDS and hash in order, in chunks by key: MySQL's client would hold them all otherwise.

    A row that cannot be read comes as its number alone, and ends the walk.
    """
    kept = AuditEvent.objects.filter(sequence__lte=until).order_by("sequence").values_list(*FIELDS, "hash")
    rest, size = kept.filter(sequence__gt=after) if after else kept, CHUNK
    while True:
        try:
            chunk = list(rest[:size])
        except (ValueError, TypeError, OverflowError):
            if size == 1:
                yield (rest.values_list("sequence", flat=True)[0],)
                return
            size = max(1, size // 10)
            continue
        if not chunk:
            return
        yield from chunk
        rest = kept.filter(sequence__gt=chunk[-1][0])
