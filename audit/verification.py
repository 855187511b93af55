"""Proof that the chain is whole and is what was signed and anchored, or the first event where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit import triggers
from audit.anchor import Anchor, the_anchor
from audit.canonical import START
from audit.chain import CHUNK, Broken, Row, follow, rows
from audit.ledger import Ledger
from audit.models import AuditEvent, AuditHead
from audit.segments import sealed_rows, sealed_until
from audit.statements import Statement
from common.korean import settle_particles

Report = Callable[[float, str], None]
Signed = tuple[Statement, str]
Due = Signed | None
# A statement with one of these is what was signed: what it says of the chain comes first.
_AUTHENTIC = ("", "checkpoint_deleted", "anchor_lacks")
PROBLEMS: Mapping[str, Any] = {
    "unreadable": _("it cannot be read."),
    "stray_before": _("an event %(stray)s stands before it."),
    "missing": _("it is missing."),
    "changed": _("its content is not what was recorded (edited, or moved here from another place)."),
    "unlinked": _("it does not follow the event before it (inserted, reordered or rewritten)."),
    "tail_missing": _("it is missing, with all after it up to %(until)s."),
    "stray_after": _("it stands past the recorded end of the chain (inserted, or the end was turned back)."),
    "head_changed": _("the recorded end of the chain has another hash."),
    "tail_cut": _(
        "it is missing: checkpoint %(checkpoint)s has signed the events up to %(until)s (the end was cut off)."
    ),
    "rewritten": _("checkpoint %(checkpoint)s has signed other events up to %(until)s (the chain was rewritten)."),
    "checkpoint_unlinked": _("checkpoint %(checkpoint)s does not follow the one before it."),
    "checkpoint_backwards": _("checkpoint %(checkpoint)s covers fewer events than the one before it."),
    "checkpoint_odd": _("checkpoint %(checkpoint)s is of no kind that is known here."),
    "key_unknown": _("checkpoint %(checkpoint)s begins with a key that is not trusted here."),
    "signature_wrong": _("the signature of checkpoint %(checkpoint)s is not that of the key in force."),
    "checkpoint_forged": _("checkpoint %(checkpoint)s is not the one that the anchor holds."),
    "anchor_lacks": _("checkpoint %(checkpoint)s is missing in the anchor."),
    "checkpoint_deleted": _("checkpoint %(checkpoint)s, which the anchor holds, is missing in the database."),
    "segment_missing": _("the sealed events %(first)s to %(last)s are missing in the anchor."),
    "segment_changed": _("the sealed events %(first)s to %(last)s are not what was sealed."),
}
NOTES: Mapping[str, Any] = {
    "anchor_away": _("The anchor did not answer: nothing was compared with it."),
    "segment_away": _("A sealed file could not be read: its events were passed over."),
    "unanchored": _("Some checkpoints have not reached the anchor yet."),
    "unsigned": _("No checkpoint has been signed yet: a cut end or a whole rewrite would not be seen."),
    "stale": _("Events wait for a signature for longer than they should: look at the worker."),
    "unguarded": _("This database does not refuse changes to the chain by itself."),
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the whole chain found; `first_bad` is the number of the first event that is concerned."""

    events: int
    head_hash: str
    took_s: float
    first_bad: int | None = None
    code: str = ""
    params: Mapping[str, int | str] = field(default_factory=dict)
    checkpoints: int = 0
    signed_until: int = 0
    anchored_until: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every event is there, unchanged and in its place, as signed and anchored."""
        return self.first_bad is None

    @property
    def problem(self) -> str:
        """Say what is wrong with the first bad event."""
        return problem_text(self.code, self.params)

    def __str__(self) -> str:
        if not self.is_whole:
            said = gettext("The chain is broken at event %(number)d: %(problem)s")
            return settle_particles(said % {"number": self.first_bad, "problem": self.problem})
        counted = {"count": self.events, "time": self.took_s}
        said = ngettext(
            "The chain is whole: %(count)d event, checked in %(time).1f s.",
            "The chain is whole: %(count)d events, checked in %(time).1f s.",
            self.events,
        )
        anchored = gettext("Anchored until event %(number)d.") % {"number": self.anchored_until}
        return " ".join([said % counted, *([anchored] if self.anchored_until else []), *notes_text(self.notes)])


def problem_text(code: str, params: Mapping[str, int | str]) -> str:
    """Say a problem in the reader's language."""
    return str(PROBLEMS[code]) % params if code in PROBLEMS else code


def notes_text(notes: Any) -> list[str]:
    """Say notes in the reader's language."""
    return [str(NOTES[note]) for note in notes if note in NOTES]


def verify(*, report: Report | None = None, anchor: Anchor | None = None) -> Verification:
    """Walk the chain and its statements from the first to the last while others may go on adding to both."""
    walk = _Walk(anchor or the_anchor(), report)
    try:
        walk.run()
    except Broken as broken:
        return walk.result(first_bad=broken.event, code=broken.code, params=broken.params)
    return walk.result()


class _Walk:
    """One look. Statements, then rows are asked how far they reach before the head is read: an honest chain never
    has a row or a statement past a head that was read later.
    """

    def __init__(self, anchor: Anchor, report: Report | None) -> None:
        self.started, self.report = time.monotonic(), report
        self.ledger = Ledger(anchor)
        self.last = AuditEvent.objects.aggregate(last=Max("sequence"))["last"] or 0
        self.head = AuditHead.current()
        self.previous, self.expected = START, 1
        self.signed_until = self.passed_over = 0

    def run(self) -> None:
        """Raise Broken for the first thing that is wrong."""
        waiting = self.ledger.statements()
        due = next(waiting, None)
        for row in self._rows():
            due = self._settle(due, waiting)
            self.previous = follow(row, self.expected, self.previous)
            self.expected += 1
            if self.report and self.expected % CHUNK == 0:
                self.report(100 * self.expected / max(1, self.head.sequence), f"{self.expected:,}")
        due = self._settle(due, waiting)
        if self.expected <= self.head.sequence:
            raise Broken(self.expected, "tail_missing", until=self.head.sequence)
        if self.last > self.head.sequence:
            stray = AuditEvent.objects.filter(sequence__gt=self.head.sequence).order_by("sequence").first()
            raise Broken(stray.sequence if stray else self.last, "stray_after")
        if due:
            code = "tail_cut" if due[1] in _AUTHENTIC else due[1]
            raise Broken(self.expected, code, checkpoint=due[0].number, until=due[0].sequence)
        if self.head.hash != self.previous:
            raise Broken(self.head.sequence, "head_changed")

    def result(self, **found: Any) -> Verification:
        """Give what was found."""
        return Verification(
            events=self.expected - 1,
            head_hash=self.previous,
            took_s=time.monotonic() - self.started,
            checkpoints=self.ledger.count,
            signed_until=self.signed_until,
            anchored_until=self.ledger.anchored_until,
            notes=tuple(sorted(self._notes())),
            **found,
        )

    def _rows(self) -> Iterator[Row]:
        yield from sealed_rows(self.ledger.anchor, self._pass_over)
        yield from rows(sealed_until(), self.head.sequence)

    def _pass_over(self, seal: Mapping[str, Any]) -> None:
        """Go on after a sealed file that cannot be read now, from the hash that was signed with the seal."""
        self.ledger.notes.add("segment_away")
        self.passed_over, self.expected, self.previous = seal["last"], seal["last"] + 1, str(seal["last_hash"])

    def _settle(self, due: Due, waiting: Iterator[Signed]) -> Due:
        """Compare the statements that end before the next event with the chain so far."""
        while due and due[0].sequence < self.expected:
            statement, problem = due
            is_seen = statement.sequence >= self.passed_over
            if is_seen and problem in _AUTHENTIC and statement.head_hash != self.previous:
                raise Broken(self.signed_until + 1, "rewritten", checkpoint=statement.number, until=statement.sequence)
            if problem:
                raise Broken(self.signed_until + 1, problem, checkpoint=statement.number)
            self.signed_until = statement.sequence
            due = next(waiting, None)
        return due

    def _notes(self) -> Iterator[str]:
        yield from self.ledger.notes
        if not self.ledger.count:
            yield "unsigned"
        elif is_stale(self.signed_until):
            yield "stale"
        if not triggers.are_in_place():
            yield "unguarded"


def is_stale(signed_until: int) -> bool:
    """Tell whether an event waits for its signature for much longer than it should."""
    longest = timedelta(minutes=3 * settings.AUDIT_CHECKPOINT_MINUTES)
    waiting = AuditEvent.objects.filter(sequence__gt=signed_until).order_by("sequence").values_list("at", flat=True)
    oldest = waiting.first()
    return oldest is not None and oldest < timezone.now() - longest
