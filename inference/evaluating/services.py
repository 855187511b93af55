"""What people do with evaluations: begin, end, go on. The rows themselves are written by `registry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _

from common.errors import Conflict, Invalid, NotReady
from common.transactions import transactional
from datasets.models import DatasetVersion
from inference.evaluating.plan import Outputs, Plan, guess_plan, outputs_of
from inference.labels import label_names
from inference.usages import live_version_of
from jobs import services as jobs
from jobs.models import Job
from registry.measures.catalogue import CLASSIFICATION
from registry.models import Evaluation, ModelVersion
from registry.services.evaluations import begin_evaluation
from registry.services.gates import failures

EVALUATE = "inference.evaluate"
MOST_VERSIONS = 8
LOOKED_AT = 20


def outputs_to_judge(version: ModelVersion) -> Outputs:
    """Give the outputs of a version that an evaluation judges. Raises Invalid where there are none."""
    return outputs_of(version.parsed_signature(), len(label_names(version)))


def own_labels(version: ModelVersion, outputs: Outputs) -> list[str]:
    """Give the labels of a version in the order of its scores; numbers where it has scores and no names."""
    if outputs.task != CLASSIFICATION:
        return []
    known = list(label_names(version))
    wide = next((spec for spec in version.parsed_signature().outputs if spec.name == outputs.scores), None)
    return known or ([str(place) for place in range(wide.shape[1])] if wide else [])


def types_of(data: DatasetVersion) -> dict[str, str]:
    """Give the columns of a dataset version with their types."""
    return {one["name"]: one["type"] for one in data.columns}


def rows_of(data: DatasetVersion, split: str = "") -> int:
    """Give the rows of a version, or of one of its splits."""
    parts = data.parts.all()
    return int((parts.filter(split=split) if split else parts).aggregate(rows=Sum("rows"))["rows"] or 0)


def splits_of(data: DatasetVersion) -> list[str]:
    """Give the splits of a version, none where it has no splits."""
    found = data.parts.exclude(split="").values_list("split", flat=True).distinct()
    return sorted(set(found))


def plan_for(*, version: ModelVersion, data: DatasetVersion, given: Mapping[str, Any] | None = None) -> Plan:
    """Give what is taken from which column: as given, else as last time over this dataset, else as names say.

    Raises Invalid naming the field, NotReady if the data is not sealed, Conflict if the version is not ready.
    """
    if version.state != ModelVersion.State.READY:
        raise Conflict(_("%(version)s is not ready.") % {"version": version})
    if not data.is_sealed:
        raise NotReady(_("%(version)s is not sealed.") % {"version": data}, code="not_sealed")
    outputs, types, wanted = outputs_to_judge(version), types_of(data), dict(given or {})
    split = str(wanted.get("split") or "")
    if split and split not in splits_of(data):
        said = _("%(data)s has no split “%(split)s”.") % {"data": data, "split": split[:50]}
        raise Invalid(said, fields={"split": said})
    before = _last_options(version, data, types)
    for name in ("inputs", "label"):
        wanted[name] = wanted.get(name) or before.get(name)
    return guess_plan(version.parsed_signature(), outputs.task, types, wanted)


def _last_options(version: ModelVersion, data: DatasetVersion, types: Mapping[str, str]) -> dict[str, Any]:
    """Give the columns of the last evaluation of this model over the same dataset, if they are still there."""
    same = Evaluation.objects.filter(version__model=version.model_id, dataset_version__dataset=data.dataset_id)
    names = {spec.name for spec in version.parsed_signature().inputs}
    for options in same.order_by("-id").values_list("options", flat=True)[:LOOKED_AT]:
        plan = Plan.from_dict(options)
        if set(plan.inputs) == names and all(column in types for column in (*plan.inputs.values(), plan.label)):
            return options
    return {}


@transactional
def start_evaluations(
    *,
    versions: Sequence[ModelVersion],
    data: DatasetVersion,
    actor: Any,
    given: Mapping[str, Any] | None = None,
    baseline: ModelVersion | None = None,
    is_compared: bool = True,
) -> list[Evaluation]:
    """Evaluate versions over the rows of a dataset version by one job, each compared with the baseline.

    The baseline is the live version of their model unless one is given; a finished evaluation of it over the same rows
    is used again. Raises Invalid, Conflict and NotReady as `plan_for`.
    """
    wanted = list(dict.fromkeys(versions))
    if not 1 <= len(wanted) <= MOST_VERSIONS:
        said = _("Choose 1 to %(most)d versions.") % {"most": MOST_VERSIONS}
        raise Invalid(said, fields={"versions": said})
    plan = plan_for(version=wanted[0], data=data, given=given)
    plans = {wanted[0].pk: plan} | {one.pk: _plan_beside(one, data, given or {}, plan) for one in wanted[1:]}
    against = baseline or (live_version_of(wanted[0].model) if is_compared else None)
    known = None
    if against and against not in wanted:
        known = _evaluated(against, data, plan)
        if known is None and (own := _plan_of_baseline(against, data, plan, is_given=bool(baseline))):
            plans[against.pk] = own
            wanted.insert(0, against)
    elif against:
        wanted.remove(against)
        wanted.insert(0, against)
    made = [
        begin_evaluation(
            version=version,
            data=data,
            task=outputs_to_judge(version).task,
            options=plans[version.pk].as_dict(),
            actor=actor,
        )
        for version in wanted
    ]
    first = made[0].pk if against and wanted[0] == against else None
    payload = {
        "evaluations": [str(one.pk) for one in made],
        "baseline": str(first or (known.pk if known else "")) or "",
    }
    job = jobs.enqueue(kind=EVALUATE, payload=payload, actor=actor, target=made[-1])
    Evaluation.objects.filter(pk__in=[one.pk for one in made]).update(job=job)
    for one in made:
        one.job = job
    return made


def _evaluated(version: ModelVersion, data: DatasetVersion, plan: Plan) -> Evaluation | None:
    """Give the newest finished evaluation over the same rows, inputs and right answers, with these slices at least."""
    done = Evaluation.objects.filter(version=version, dataset_version=data, answers__isnull=False).order_by("-id")
    for one in done[:LOOKED_AT]:
        own = Plan.from_dict(one.options)
        is_same = (own.label, own.split) == (plan.label, plan.split) and one.has_same_columns(plan.inputs)
        if one.finished_at and is_same and set(plan.slices) <= set(own.slices):
            return one
    return None


def _plan_of_baseline(version: ModelVersion, data: DatasetVersion, plan: Plan, *, is_given: bool) -> Plan | None:
    """Give the plan of the version to compare with; `None` where nobody chose it and it cannot be evaluated so."""
    given = {"label": plan.label, "slices": plan.slices, "split": plan.split}
    try:
        return _plan_beside(version, data, given, plan)
    except (Invalid, Conflict):
        if is_given:
            raise
        return None


def live_baseline(one: Evaluation) -> ModelVersion | None:
    """Give the live version that an evaluation like this is compared with; `None` where it cannot be evaluated so."""
    live, plan = live_version_of(one.version.model), Plan.from_dict(one.options)
    return live if live and _plan_of_baseline(live, one.dataset_version, plan, is_given=False) else None


def baseline_of(one: Evaluation) -> ModelVersion | None:
    """Give the version that an evaluation is compared with, or will be when its job has ended; `None` for none."""
    if one.baseline:
        return one.baseline.version
    key = one.job.payload.get("baseline") if one.job else None
    other = Evaluation.objects.exclude(pk=one.pk).select_related("version").filter(pk=key).first() if key else None
    return other.version if other else None


def _plan_beside(version: ModelVersion, data: DatasetVersion, given: Mapping[str, Any], plan: Plan) -> Plan:
    """Give the plan of a version that is compared: inputs of the same names come from the same columns."""
    names = {spec.name for spec in version.parsed_signature().inputs}
    same = {"inputs": plan.inputs} if names == plan.inputs.keys() else {}
    return plan_for(version=version, data=data, given={**given, **same})


@transactional
def run_missing(*, version: ModelVersion, actor: Any) -> list[Evaluation]:
    """Begin the evaluations for want of which a version does not pass its gate; none if that is not what it lacks.

    Raises Invalid where the columns of a dataset cannot be guessed.
    """
    rules = getattr(getattr(version.model, "gate_policy", None), "requirements", [])
    wanted: dict[tuple[Any, str, str], tuple[DatasetVersion, set[str]]] = {}
    for reason in failures(version=version):
        if reason.data is not None:
            rule = rules[reason.requirement]
            rows = (reason.data.pk, rule.get("split", ""), rule.get("label", ""))
            _, slices = wanted.setdefault(rows, (reason.data, set()))
            slices.update(one["column"] for one in rules if one.get("column") and one["dataset"] == rule["dataset"])
    made = []
    for (_key, split, label), (data, slices) in wanted.items():
        given = {"split": split, "label": label, "slices": sorted(slices)}
        made += start_evaluations(versions=[version], data=data, actor=actor, given=given)
    return made


@transactional
def cancel_evaluation(*, evaluation: Evaluation, actor: Any, reason: str = "") -> Job:
    """End the job of an evaluation; what is done stays. Raises Conflict if it has ended."""
    return jobs.cancel(job=_job_of(evaluation), actor=actor, reason=reason)


@transactional
def retry_evaluation(*, evaluation: Evaluation, actor: Any, reason: str = "") -> Job:
    """Go on with an evaluation whose job came to no good end. Raises Conflict for any other."""
    return jobs.retry(job=_job_of(evaluation), actor=actor, reason=reason)


def _job_of(evaluation: Evaluation) -> Job:
    if evaluation.job is None:
        raise Conflict(_("The job of this evaluation is gone."), code="job_gone")
    return evaluation.job
