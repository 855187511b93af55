"""Jobs of this app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from datasets.models import PreprocessingJob
from feedback.models import ReviewQueue
from feedback.services import exchange
from feedback.services.assignment import free_expired
from feedback.services.exporting import MAKE_DATA
from feedback.services.filling import fill_queues
from feedback.services.forgetting import forget_expired
from feedback.services.importing import IMPORT, import_rows
from files.models import StoredFile
from jobs.handlers import handler
from jobs.runner import JobRun

# Those of every job that makes a dataset version.
DATA_LIMITS: dict[str, Any] = {
    "deadline_s": settings.PREPROCESSING_HOURS * 3600,
    "memory_bytes": 4 * settings.PREPROCESSING_MEMORY_BYTES,
    "max_attempts": 10,
}


@handler(IMPORT, label=_("Import of feedback"))
def import_feedback(run: JobRun) -> None:
    """Take in the rows of a file."""
    file = StoredFile.objects.present().select_related("blob").get(pk=run.payload["file"])
    run.result(import_rows(file=file, actor=run.job.created_by, report=run.report))


@handler("feedback.fill_queues", label=_("Filling of review queues"), every_minutes=1, is_background=True)
def fill_review_queues(run: JobRun) -> None:
    """Give back items whose time has run out, and have the rules of queues look at what is new."""
    run.result({"freed": free_expired(), "added": fill_queues()})


@handler("feedback.forget", label=_("Forget old feedback"), every_minutes=24 * 60, is_background=True)
def forget_old_feedback(run: JobRun) -> None:
    """Delete feedback that is older than FEEDBACK_KEEP_DAYS, if that is set."""
    run.result({"feedback": forget_expired(actor="feedback.forget")})


@handler(MAKE_DATA, label=_("Reviewed items as a dataset version"), **DATA_LIMITS)
def make_data(run: JobRun) -> None:
    """Make a version of what was reviewed."""
    from feedback.making import make_data as work  # noqa: PLC0415 - Polars is only for the job's own process

    found = PreprocessingJob.objects.select_related("version__dataset", "version__source", "created_by")
    work(run, found.get(pk=run.payload["preprocessing"]))


@handler(exchange.EXPORT, label=_("Items of a review queue for another tool"))
def export_items(run: JobRun) -> None:
    """Write items into a file of whoever asked."""
    queue = ReviewQueue.objects.get(pk=run.payload["queue"])
    wanted = {name: run.payload[name] for name in ("tool", "has_answers")}
    run.result(exchange.export_items(queue=queue, owner=run.job.created_by, report=run.report, **wanted))


@handler(exchange.IMPORT, label=_("Answers from another tool"))
def import_answers(run: JobRun) -> None:
    """Settle items by the answers in a file."""
    queue = ReviewQueue.objects.get(pk=run.payload["queue"])
    file = StoredFile.objects.present().select_related("blob").get(pk=run.payload["file"])
    wanted = {"tool": run.payload["tool"], "actor": run.job.created_by}
    run.result(exchange.import_answers(queue=queue, file=file, report=run.report, **wanted))
