"""The signed statements in order, each compared between database and anchor and checked against its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from django.conf import settings
from django.db.models import Max

from audit.anchor import Anchor
from audit.chain import Broken
from audit.models import AuditCheckpoint
from audit.statements import CHECKPOINT, KEY, SEAL, START, Statement, id_of
from common.errors import NotFound, Unavailable

CHUNK = 2000


@dataclass
class Authority:
    """Which key may speak: the first one, then whichever the key before has named, or the operator trusts."""

    public_key: str = ""
    previous: Statement | None = None

    def problem_of(self, statement: Statement) -> str:
        """Give the code of what is wrong with the next statement, or an empty string; it becomes the last one."""
        problem = self._order(statement) or self._signature(statement)
        self.previous = statement
        return problem

    def _order(self, statement: Statement) -> str:
        last = self.previous
        number, previous, sequence = (last.number + 1, last.hash, last.sequence) if last else (1, START, 0)
        if statement.number != number or statement.previous != previous:
            return "checkpoint_unlinked"
        if statement.sequence < sequence or statement.events != statement.sequence - sequence:
            return "checkpoint_backwards"
        return "" if statement.kind in (CHECKPOINT, KEY, SEAL) and (last or statement.kind == KEY) else "checkpoint_odd"

    def _signature(self, statement: Statement) -> str:
        key, trusted = self.public_key, settings.AUDIT_TRUSTED_KEYS
        if statement.kind == KEY:
            named = str(statement.details.get("public_key", ""))
            is_own = statement.is_signed_by(named)
            if not key and is_own and trusted and id_of(named) not in trusted:
                return "key_unknown"
            if is_own and (not key or id_of(named) in trusted):
                key = named
            self.public_key = named
        if not key or statement.key_id != id_of(key) or not statement.is_signed_by(key):
            return "signature_wrong"
        return ""


@dataclass
class Ledger:
    """Read once, beside the chain; `notes` tells what is no fault and should be known."""

    anchor: Anchor
    notes: set[str] = field(default_factory=set)
    anchored_until: int = 0
    count: int = 0
    authority: Authority = field(default_factory=Authority)

    def __post_init__(self) -> None:
        """Note where the statements end before the chain is read: others may go on adding to both."""
        self._last = AuditCheckpoint.objects.aggregate(last=Max("number"))["last"] or 0

    def statements(self) -> Iterator[tuple[Statement, str]]:
        """Give each statement with the code of what is wrong with it, or an empty string.

        Raises Broken where there is none to give.
        """
        anchored = _Lookahead(self._anchored())
        number = 0
        for row in stored(0, self._last):
            for missing in range(number + 1, row.number):
                yield self._deleted(missing, anchored.take(missing))
            number = row.number
            statement = row.statement
            problem = self.authority.problem_of(statement)
            yield statement, problem or self._compare(row, statement, anchored)
        while (found := anchored.next()) is not None:
            number, hashes = found
            kept = AuditCheckpoint.objects.filter(number=number).first()
            if kept is None:
                yield self._deleted(number, hashes)
            elif hashes != {kept.statement.hash}:
                raise Broken(kept.sequence - kept.events + 1, "checkpoint_forged", checkpoint=number)

    def _compare(self, row: AuditCheckpoint, statement: Statement, anchored: _Lookahead) -> str:
        hashes = anchored.take(row.number)
        self.count += 1
        if "anchor_away" in self.notes:
            return ""
        if hashes and hashes != {statement.hash}:
            return "checkpoint_forged"
        if hashes:
            self.anchored_until = statement.sequence
        elif row.anchored_at or anchored.is_past(row.number):
            return "anchor_lacks"
        else:
            self.notes.add("unanchored")
        return ""

    def _deleted(self, number: int, hashes: set[str]) -> tuple[Statement, str]:
        covered = self.authority.previous.sequence if self.authority.previous else 0
        for digest in sorted(hashes):
            try:
                statement = self.anchor.fetch(number, digest)
            except (NotFound, Unavailable):
                continue
            if not self.authority.problem_of(statement):
                return statement, "checkpoint_deleted"
        raise Broken(covered + 1, "checkpoint_deleted", checkpoint=number)

    def _anchored(self) -> Iterator[tuple[int, set[str]]]:
        try:
            for number, entries in groupby(self.anchor.known(), key=lambda entry: entry[0]):
                yield number, {digest for _number, digest in entries}
        except Unavailable:
            self.notes.add("anchor_away")


class _Lookahead:
    """What the anchor holds, taken number by number."""

    def __init__(self, entries: Iterator[tuple[int, set[str]]]) -> None:
        self._entries = entries
        self._waiting = next(entries, None)
        self._passed: list[tuple[int, set[str]]] = []

    def take(self, number: int) -> set[str]:
        """Give the hashes under a number; usually there is one."""
        while self._waiting and self._waiting[0] < number:
            self._passed.append(self._waiting)
            self._waiting = next(self._entries, None)
        if not self._waiting or self._waiting[0] != number:
            return set()
        hashes = self._waiting[1]
        self._waiting = next(self._entries, None)
        return hashes

    def is_past(self, number: int) -> bool:
        """Tell whether the anchor holds anything after a number."""
        return self._waiting is not None and self._waiting[0] > number

    def next(self) -> tuple[int, set[str]] | None:
        """Give what is left, one by one, with what stood out of its order."""
        if self._passed:
            return self._passed.pop()
        found, self._waiting = self._waiting, next(self._entries, None) if self._waiting else None
        return found


def stored(after: int, until: int) -> Iterator[AuditCheckpoint]:
    """Give the statements past one number and up to another, in chunks by key."""
    kept = AuditCheckpoint.objects.filter(number__lte=until).order_by("number")
    while chunk := list(kept.filter(number__gt=after)[:CHUNK]):
        yield from chunk
        after = chunk[-1].number
