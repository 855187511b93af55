"""What the worker does for the audit trail; `flueman/tasks.py` hands it to the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from audit import downloads, proofs
from audit.checkpoints import checkpoint


class Run(Protocol):
    """What a job offers to its work."""

    job: Any
    payload: Mapping[str, Any]

    def report(self, percent: float, step: str = "") -> None:
        """Tell how far the work is."""

    def result(self, values: Mapping[str, Any]) -> None:
        """Keep what came of it."""


def make_checkpoint(run: Run) -> None:
    """Sign where the chain stands, and clear away exports that are past their time."""
    made = checkpoint()
    downloads.remove_old()
    run.result({"checkpoint": made.number if made else None})


def verify_chain(run: Run) -> None:
    """Walk the whole chain and keep what was found as an event."""
    found = proofs.prove(actor=run.job.created_by, report=run.report)
    run.result({"is_whole": found.is_whole, "events": found.events, "said": str(found)})


def export_chain(run: Run) -> None:
    """Write an export into the anchor and keep that as an event."""
    event = downloads.make(name=run.job.pk.hex, actor=run.job.created_by, asked=run.payload, report=run.report)
    run.result({"event": event.sequence, **event.after})
