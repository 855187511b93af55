"""A recipe whose processes are killed at random moments makes one version, of the same bytes.

`FLUEMAN_FAULTS=long` kills ten times.
"""

import os
import random
import signal
import sys
import time
from contextlib import suppress

import pytest
from django.conf import settings
from django.utils import timezone

from datasets.models import DatasetVersion
from datasets.running.folders import work_folder
from datasets.services import begin_preprocessing, begin_version
from jobs.models import Job
from tests.datasets.making import make_owner
from tests.datasets.running.making import make_run, sentences
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


def test_recipe_when_killed_again_and_again_gives_one_version_of_the_same_bytes(tmp_path):
    seed = random.randrange(10**6)
    choose = random.Random(seed)
    sys.stdout.write(f"seed {seed}\n")
    first = make_run(sentences(ROWS), STEPS, part_rows=ROWS // 12)
    cluster = Cluster(tmp_path)
    cluster.start(FLUEMAN_HOME=str(settings.FLUEMAN_HOME), STORAGE_URL=settings.STORAGE_URL)
    try:
        wait_for(first.job, Job.State.SUCCEEDED)
        took_s = (first.job.finished_at - first.job.started_at).total_seconds()
        second = again(first)
        Job.objects.filter(pk=second.job.pk).update(max_attempts=30)
        kills = 0
        for _number in range(KILLS * 3):
            # Soon, for what is finished is not made again: a late blow would meet a job that has ended.
            kills += kill_in_the_middle(cluster, second.job, choose, took_s / 3)
            if kills == KILLS:
                break
        wait_until(lambda: cluster.revive() or hurry(second.job) or second.job.is_finished, 300)
        assert second.job.state == Job.State.SUCCEEDED, second.job.error
    finally:
        cluster.stop()
    made = [DatasetVersion.objects.get(pk=run.version_id) for run in (first, second)]
    assert [version.state for version in made] == ["sealed", "sealed"]
    assert made[0].digest == made[1].digest
    sys.stdout.write(f"{kills} kills, {second.job.attempts} attempts\n")
    assert second.job.attempts > 1, (kills, second.job.attempts)
    assert not work_folder(second).exists()
    told = [list(run.steps.values_list("state", "rows_in", "rows_out")) for run in (first, second)]
    assert told[0][:3] == told[1][:3]
