"""A worker that sleeps past its lease, a queue that forgets or is away, a database that is locked: no job lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import services
from jobs.models import Job
from tests.faults.jobs.brokers import Broker
from tests.faults.jobs.storm import Storm
from tests.jobs.cluster import Cluster, children, wait_for, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def effects(job: Job) -> int:
    return job.logs.filter(message="effect").count()


def test_lease_when_worker_sleeps_past_it_then_the_next_attempt_has_the_only_effect(cluster: Cluster) -> None:
    job = services.enqueue(kind="work.effect", payload={"steps": 20})
    cluster.start()
    wait_for(job, Job.State.RUNNING)
    worker = int(job.worker.rpartition(":")[2])
    wait_until(lambda: children(worker))
    sleeping = [worker, *children(worker)]
    for pid in sleeping:
        os.kill(pid, signal.SIGSTOP)
    first = job.claim
    wait_until(lambda: Job.objects.get(pk=job.pk).claim not in (first, None))
    wait_for(job, Job.State.SUCCEEDED)
    assert (job.attempts, effects(job)) == (2, 1)
    for pid in sleeping:  # it goes on as if nothing had happened
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not children(worker))
    job.refresh_from_db()
    assert (job.state, job.attempts, effects(job)) == (Job.State.SUCCEEDED, 2, 1)


@pytest.mark.parametrize("kind", ["redis", "sqs"])
def test_queue_when_it_is_gone_for_a_while_with_all_it_held_then_no_job_is_lost(kind: str, tmp_path: Path) -> None:
    broker = Broker(kind, tmp_path)
    broker.start()
    storm = Storm(broker, tmp_path, 40, pauses_s=(3600, 3600))
    try:
        storm.say("jobs", 40)
        storm.begin()
        wait_until(lambda: Job.objects.filter(state=Job.State.SUCCEEDED).exists())
        broker.kill()
        time.sleep(3)
        broker.start()
        account = storm.run_out(limit_s=180)
    finally:
        storm.end()
        broker.kill()
    assert account.ended == {"succeeded": 40}
    assert (account.without_effect, account.doubled) == (0, 0)


@pytest.mark.parametrize(("kind", "how"), [("redis", "gone"), ("redis", "silent"), ("sqs", "gone"), ("sqs", "silent")])
def test_queue_when_away_from_start_to_stop_then_jobs_are_done_and_nobody_waits_long(
    kind: str, how: str, tmp_path: Path
) -> None:
    broker = Broker(kind, tmp_path)
    storm = Storm(broker, tmp_path, 8, pauses_s=(3600, 3600))
    with broker.away(is_silent=how == "silent"):
        storm.say("jobs", 8)
        storm.begin()
        try:
            account = storm.run_out(limit_s=60)
            begun = time.monotonic()
            assert storm.cluster.stop() == 0
            assert time.monotonic() - begun < 20  # measured: 1 to 7 s
        finally:
            storm.end()
    assert account.ended == {"succeeded": 8}
    assert (account.without_effect, account.doubled) == (0, 0)


def test_database_when_locked_for_longer_than_anybody_waits_then_jobs_end_well(cluster: Cluster) -> None:
    jobs = [services.enqueue(kind="work.effect", payload={"steps": 30}) for _ in range(4)]
    cluster.start()
    wait_for(jobs[0], Job.State.RUNNING)
    with transaction.atomic():  # on SQLite it holds the only write lock, elsewhere those of all rows of jobs
        Job.objects.update(heartbeat_at=timezone.now())
        time.sleep(24)  # the lease is 15 s; SQLite waits 20 s for a lock
    for job in jobs:
        wait_for(job, Job.State.SUCCEEDED)
        assert effects(job) == 1
