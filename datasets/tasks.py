"""Jobs of this app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from datasets import services
from datasets.content import tidy_copies
from datasets.models import DatasetVersion, PreprocessingJob, VersionDifference
from datasets.running import folders
from datasets.services.differences import COMPARE
from datasets.services.exports import EXPORT
from datasets.services.imports import IMPORT
from datasets.services.profiles import PROFILE
from datasets.services.recipes import JOB_KIND as RUN_RECIPE
from datasets.services.splits import SPLIT
from jobs.handlers import handler
from jobs.runner import JobRun

LIMITS: dict[str, Any] = {
    "deadline_s": settings.PREPROCESSING_HOURS * 3600,
    # Of addresses, most of which are never used; what is really held is watched (`datasets/running/memory.py`).
    "memory_bytes": 4 * settings.PREPROCESSING_MEMORY_BYTES,
    "max_attempts": 10,
}


@handler(RUN_RECIPE, label=_("Recipe over a dataset version"), **LIMITS)
def run_recipe(run: JobRun) -> None:
    """Make a version by a recipe."""
    from datasets.running.recipe import run_recipe as work  # noqa: PLC0415 - Polars is only for the job's own process

    found = PreprocessingJob.objects.select_related("version__parent", "version__recipe", "version__dataset")
    work(run, found.select_related("created_by").get(pk=run.payload["preprocessing"]))


@handler(IMPORT, label=_("Import of a dataset"), **LIMITS)
def import_dataset(run: JobRun) -> None:
    """Make a version of the rows of a source."""
    from datasets.importing import run_import  # noqa: PLC0415 - Polars is only for the job's own process

    found = PreprocessingJob.objects.select_related("version__dataset", "version__source__blob", "created_by")
    run_import(run, found.get(pk=run.payload["preprocessing"]))


@handler("datasets.tidy_work", label=_("Tidy up after preprocessing jobs"), every_minutes=60, is_background=True)
def tidy_work(run: JobRun) -> None:
    """Delete what preprocessing jobs have left on the disk that will not go on, and copies of files not in use."""
    run.result({"folders": folders.tidy_work(), "copies": tidy_copies()})


@handler("datasets.give_up_versions", label=_("Versions whose making was ended"), every_minutes=1, is_background=True)
def give_up_versions(run: JobRun) -> None:
    """Say of versions whose job came to no good end that they are not made."""
    run.result({"versions": services.give_up_versions()})


@handler(SPLIT, label=_("Split of a dataset"), **LIMITS)
def split(run: JobRun) -> None:
    """Divide a version into splits."""
    from datasets.splitting.running import run_split  # noqa: PLC0415 - Polars is only for the job's own process

    run_split(run, PreprocessingJob.objects.select_related("version__parent").get(pk=run.payload["preprocessing"]))


@handler(EXPORT, label=_("Export of a dataset"), **LIMITS)
def export(run: JobRun) -> None:
    """Write a version as a file of somebody's."""
    from datasets.export.running import run_export  # noqa: PLC0415 - the same

    run_export(run, DatasetVersion.objects.select_related("dataset").get(pk=run.payload["version"]))


@handler(COMPARE, label=_("Difference of two dataset versions"), **LIMITS)
def compare(run: JobRun) -> None:
    """Find what differs between two versions."""
    from datasets.difference.running import run_comparison  # noqa: PLC0415 - the same

    found = VersionDifference.objects.select_related("before__dataset", "after__dataset")
    run_comparison(run, found.get(pk=run.payload["difference"]))


@handler(PROFILE, label=_("Profile of a dataset version"), is_background=True, is_kept=True, **LIMITS)
def profile(run: JobRun) -> None:
    """Look at all rows of a version, and keep what is found."""
    version = DatasetVersion.objects.select_related("dataset").get(pk=run.payload["version"])
    total = max(1, version.rows)
    services.profile_version(version=version, report=lambda rows: run.report(99 * rows / total), within=run.succeed())
