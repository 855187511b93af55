"""How the chain stands, as far as that can be said without walking along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from audit import work
from audit.models import AuditCheckpoint, AuditEvent, AuditHead
from audit.proofs import last_proof
from audit.statements import KEY, SEAL, id_of
from audit.verification import is_stale, notes_text, problem_text
from common.display import ago, thousands
from common.korean import settle_particles


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """What a page, a command or a client wants to know of the chain at a glance."""

    events: int
    proof: AuditEvent | None
    running: work.Running | None
    signed_until: int
    signed_at: datetime | None
    anchored_until: int
    sealed_until: int
    root_key: str
    notes: Sequence[str]

    @property
    def verdict(self) -> str:
        """Give `whole`, `broken`, or `unknown` where nobody has looked yet."""
        if self.proof is None:
            return "unknown"
        return "whole" if self.proof.outcome == "done" else "broken"

    def headline(self) -> SafeString:
        """Say it in one line of HTML."""
        said: list[str] = [_verdict(self)]
        count = ngettext("%(number)s event", "%(number)s events", self.events) % {"number": thousands(self.events)}
        said.append(count)
        if self.anchored_until:
            said.append(gettext("anchored until #%(number)s") % {"number": thousands(self.anchored_until)})
        return format_html_join(", ", "{}", ((part,) for part in said))

    @property
    def problem(self) -> str:
        """Say what the last verification found wrong, or an empty string."""
        if self.verdict != "broken" or self.proof is None:
            return ""
        after: dict[str, Any] = self.proof.after
        said = gettext("Event #%(number)s: %(problem)s") % {
            "number": thousands(after.get("first_bad")),
            "problem": problem_text(str(after.get("problem", "")), after.get("params") or {}),
        }
        return settle_particles(said)

    @property
    def warnings(self) -> list[str]:
        """Say what should be known."""
        return notes_text(self.notes)


def chain_status() -> ChainStatus:
    """Look at head, checkpoints and the last verification, in few queries."""
    signed, proof = AuditCheckpoint.objects.order_by("number"), last_proof()
    last, waiting = signed.last(), signed.filter(anchored_at=None).first()
    special = list(signed.filter(kind__in=[KEY, SEAL]))
    root = next((row for row in special if row.kind == KEY), None)
    notes = ["unsigned"] if last is None else ["stale"] if is_stale(last.sequence) else []
    notes += ["unanchored"] if waiting else []
    notes += ["unguarded"] if proof and "unguarded" in proof.after.get("notes", ()) else []
    return ChainStatus(
        events=AuditHead.current().sequence,
        proof=proof,
        running=work.desk.running(work.VERIFY),
        signed_until=last.sequence if last else 0,
        signed_at=last.at if last else None,
        # Checkpoints reach the anchor in their order: all before the first that waits are there.
        anchored_until=waiting.sequence - waiting.events if waiting else last.sequence if last else 0,
        sealed_until=max((row.sealed_until or 0 for row in special), default=0),
        root_key=id_of(root.details["public_key"]) if root else "",
        notes=notes,
    )


def _verdict(status: ChainStatus) -> str:
    if status.proof is None:
        return gettext("not verified yet")
    when = ago(status.proof.at)
    if status.verdict == "whole":
        return format_html(gettext("whole, verified {when}"), when=when)
    return format_html(gettext("BROKEN, verified {when}"), when=when)
