"""Proof that the chain is whole, or the first row where it is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext

from audit.canonical import FIELDS, START, hash_row
from audit.models import AuditEvent, AuditHead
from common.korean import settle_particles

CHUNK = 5000
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the whole chain found; `first_bad` is the number of the first row that is wrong."""

    events: int
    head_hash: str
    first_bad: int | None
    problem: str
    took_s: float

    @property
    def is_whole(self) -> bool:
        """Whether every row is there, unchanged and in its place."""
        return self.first_bad is None

    def __str__(self) -> str:
        if self.is_whole:
            return gettext("The chain is whole: %(count)d events, checked in %(time).1f s.") % {
                "count": self.events,
                "time": self.took_s,
            }
        said = gettext("The chain is broken at event %(number)d: %(problem)s")
        return settle_particles(said % {"number": self.first_bad, "problem": self.problem})


def verify() -> Verification:
    """Walk the chain from its first row to its head while others may go on adding to it."""
    started = time.monotonic()
    # Rows are read before the head: an honest chain never has a row past a head read later.
    last = AuditEvent.objects.aggregate(last=Max("sequence"))["last"] or 0
    head = AuditHead.objects.filter(id=1).first() or AuditHead(sequence=0, hash=START)
    previous, expected = START, 1
    for row in _rows(head.sequence):
        if problem := _problem(row, expected, previous):
            return Verification(expected - 1, previous, expected, problem, time.monotonic() - started)
        previous, expected = row[-1], expected + 1
    first_bad, problem = _problem_at_end(expected, last, head, previous)
    return Verification(expected - 1, previous, first_bad, problem, time.monotonic() - started)


def _problem(row: Row, expected: int, previous: str) -> str:
    """Tell what is wrong with the row that stands where `expected` should."""
    if len(row) == 1:
        return gettext("it cannot be read.")
    if row[0] < expected:
        return gettext("an event %(number)d stands before it.") % {"number": row[0]}
    if row[0] > expected:
        return gettext("it is missing.")
    try:
        is_same = hash_row(row[:-1]) == row[-1]
    except (TypeError, ValueError):
        is_same = False
    if not is_same:
        return gettext("its content is not what was recorded (edited, or moved here from another place).")
    if row[-2] != previous:
        return gettext("it does not follow the event before it (inserted, reordered or rewritten).")
    return ""


def _problem_at_end(expected: int, last: int, head: AuditHead, previous: str) -> tuple[int | None, str]:
    """Tell which event is wrong where rows and recorded end meet, and why."""
    if expected <= head.sequence:
        return expected, gettext("it is missing, with all after it up to %(number)d.") % {"number": head.sequence}
    if last > head.sequence:
        stray = AuditEvent.objects.filter(sequence__gt=head.sequence).order_by("sequence").first()
        return stray.sequence if stray else last, gettext("it stands past the recorded end of the chain (inserted).")
    if head.hash != previous:
        return head.sequence, gettext("the recorded end of the chain has another hash.")
    return None, ""


def _rows(until: int) -> Iterator[Row]:
    """Give the rows of FIELDS and hash in order, in chunks by key: MySQL's client would hold them all otherwise.

    A row that cannot be read comes as its number alone.
    """
    rows = AuditEvent.objects.filter(sequence__lte=until).order_by("sequence").values_list(*FIELDS, "hash")
    after, size = None, CHUNK
    while True:
        rest = rows if after is None else rows.filter(sequence__gt=after)
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
        after = chunk[-1][0]
