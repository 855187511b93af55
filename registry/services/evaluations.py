"""Writes of evaluations: begun, ended with what they found, forgotten."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict
from common.transactions import transactional
from datasets.models import DatasetVersion
from files.models import Blob
from files.services import add_reference, release
from jobs.models import Job
from registry.models import Evaluation, ModelVersion
from registry.services._state import Actor


@dataclass(frozen=True, slots=True)
class Found:
    """What an evaluation found: its answers by row, numbers by name, and all else as a report."""

    answers: Blob
    rows: int
    wrong_rows: int | None
    metrics: Mapping[str, float]
    report: Mapping[str, Any]


def begin_evaluation(
    *, version: ModelVersion, data: DatasetVersion, task: str, options: Mapping[str, Any], actor: Actor
) -> Evaluation:
    """Make the row of an evaluation that a job is about to do, inside the caller's transaction."""
    made = Evaluation.objects.create(
        version=version,
        dataset_version=data,
        task=task,
        options=dict(options),
        created_by=actor if getattr(actor, "pk", None) else None,  # type: ignore[misc]
    )
    record(action="registry.evaluation_begun", actor=actor, target=made, after={**options, "task": task})
    return made


@transactional
def finish_evaluation(*, evaluation: Evaluation, found: Found) -> bool:
    """Keep what was found; false if an attempt before this one has done so."""
    metrics = {name: value for name, value in found.metrics.items() if math.isfinite(value)}
    changes = {"metrics": metrics, "report": _as_json(found.report), "answers": found.answers}
    own = Evaluation.objects.filter(pk=evaluation.pk, finished_at=None)
    if not own.update(rows=found.rows, wrong_rows=found.wrong_rows, finished_at=timezone.now(), **changes):
        return False
    add_reference(blob=found.answers)
    return True


@transactional
def keep_comparison(*, evaluation: Evaluation, baseline: Evaluation, comparison: Mapping[str, Any]) -> None:
    """Keep how an evaluation compares with that of another version over the same rows."""
    own = Evaluation.objects.select_for_update().get(pk=evaluation.pk)
    own.baseline = baseline
    own.report["comparison"] = {
        "evaluation": str(baseline.pk),
        "version": str(baseline.version),
        **_as_json(comparison),
    }
    own.save(update_fields=["baseline", "report"])


@transactional
def delete_evaluation(*, evaluation: Evaluation, actor: Actor, reason: str = "") -> None:
    """Forget an evaluation and its answers. Raises Conflict while it goes on."""
    own = Evaluation.objects.select_for_update().get(pk=evaluation.pk)
    if own.job and not own.job.is_finished:
        raise Conflict(_("The evaluation goes on; cancel it first."))
    facts = {"metrics": own.metrics, "rows": own.rows, "answers": own.answers_id or ""}
    record(action="registry.evaluation_deleted", actor=actor, target=own, before=facts, reason=reason)
    job = own.job
    forget_evaluations(Evaluation.objects.filter(pk=own.pk))
    if job and not Evaluation.objects.filter(job=job).exists():
        Job.objects.filter(pk=job.pk).delete()


def forget_evaluations(evaluations: QuerySet[Evaluation]) -> None:
    """Delete evaluations and let go of their answers, inside the caller's transaction."""
    for one in evaluations.exclude(answers=None).select_related("answers").order_by("answers_id"):
        if one.answers:
            release(blob=one.answers)
    evaluations.delete()


def _as_json(value: Any) -> Any:
    """Give data that every database takes as JSON: null for numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _as_json(one) for key, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, list | tuple) else value
