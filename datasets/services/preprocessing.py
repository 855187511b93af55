"""Writes of preprocessing jobs: begun, stopped, tried again, and what became of the versions they were to make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, Invalid
from common.transactions import transactional
from datasets.models import DatasetVersion, PreprocessingJob, PreprocessingStep
from datasets.services.versions import give_up_version
from jobs import services as jobs
from jobs.models import Job

State = DatasetVersion.State
ENDED_BADLY = (Job.State.FAILED, Job.State.CANCELLED, Job.State.DEAD)


@transactional
def begin_preprocessing(
    *,
    kind: str,
    version: DatasetVersion,
    actor: Any,
    steps: Sequence[tuple[str, str | Promise]],
    job_kind: str,
    engine: str = PreprocessingJob.Engine.LOCAL,
    options: Mapping[str, Any] | None = None,
    rows_total: int | None = None,
) -> PreprocessingJob:
    """Put the making of a version in the queue; `steps` are kinds and names, counted from 0. Raises Invalid.

    Names are kept untranslated: each reader gets their own language. The job's payload is `{"preprocessing": id}`.
    """
    if engine == PreprocessingJob.Engine.RAY and not settings.RAY_ADDRESS:
        said = _("There is no Ray cluster: RAY_ADDRESS is not set.")
        raise Invalid(said, code="no_ray", fields={"engine": said})
    made = PreprocessingJob(
        kind=kind,
        engine=engine,
        version=version,
        options=dict(options or {}),
        rows_total=rows_total,
        created_by=actor if getattr(actor, "pk", None) else None,
    )
    key = f"datasets.version.{version.pk}"  # two jobs never write one version
    made.job = jobs.enqueue(
        kind=job_kind, payload={"preprocessing": str(made.pk)}, actor=actor, target=made, max_attempts=10, key=key
    )
    made.save(force_insert=True)
    with translation.override(None):
        PreprocessingStep.objects.bulk_create(
            PreprocessingStep(preprocessing=made, number=number, kind=one, label=str(label)[:255])
            for number, (one, label) in enumerate(steps)
        )
    after = {"version": str(version), "kind": kind, "engine": engine}
    record(action="datasets.preprocessing_begun", actor=actor, target=made, after=after)
    return made


@transactional
def cancel_preprocessing(*, preprocessing: PreprocessingJob, actor: Any, reason: str = "") -> PreprocessingJob:
    """Stop a job; its version is given up. Raises Conflict if it has ended."""
    if preprocessing.job is None:
        raise Conflict(_("The job has ended."), code="not_cancellable")
    preprocessing.job = jobs.cancel(job=preprocessing.job, actor=actor, reason=reason)
    if preprocessing.job.is_finished:
        give_up_version(version=preprocessing.version, actor=actor, reason=reason)
    return preprocessing


@transactional
def retry_preprocessing(*, preprocessing: PreprocessingJob, actor: Any, reason: str = "") -> PreprocessingJob:
    """Go on with a job that failed or was cancelled, behind what is done. Raises Conflict for any other."""
    if preprocessing.job is None:
        raise Conflict(_("The job is too old to be tried again."), code="not_retryable")
    preprocessing.job = jobs.retry(job=preprocessing.job, actor=actor, reason=reason)
    write_again(version=preprocessing.version)
    return preprocessing


def write_again(*, version: DatasetVersion) -> bool:
    """Let a version that was given up be written by its job again; give whether it is still to be made."""
    DatasetVersion.objects.filter(pk=version.pk, state=State.FAILED).update(state=State.WRITING)
    version.refresh_from_db()
    return version.state == State.WRITING


def give_up_versions() -> int:
    """Give up the versions whose job came to no good end, and give how many they were."""
    is_over = Q(preprocessing__job__state__in=ENDED_BADLY) | Q(preprocessing__isnull=False, preprocessing__job=None)
    ended = DatasetVersion.objects.filter(is_over, state=State.WRITING)
    found = list(ended.select_related("dataset", "preprocessing__job"))
    for version in found:
        give_up_version(version=version, actor=None, reason=_why(version.preprocessing.job))
    return len(found)


def _why(job: Job | None) -> str:
    return job.error if job and job.error else "cancelled"
