"""Where the pieces of preprocessing jobs lie until these have ended."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from datasets.models import PreprocessingJob
from jobs.models import Job

KEPT = timedelta(days=1)  # for a job that is tried again


def tidy_work() -> int:
    """Delete what jobs have left that ended a day ago, or are no more; give how many folders went."""
    root, gone = Path(settings.FLUEMAN_HOME, "work"), 0
    if not root.exists():
        return gone
    young = timezone.now() - KEPT
    jobs = PreprocessingJob.objects.filter(job__isnull=False)
    wanted = jobs.filter(Q(job__finished_at=None) | Q(job__finished_at__gt=young))
    keys = [*wanted.values_list("pk", flat=True), *Job.objects.unfinished().values_list("pk", flat=True)]
    names = set(map(str, keys))  # of jobs, and of other work by its job (`datasets/workplace.py`)
    for folder in root.iterdir():
        if folder.name not in names and folder.stat().st_mtime < young.timestamp():
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
    return gone


def work_folder(preprocessing: PreprocessingJob) -> Path:
    """Give where the pieces of a job lie until it has ended."""
    return Path(settings.FLUEMAN_HOME, "work", str(preprocessing.pk))
