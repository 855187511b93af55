"""What the registry cannot know of its versions: where they serve, and how to go on with them."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db.models import Case, Q, When
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.names import composed
from files.models import StoredFile
from files.usage import NextStep, Use
from inference.models import BatchRun, Route
from jobs.models import Job
from registry.models import Evaluation, ModelVersion, ModelVersionQuerySet, RegisteredModel
from registry.usage import Usage

SHOWN_RUNS = 100
READABLE = (".parquet", ".jsonl", ".ndjson", ".csv", ".tsv")


def deployments_of(versions: ModelVersionQuerySet) -> dict[UUID, list[Usage]]:
    """Give the deployments of some versions, in one query."""
    found: dict[UUID, list[Usage]] = defaultdict(list)
    for route in Route.objects.filter(version__in=versions).select_related("deployment").order_by("deployment__name"):
        url = reverse("admin:inference_deployment_change", args=[route.deployment_id])
        label = gettext("deployment %(name)s") % {"name": route.deployment.name}
        if route.kind != Route.Kind.LIVE:
            label = f"{label} ({route.get_kind_display()})"
        found[route.version_id].append(Usage(label, url, is_live=True))
    return dict(found)


def live_version_of(model: RegisteredModel) -> ModelVersion | None:
    """Give the version of a model that answers the largest share of some deployment's calls."""
    routes = Route.objects.filter(version__model=model, kind=Route.Kind.LIVE, weight__gt=0).order_by("-weight", "id")
    found = routes.select_related("version__model").first()
    return found.version if found else None


def models_behind(name: str) -> set[int]:
    """Give the keys of the models that are live in a deployment."""
    live = Route.objects.filter(deployment__name=composed(name), kind=Route.Kind.LIVE, weight__gt=0)
    return set(live.values_list("version__model_id", flat=True))


def batch_runs_of(versions: ModelVersionQuerySet) -> dict[UUID, list[Usage]]:
    """Give the batch runs of some versions that go on, and the last one that has ended, in one query."""
    found: dict[UUID, list[Usage]] = defaultdict(list)
    going_on_first = Case(When(job__state__in=[Job.State.QUEUED, Job.State.RUNNING], then=0), default=1)
    runs = BatchRun.objects.filter(version__in=versions).select_related("job").order_by(going_on_first, "-id")
    for run in runs[:SHOWN_RUNS]:
        is_live = not run.job.is_finished
        if is_live or run.version_id not in found:
            label = gettext("batch run over %(file)s") % {"file": run.file_name}
            found[run.version_id].append(Usage(label, _page_of(run), is_live))
    return dict(found)


def evaluations_of(versions: ModelVersionQuerySet) -> dict[UUID, list[Usage]]:
    """Give the evaluations of some versions that go on, in one query."""
    found: dict[UUID, list[Usage]] = defaultdict(list)
    under_way = Evaluation.objects.filter(job__state__in=[Job.State.QUEUED, Job.State.RUNNING], finished_at=None)
    for one in under_way.filter(version__in=versions).select_related("dataset_version__dataset")[:SHOWN_RUNS]:
        label = gettext("evaluation over %(data)s") % {"data": one.dataset_version}
        found[one.version_id].append(Usage(label, reverse("admin:registry_evaluation_change", args=[one.pk])))
    return dict(found)


def batch_runs_with(stored: StoredFile) -> list[Use]:
    """Give the batch runs that read a file, or made it."""
    runs = BatchRun.objects.filter(Q(file=stored) | Q(result=stored)).select_related("version__model").order_by("-id")
    told = {True: gettext("result of the batch run of %(version)s"), False: gettext("batch run of %(version)s")}
    return [
        Use(told[run.result_id == stored.pk] % {"version": run.version}, _page_of(run)) for run in runs[:SHOWN_RUNS]
    ]


def _page_of(run: BatchRun) -> str:
    return reverse("admin:inference_batchrun_change", args=[run.pk])


def _batch_url(version: ModelVersion) -> str:
    return f"{reverse('admin:inference_batchrun_add')}?version={version.pk}"


def _evaluate_url(version: ModelVersion) -> str:
    return f"{reverse('admin:registry_evaluation_add')}?version={version.pk}"


def _file_url(stored: StoredFile) -> str:
    is_readable = stored.name.lower().endswith(READABLE)
    return f"{reverse('admin:inference_batchrun_add')}?file={stored.pk}" if is_readable else ""


def _settings_url(version: ModelVersion) -> str:
    return "" if version.is_remote else reverse("admin:inference_versionsettings_change", args=[version.pk])


def _deploy_url(version: ModelVersion) -> str:
    return f"{reverse('admin:inference_deployment_add')}?version={version.pk}&name={version.model.name}"


EVALUATE = NextStep(_("Evaluate"), "registry.add_evaluation", _evaluate_url)
RUN_BATCH = NextStep(_("Run over a file"), "inference.add_batchrun", _batch_url)
RUN_OVER_FILE = NextStep(_("Run a model over it"), "inference.add_batchrun", _file_url)
DEPLOY = NextStep(_("Deploy"), "inference.deploy_deployment", _deploy_url)
SETTINGS = NextStep(_("How it runs"), "inference.view_versionsettings", _settings_url)
