"""`manage.py run_jobs` under fire: processes are killed, jobs still reach one final state with one effect (I5)."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs import services
from jobs.models import Job
from jobs.roster import is_alive
from tests.jobs.cluster import Cluster, children, wait_for, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def make_job(kind: str, folder: Path, max_attempts: int | None = None, **payload: Any) -> Job:
    payload = {"file": str(folder / "notes"), **payload}
    return services.enqueue(kind=kind, payload=payload, max_attempts=max_attempts)


def family(job: Job) -> list[int]:
    """Give the process of a running job and those it has started."""
    own = children(int(job.worker.rpartition(":")[2]))
    return [*own, *(pid for parent in own for pid in children(parent))]


def notes(folder: Path) -> list[str]:
    path = folder / "notes"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def busy_worker(job: Job, folder: Path) -> int:
    wait_until(lambda: "begin" in notes(folder))
    job.refresh_from_db()
    return int(job.worker.rpartition(":")[2])


def test_cluster_when_job_is_enqueued_then_it_is_done_once(cluster: Cluster, tmp_path: Path) -> None:
    job = make_job("work.count", tmp_path, seconds=0.5)
    cluster.start()
    wait_for(job, Job.State.SUCCEEDED)
    assert (job.attempts, job.progress, job.result) == (1, 100, {"counted": 10})
    assert notes(tmp_path) == ["begin", "effect"]
    assert cluster.stop() == 0


def test_cluster_when_busy_worker_is_killed_then_another_attempt_has_the_one_effect(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.start()
    job = make_job("work.count", tmp_path, seconds=2)
    os.kill(busy_worker(job, tmp_path), signal.SIGKILL)
    wait_for(job, Job.State.SUCCEEDED, timeout_s=20)
    assert job.attempts == 2
    assert notes(tmp_path) == ["begin", "begin", "effect"]


@pytest.mark.parametrize("kind", ["work.poison", "work.murder"])
def test_cluster_when_job_kills_its_process_each_time_then_it_is_given_up_and_others_go_on(
    cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    cluster.start()
    job, after = make_job(kind, tmp_path, max_attempts=2), make_job("work.effect", tmp_path)
    wait_for(job, Job.State.DEAD)
    assert job.attempts == 2
    assert job.error
    assert notes(tmp_path) == ["begin", "begin"]
    wait_for(after, Job.State.SUCCEEDED)


def test_cluster_when_main_is_killed_then_nothing_lives_on_and_a_new_one_finishes_the_job(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.start()
    job = make_job("work.count", tmp_path, seconds=2)
    busy_worker(job, tmp_path)
    processes = [cluster.sentinel(), *cluster.workers(), *family(job)]
    assert cluster.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not any(is_alive(pid) for pid in processes), 2)
    cluster.start()
    wait_for(job, Job.State.SUCCEEDED, timeout_s=10)  # sooner than a lease lasts
    assert job.attempts == 2
    assert notes(tmp_path) == ["begin", "begin", "effect"]


@pytest.mark.parametrize("victim", ["worker", "sentinel"])
def test_cluster_when_an_idle_part_is_killed_then_it_ends_for_the_supervisor(cluster: Cluster, victim: str) -> None:
    cluster.start()
    os.kill(cluster.workers()[0] if victim == "worker" else cluster.sentinel(), signal.SIGKILL)
    assert cluster.process
    assert cluster.process.wait(10) == 1


def test_cluster_when_it_falls_silent_then_it_ends_for_the_supervisor(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start()
    for pid in cluster.workers():
        os.kill(pid, signal.SIGSTOP)
    make_job("work.count", tmp_path)
    assert cluster.process
    assert cluster.process.wait(45) == 1


@pytest.mark.parametrize("is_group", [False, True])
def test_cluster_when_stopped_then_short_jobs_end_and_long_ones_are_given_back(
    cluster: Cluster, tmp_path: Path, is_group: bool
) -> None:
    cluster.start()
    short, deaf = make_job("work.count", tmp_path, seconds=2), make_job("work.deaf", tmp_path)
    wait_for(short, Job.State.RUNNING)
    wait_for(deaf, Job.State.RUNNING)
    processes = [*cluster.workers(), *family(short), *family(deaf)]
    begun = time.monotonic()
    assert cluster.stop(is_group=is_group) == 0
    assert time.monotonic() - begun < 10
    wait_until(lambda: not any(is_alive(pid) for pid in processes), 1)
    assert wait_for(short).state == Job.State.SUCCEEDED
    deaf.refresh_from_db()
    assert (deaf.state, deaf.attempts) == (Job.State.QUEUED, 0)


@pytest.mark.parametrize("kind", ["work.deaf", "work.spin", "work.family"])
def test_cluster_when_a_job_that_hears_nothing_is_cancelled_then_it_ends_within_two_seconds(
    cluster: Cluster, tmp_path: Path, admin_user: Any, kind: str
) -> None:
    cluster.start()
    job = make_job(kind, tmp_path)
    wait_for(job, Job.State.RUNNING)
    wait_until(lambda: family(job))
    processes = family(job)
    services.cancel(job=job, actor=admin_user, reason="takes too long")
    wait_for(job, Job.State.CANCELLED)
    assert job.finished_at - job.cancel_requested_at < timedelta(seconds=4)  # two, and what a busy machine adds
    wait_until(lambda: not any(is_alive(pid) for pid in processes), 2)
    wait_for(make_job("work.effect", tmp_path), Job.State.SUCCEEDED)


@pytest.mark.parametrize("kind", ["work.hurry", "work.eat"])
def test_cluster_when_a_job_takes_more_than_its_kind_may_then_it_fails_and_others_go_on(
    cluster: Cluster, tmp_path: Path, kind: str
) -> None:
    cluster.start()
    job = make_job(kind, tmp_path)
    wait_for(job, Job.State.FAILED)
    assert job.attempts == 1
    assert {"work.hurry": "1", "work.eat": "300"}[kind] in job.error
    wait_for(make_job("work.effect", tmp_path), Job.State.SUCCEEDED)


def test_cluster_when_job_goes_on_then_steps_are_written_once_a_second_at_most(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.start()
    job = make_job("work.effect", tmp_path, steps=25)
    wait_for(job, Job.State.SUCCEEDED)
    logged = job.logs.filter(level="step").values_list("message", flat=True)
    wait_until(lambda: logged.count() == 25, 30)  # the worker writes the last ones beside the success
    steps = list(logged.all())
    assert steps == [f"step {number}" for number in range(25)]
    assert job.logs.filter(message="effect").count() == 1


def test_cluster_when_many_jobs_wait_and_workers_die_then_each_has_one_effect(cluster: Cluster, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(30)]
    jobs = []
    for folder in folders:
        folder.mkdir()
        jobs.append(make_job("work.count", folder, seconds=0.3))
    cluster.start()
    for _ in range(4):
        time.sleep(1)
        running = Job.objects.filter(state=Job.State.RUNNING).first()
        if running:
            pid = int(running.worker.rpartition(":")[2])
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        if cluster.process and cluster.process.poll() is not None:  # it was idle by then; the supervisor's part
            cluster.start()

    def is_over() -> bool:
        if cluster.process and cluster.process.poll() is not None:
            cluster.start()
        return not Job.objects.unfinished().filter(kind="work.count").exists()

    wait_until(is_over)
    assert [job.state for job in Job.objects.filter(kind="work.count")] == [Job.State.SUCCEEDED] * 30
    assert [notes(folder).count("effect") for folder in folders] == [1] * 30
