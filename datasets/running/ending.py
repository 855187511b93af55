"""How the making of a version ends well: its seal, the end of the job and the notice are one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from datasets.models import PreprocessingJob
from datasets.running.memory import Watch
from jobs.runner import JobRun
from notify.services import publish

FINISHED = "preprocessing.finished"


@contextmanager
def ended(run: JobRun, preprocessing: PreprocessingJob, watch: Watch, *, rows: int) -> Iterator[None]:
    """Commit what is written inside with the job's success, and tell who wants to know. Raises ClaimLostError."""
    with run.succeed():
        yield
        PreprocessingJob.objects.filter(pk=preprocessing.pk).update(peak_memory_bytes=watch.peak_bytes)
        told = {"version": str(preprocessing.version), "rows": rows}
        publish(event=FINISHED, payload=told, target=preprocessing)
