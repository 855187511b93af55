"""A folder for what a job writes on its way; it goes with the end of the attempt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from files.storage import told_when_full
from jobs.runner import JobRun


@contextmanager
def work_folder(run: JobRun) -> Iterator[Path]:
    """Give an empty folder of this job. Raises StorageFull where the disk has no room."""
    folder = Path(settings.FLUEMAN_HOME, "work", str(run.job.pk))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        with told_when_full():
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
