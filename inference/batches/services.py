"""What people do with batch runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Conflict, Invalid
from common.transactions import transactional
from files.models import StoredFile
from files.services import add_reference, release
from inference.batches.looking import look_into
from inference.batches.looks import Look
from inference.models import BatchRun
from jobs import services as jobs
from jobs.models import Job
from registry.models import ModelVersion

RUN = "inference.run_batch"
DEFAULT_LIMIT = 10


def look_at(
    *,
    version: ModelVersion,
    file: StoredFile,
    columns: Mapping[str, str] | None = None,
    id_column: str = "",
    wrong_limit: int = DEFAULT_LIMIT,
) -> Look:
    """Try the first rows of a file before a run. Not inside a transaction.

    Inputs that `columns` leaves out get the column that fits best. Raises Invalid, naming the field, where the file
    cannot be read, a column is missing, or none of the first rows can be taken; Conflict for a version not ready.
    """
    if version.state != ModelVersion.State.READY:
        raise Conflict(_("%(version)s is not ready.") % {"version": version})
    look = look_into(file=file, version=version, columns=columns or {}, id_column=id_column)
    _check(look, id_column, wrong_limit)
    return look


@transactional
def start_run(
    *,
    version: ModelVersion,
    file: StoredFile,
    look: Look,
    actor: User,
    id_column: str = "",
    wrong_limit: int = DEFAULT_LIMIT,
) -> BatchRun:
    """Run a version over the rows of a file of the actor's, as `look_at` has found it."""
    _demand_ready(version)
    batch = BatchRun(
        version=version,
        file=file,
        file_name=file.name,
        blob=file.blob,
        format=look.format,
        id_column=id_column,
        columns=dict(look.columns),
        wrong_limit=wrong_limit,
        rows_total=look.rows,
        created_by=actor,
    )
    add_reference(blob=file.blob)
    batch.job = jobs.enqueue(kind=RUN, payload={"run": str(batch.pk)}, actor=actor, target=batch)
    batch.save(force_insert=True)
    record(action="inference.batch_started", actor=actor, target=batch, after=_facts(batch))
    return batch


def find_run(
    *, version: ModelVersion, file: StoredFile, look: Look, actor: User, id_column: str = ""
) -> BatchRun | None:
    """Give the actor's last run of the same over the same that goes on or came to a good end."""
    good = [Job.State.QUEUED, Job.State.RUNNING, Job.State.SUCCEEDED]
    same = BatchRun.objects.filter(version=version, blob=file.blob, id_column=id_column, created_by=actor)
    runs = same.filter(job__state__in=good).select_related("job").order_by("-id")
    return next((run for run in runs[:20] if run.columns == dict(look.columns)), None)


@transactional
def cancel_run(*, batch: BatchRun, actor: User, reason: str = "") -> Job:
    """Stop a run; what is done stays, and a retry goes on behind it. Raises Conflict if it has ended."""
    return jobs.cancel(job=batch.job, actor=actor, reason=reason)


@transactional
def retry_run(*, batch: BatchRun, actor: User, reason: str = "") -> Job:
    """Go on with a run that failed or was cancelled. Raises Conflict for any other."""
    _demand_ready(batch.version)
    return jobs.retry(job=batch.job, actor=actor, reason=reason)


@transactional
def delete_run(*, batch: BatchRun, actor: User | str | None, reason: str = "") -> None:
    """Forget a run that has ended; its result stays among the files. Raises Conflict while it goes on."""
    batch = BatchRun.objects.select_for_update().get(pk=batch.pk)
    if not batch.job.is_finished:
        raise Conflict(_("The run goes on; cancel it first."))
    record(action="inference.batch_deleted", actor=actor, target=batch, before=_facts(batch), reason=reason)
    forget_parts(batch)
    release(blob=batch.blob)
    job = batch.job
    batch.delete()
    job.delete()


def forget_runs(version: ModelVersion, actor: User | str | None) -> None:
    """Forget the runs of a version that is removed for good; their results stay among the files."""
    for batch in BatchRun.objects.filter(version=version):
        delete_run(batch=batch, actor=actor)


def forget_parts(batch: BatchRun) -> None:
    """Let go of the parts of a run, inside the caller's transaction."""
    for part in batch.parts.select_related("blob").order_by("blob_id"):
        release(blob=part.blob)
    batch.parts.all().delete()


def _demand_ready(version: ModelVersion) -> None:
    """Lock the row of a version that is ready: who deletes it moves its state first. Raises Conflict."""
    if not ModelVersion.objects.ready().select_for_update().filter(pk=version.pk).first():
        raise Conflict(_("%(version)s is not ready.") % {"version": version})


def _check(look: Look, id_column: str, wrong_limit: int) -> None:
    if not 0 <= wrong_limit <= 100:
        raise Invalid(_("The limit is a number of percent."), fields={"wrong_limit": _("from 0 to 100")})
    if look.missing:
        said = _("No column of the file fits the input “%(name)s”.") % {"name": look.missing[0]}
        raise Invalid(said, fields={"columns": said})
    known = {column.name for column in look.file_columns}
    for name in (*look.columns.values(), *filter(None, [id_column])):
        if name not in known:
            field = "id_column" if name == id_column else "columns"
            said = _("The file has no column “%(name)s”.") % {"name": name[:100]}
            raise Invalid(said, fields={field: said})
    if look.tried and len(look.errors) == look.tried:
        said = _("None of the first rows can be taken: %(why)s") % {"why": next(iter(look.errors.values()))}
        raise Invalid(said, fields={"columns": said})
    if not look.tried:
        raise Invalid(_("The file has no rows."), fields={"file": _("It has no rows.")})


def _facts(batch: BatchRun) -> dict[str, Any]:
    return {
        "version": str(batch.version),
        "file": batch.file_name,
        "sha256": batch.blob_id,
        "columns": batch.columns,
        "rows": batch.rows_done,
        "wrong": batch.rows_wrong,
    }
