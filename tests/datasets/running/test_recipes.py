"""A recipe over a version: what it makes, what it tells, and how it ends."""

import os

import polars as pl
import pytest
from django.utils import timezone

from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from datasets.models import DatasetVersion, PreprocessingJob, PreprocessingStep
from datasets.running.folders import KEPT, tidy_work, work_folder
from datasets.running.recipe import _Attempt
from datasets.services import (
    begin_preprocessing,
    begin_version,
    cancel_preprocessing,
    dataset_named,
    give_up_versions,
    retry_preprocessing,
)
from jobs.models import Job
from jobs.runner import JobRun, claim
from jobs.runner import work as attempt_work
from notify.models import Delivery
from tests.datasets.making import make_owner, make_version, rows_of
from tests.datasets.running.making import make_run, sentences, work
from tests.notify.making import make_webhook

pytestmark = pytest.mark.django_db
State = DatasetVersion.State


def told(run):
    """Give what the steps tell."""
    return list(run.steps.values_list("kind", "state", "progress", "rows_in", "rows_out"))


def test_recipe_over_a_version_gives_a_sealed_version_of_it():
    run = make_run(sentences(60), part_rows=7)
    version = work(run)
    assert version.state == State.SEALED
    assert version.parent.digest
    assert (version.rows, version.columns) == (20, version.parent.columns)
    assert rows_of(version)["n"].to_list() == list(range(0, 60, 3))
    assert told(run) == [
        ("normalise", "done", 100, 60, 60),
        ("duplicates", "done", 100, 60, 20),
        ("write", "done", 100, None, None),
    ]
    assert run.job.state == Job.State.SUCCEEDED
    assert run.peak_memory_bytes > 1 << 20
    assert not work_folder(run).exists()
    assert AuditEvent.objects.filter(action="datasets.version_sealed", target_id=str(version.pk)).count() == 1


def test_recipe_run_again_over_the_same_rows_gives_the_same_digest():
    frame = sentences(90)
    digests = {work(make_run(frame, part_rows=size, name=f"r{size}")).digest for size in (0, 11, 90)}
    assert len(digests) == 1


def test_steps_that_change_rows_show_some_of_what_they_changed():
    frame = pl.DataFrame({"text": ["ＡＢＣ", "abc", "abc", None], "n": range(4)})
    run = make_run(frame)
    work(run)
    normalised, dropped = run.steps.order_by("number")[:2]
    assert normalised.samples == [{"row": 0, "column": "text", "before": "ＡＢＣ", "after": "ABC"}]
    assert dropped.samples == [{"row": 2, "dropped": {"text": "abc", "n": 2}}]
    assert dropped.report["dropped"] == 1


def test_recipe_that_leaves_no_rows_gives_a_sealed_version_and_a_warning():
    run = make_run(sentences(9), [{"kind": "filter", "params": {"condition": "n < 0"}}])
    version = work(run)
    assert (version.state, version.rows) == (State.SEALED, 0)
    assert [part.rows for part in version.parts.all()] == [0]
    assert run.job.logs.filter(level="warning").exists()


def test_recipe_over_a_version_without_rows_gives_one_without_rows():
    version = work(make_run(sentences(1).clear()))
    assert (version.state, version.rows) == (State.SEALED, 0)
    assert version.columns == version.parent.columns


def test_steps_that_are_switched_off_are_left_out():
    steps = [
        {"kind": "duplicates", "params": {"columns": ["text"]}, "is_enabled": False},
        {"kind": "filter", "params": {"condition": "n < 5"}},
    ]
    run = make_run(sentences(9), steps)
    assert work(run).rows == 5
    assert [row[1] for row in told(run)] == ["skipped", "done", "done"]


def test_job_that_needs_more_memory_than_it_may_says_at_which_step(settings):
    settings.PREPROCESSING_MEMORY_BYTES = 1 << 20
    run = make_run()
    assert work(run).state == State.WRITING
    assert run.job.state == Job.State.FAILED
    assert "1.0\u00a0MB" in run.job.error
    assert run.job.attempts == 1


def test_job_that_failed_gives_its_version_up_and_takes_it_up_again_when_tried_again(settings):
    settings.PREPROCESSING_MEMORY_BYTES = 1 << 20
    run = make_run()
    work(run)
    assert run.job.state == Job.State.FAILED, (run.job.state, run.job.error)
    assert give_up_versions() == 1
    assert give_up_versions() == 0
    assert DatasetVersion.objects.get(pk=run.version_id).state == State.FAILED
    settings.PREPROCESSING_MEMORY_BYTES = 4 << 30
    retry_preprocessing(preprocessing=run, actor=make_owner())
    assert work(run).state == State.SEALED
    with pytest.raises(Conflict):
        retry_preprocessing(preprocessing=run, actor=make_owner())


def test_job_that_waits_when_cancelled_gives_its_version_up():
    run = make_run()
    cancel_preprocessing(preprocessing=run, actor=make_owner(), reason="wrong one")
    assert DatasetVersion.objects.get(pk=run.version_id).state == State.FAILED
    assert run.job.state == Job.State.CANCELLED
    with pytest.raises(Conflict):
        cancel_preprocessing(preprocessing=run, actor=make_owner())


def test_job_when_cancelled_while_it_runs_seals_nothing():
    run = make_run()
    attempt = claim(run.job.pk)
    cancel_preprocessing(preprocessing=run, actor=make_owner())
    outcome = attempt_work(JobRun(attempt))
    assert outcome.ending == Job.State.CANCELLED
    attempt.settle(outcome)
    assert give_up_versions() == 1


def test_attempt_that_was_taken_over_seals_nothing():
    run = make_run()
    old, job = claim(run.job.pk), run.job
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED, due_at=None)
    new = claim(job.pk)
    assert attempt_work(JobRun(old)).ending == "lost"
    assert attempt_work(JobRun(new)).ending == "done"
    assert DatasetVersion.objects.get(pk=run.version_id).state == State.SEALED


def test_step_that_meets_rows_it_cannot_work_on_names_itself():
    steps = [
        {"kind": "white_space", "params": {"columns": ["text"]}},
        {"kind": "cast", "params": {"columns": ["text"], "to": "integer", "misfit": "fail"}},
    ]
    run = make_run(sentences(5), steps)
    work(run)
    assert run.job.state == Job.State.FAILED
    assert "2" in run.job.error
    assert told(run)[1][1] == PreprocessingStep.State.FAILED


def test_job_that_has_ended_well_tells_who_wants_to_know():
    make_webhook("https://example.com/hook", events=["preprocessing.finished"])
    run = make_run()
    work(run)
    assert Delivery.objects.filter(event="preprocessing.finished").count() == 1


def test_recipe_on_ray_without_a_cluster_is_refused(settings):
    settings.RAY_ADDRESS = ""
    with pytest.raises(Invalid, match="RAY_ADDRESS"):
        make_run(engine="ray")
    assert not PreprocessingJob.objects.exists()


def test_version_that_a_job_makes_has_one_job_at_a_time():
    version = begin_version(dataset=dataset_named(name="d", actor=None), actor=None)
    facts = {"kind": "recipe", "version": version, "actor": None, "steps": [], "job_kind": "datasets.run_recipe"}
    first = begin_preprocessing(**facts)
    assert first.job.active_key == f"datasets.version.{version.pk}"


def test_other_version_that_is_not_sealed_is_not_found():
    frame = sentences(5)
    open_version = begin_version(dataset=dataset_named(name="open", actor=None), actor=None)
    steps = [{"kind": "near_duplicates", "params": {"column": "text", "against": str(open_version.pk)}}]
    run = make_run(frame, steps)
    work(run)
    assert run.job.state == Job.State.FAILED
    make_version(frame)


def test_work_folders_of_jobs_that_ended_long_ago_are_deleted(settings):
    settings.PREPROCESSING_MEMORY_BYTES = 1 << 20
    failed, waiting = make_run(name="a"), make_run(name="b")
    work(failed)
    for run in (failed, waiting):
        work_folder(run).mkdir(parents=True, exist_ok=True)
    assert tidy_work() == 0
    old = (timezone.now() - 2 * KEPT).timestamp()
    for run in (failed, waiting):
        os.utime(work_folder(run), (old, old))
    Job.objects.filter(pk=failed.job_id).update(finished_at=timezone.now() - 2 * KEPT)
    assert tidy_work() == 1
    assert work_folder(waiting).exists()


def test_plan_when_the_time_zone_is_another_then_work_begins_anew(settings):
    run = make_run()
    attempt = _Attempt(JobRun(claim(run.job.pk)), run)
    before = attempt._plan()
    settings.TIME_ZONE = "UTC"
    assert attempt._plan() != before
