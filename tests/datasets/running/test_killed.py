"""A recipe and an import whose processes are killed at random moments make one version, of the same bytes.

`FLUEMAN_FAULTS=long` kills ten times.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import contextmanager, suppress

import pytest
from django.conf import settings
from django.utils import timezone

from datasets.models import DatasetVersion
from datasets.running.folders import work_folder
from datasets.services import begin_preprocessing, begin_version
from jobs.models import Job
from tests.datasets.making import make_owner
from tests.datasets.running.making import make_run, sentences
from tests.datasets.sources.importing import make_import
from tests.jobs.cluster import Cluster, children, wait_for, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
IS_LONG = os.environ.get("FLUEMAN_FAULTS") == "long"
KILLS = 10 if IS_LONG else 1
ROWS = 150_000 if IS_LONG else 40_000
STEPS = [
    {"kind": "normalise", "params": {"columns": ["text"], "form": "NFKC"}},
    {"kind": "near_duplicates", "params": {"column": "text", "threshold": 0.9}},
    {"kind": "shuffle", "params": {}},
]


def again(run):
    """Give another run of the same over the same rows."""
    old = run.version
    version = begin_version(dataset=old.dataset, actor=make_owner(), parent=old.parent, recipe=old.recipe)
    steps = list(run.steps.order_by("number").values_list("kind", "label"))
    job_kind = run.job.kind
    return begin_preprocessing(kind="recipe", version=version, actor=make_owner(), steps=steps, job_kind=job_kind)


def at_work(job):
    """Give the worker that has the job, and the process that does it; nothing while nobody does."""
    worker = int(job.worker.rpartition(":")[2]) if job.worker else 0
    return [worker, *children(worker)[:1]] if worker and children(worker) else []


def hurry(job):
    """Look at the job, and let an attempt that is put off begin: the pauses behind many are minutes."""
    now = timezone.now()
    Job.objects.filter(pk=job.pk, state=Job.State.QUEUED, due_at__gt=now).update(due_at=now, lease_until=now)
    job.refresh_from_db()


def kill_in_the_middle(cluster, job, choose, most_s):
    """Kill the process of the job, or its worker too, while pieces of its work are being made."""
    wait_until(lambda: cluster.revive() or hurry(job) or job.is_finished or at_work(job))
    time.sleep(choose.uniform(0.0, most_s))
    struck = at_work(job) if choose.random() < 0.3 else at_work(job)[1:]
    job.refresh_from_db()
    if job.is_finished:
        return False
    for pid in struck:
        with suppress(ProcessLookupError):  # workers of django-q2 are replaced now and then
            os.kill(pid, signal.SIGKILL)
    return bool(struck)


def kill_again_and_again(cluster, run, choose, most_s):
    """Strike as often as is wanted, each time in the first so many seconds of an attempt, then wait for the end."""
    Job.objects.filter(pk=run.job.pk).update(max_attempts=30)
    kills = 0
    for _number in range(KILLS * 3):
        kills += kill_in_the_middle(cluster, run.job, choose, most_s)
        if kills == KILLS:
            break
    wait_until(lambda: cluster.revive() or hurry(run.job) or run.job.is_finished, 300)
    assert run.job.state == Job.State.SUCCEEDED, run.job.error
    sys.stdout.write(f"{kills} kills, {run.job.attempts} attempts\n")
    assert run.job.attempts > 1, (kills, run.job.attempts)


def sealed_alike(first, second):
    """Say whether two runs have each made one version, of the same bytes."""
    made = [DatasetVersion.objects.get(pk=run.version_id) for run in (first, second)]
    assert [version.state for version in made] == ["sealed", "sealed"]
    return made[0].digest == made[1].digest


@contextmanager
def working(tmp_path):
    """Give a worker of this database, and chance."""
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    cluster = Cluster(tmp_path)
    cluster.start(FLUEMAN_HOME=str(settings.FLUEMAN_HOME), STORAGE_URL=settings.STORAGE_URL)
    try:
        yield cluster, random.Random(seed)
    finally:
        cluster.stop()


def seconds_of(job):
    """Wait for a job, and give how long it took."""
    assert wait_for(job).state == Job.State.SUCCEEDED, job.error
    return (job.finished_at - job.started_at).total_seconds()


def test_recipe_when_killed_again_and_again_gives_one_version_of_the_same_bytes(tmp_path):
    first = make_run(sentences(ROWS), STEPS, part_rows=ROWS // 12)
    with working(tmp_path) as (cluster, choose):
        took_s = seconds_of(first.job)
        second = again(first)
        # Soon, for what is finished is not made again: a late blow would meet a job that has ended.
        kill_again_and_again(cluster, second, choose, took_s / 3)
    assert sealed_alike(first, second)
    assert not work_folder(second).exists()
    told = [list(run.steps.values_list("state", "rows_in", "rows_out")) for run in (first, second)]
    assert told[0][:3] == told[1][:3]


def test_import_when_killed_again_and_again_gives_one_version_of_the_same_bytes(tmp_path):
    lines = [json.dumps({"text": f"문장 {n} " * 20, "n": n}, ensure_ascii=False) for n in range(ROWS)]
    lines[7 :: ROWS // 8] = ['{"text": '] * 8
    data = "\n".join(lines)
    first = make_import(data, "rows.jsonl")
    with working(tmp_path) as (cluster, choose):
        took_s = seconds_of(first.job)
        second = make_import(data, "rows.jsonl")
        kill_again_and_again(cluster, second, choose, took_s / 2 if IS_LONG else took_s / 4)
    assert sealed_alike(first, second)
    made = [DatasetVersion.objects.get(pk=run.version_id) for run in (first, second)]
    assert [(one.rows, one.rejected_rows) for one in made] == [(ROWS - 8, 8)] * 2
    assert made[0].rejects == made[1].rejects
