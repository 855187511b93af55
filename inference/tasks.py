"""Jobs of this app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from files.models import Blob
from inference.asynchronous import services as asynchronous
from inference.evaluating.services import EVALUATE
from inference.figures import rollup
from inference.figures.sums import keep_totals
from inference.host import client
from inference.measuring import in_line
from inference.models import BatchRun
from inference.services import forget_shadow_results, keep_measurement
from inference.services.settings import MEASURE
from jobs.handlers import handler
from jobs.runner import JobRun
from registry import services
from registry.models import Evaluation, ModelVersion
from registry.steps import STEPS

CHECK_STEPS = {name: step.label for name, step in STEPS.items()}


@handler("inference.check_version", label=_("Check of a version"), is_kept=True)
def check_version(run: JobRun) -> None:
    """Check a version in the model host, and make it ready or refuse it for what was found."""
    version = ModelVersion.objects.get(pk=run.payload["version_id"])
    if version.state not in (ModelVersion.State.PENDING, ModelVersion.State.CHECKING):
        return  # an attempt before this one got as far as the result
    services.start_check(version=version)
    report = client.check(version.pk, lambda step: _show(run, version, step))
    run.result({"ok": report["ok"]})
    if report["ok"]:
        services.pass_check(
            version=version, report=report, converted=_blobs(report["converted"]), manifest=report["manifest"]
        )
    else:
        services.refuse(version=version, reason=_reason(report), report=report)


@handler(MEASURE, label=_("Measurement of a version"), is_kept=True)
def measure_version(run: JobRun) -> None:
    """Measure a version in the model host, and keep what was found for its page."""
    version = ModelVersion.objects.get(pk=run.payload["version_id"])
    measured = client.measure(version.pk, lambda line: run.log(in_line(line)))
    keep_measurement(version=version, measured=measured, actor=run.job.created_by)
    run.result(measured["proposal"])


@handler(
    "inference.run_batch",
    label=_("Batch run"),
    deadline_s=settings.BATCH_RUN_HOURS * 3600,
    max_attempts=10,  # what is done stays done
)
def run_batch(run: JobRun) -> None:
    """Run a version over the rows of a file, from where it stopped."""
    from inference.batches.running import run_batch as work  # noqa: PLC0415 - Arrow is only for the job's own process

    work(run, BatchRun.objects.select_related("version__model", "blob", "created_by").get(pk=run.payload["run"]))


@handler(
    EVALUATE,
    label=_("Evaluation"),
    deadline_s=settings.BATCH_RUN_HOURS * 3600,
    max_attempts=10,  # what is done stays done
)
def evaluate(run: JobRun) -> None:
    """Run versions over rows whose right answers are known, and compare them."""
    from inference.evaluating.running import run_evaluations as work  # noqa: PLC0415 - the same

    found = Evaluation.objects.select_related("version__model", "dataset_version__dataset", "answers").in_bulk(
        [*run.payload["evaluations"], *filter(None, [run.payload["baseline"]])]
    )
    known = {str(key): one for key, one in found.items()}
    wanted = [known[key] for key in run.payload["evaluations"] if key in known]
    work(run, wanted, known.get(run.payload["baseline"]))


@handler("inference.forget_asynchronous", label=_("Forget old asynchronous predictions"), every_minutes=10)
def forget_asynchronous(run: JobRun) -> None:
    """Delete asynchronous predictions whose answers were kept long enough."""
    run.result({"deleted": asynchronous.forget_old()})


@handler(
    "inference.forget_shadows", label=_("Forget old answers of shadows"), every_minutes=24 * 60, is_background=True
)
def forget_shadows(run: JobRun) -> None:
    """Delete what shadows answered long ago."""
    run.result({"deleted": forget_shadow_results()})


@handler("inference.roll_up", label=_("Counting requests"), every_minutes=1)
def roll_up(run: JobRun) -> None:
    """Count the requests of the last minutes for the dashboards, and keep totals."""
    run.result({"minutes": rollup.roll_up()})
    keep_totals()


@handler("inference.release_checks", label=_("Versions whose check was ended"), every_minutes=1)
def release_checks(run: JobRun) -> None:
    """Have versions wait for a new check whose own was cancelled, or died."""
    run.result({"versions": services.release_checks()})


def _show(run: JobRun, version: ModelVersion, step: Mapping[str, Any]) -> None:
    services.note_step(version=version, step=step)
    names = list(CHECK_STEPS)
    name = step["step"]
    done = names.index(name) + (step["state"] != "running") if name in names else 0
    run.report(100 * done / len(names), str(CHECK_STEPS.get(name, name)))
    if step["state"] != "running":
        run.log(f"{CHECK_STEPS.get(name, name)}: {step['message']}", "error" if step["state"] == "failed" else "info")


def _blobs(converted: Mapping[str, str]) -> dict[str, Blob]:
    return {path: Blob.objects.get(pk=sha256) for path, sha256 in converted.items()}


def _reason(report: Mapping[str, Any]) -> str:
    return next((str(step["message"]) for step in report["steps"] if step["state"] == "failed"), "")
