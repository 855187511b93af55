"""Jobs in one process: queue, attempt, reaper, and what the doors show."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from audit.models import AuditEvent
from common.errors import Conflict
from common.ids import floor_of, uuid7
from datasets.models import PreprocessingJob
from datasets.services import begin_version, dataset_named
from jobs import reaper, services
from jobs.cluster import orphans
from jobs.models import Job, JobLog, Schedule
from jobs.runner import (
    MOST_LINES,
    CancelledError,
    ClaimLostError,
    JobRun,
    Outcome,
    claim,
    claim_next,
    run_job,
    worker_name,
)
from tests.jobs.work import tasks as work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _work() -> None:
    assert work.count


def make_user(name: str, *codenames: str) -> Any:
    user = get_user_model().objects.create_user(username=name, password="a-long-password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="jobs", codename__in=codenames))
    return user


def make_job(folder: Path, kind: str = "work.count", **payload: Any) -> Job:
    return services.enqueue(kind=kind, payload={"file": str(folder / "notes"), **payload})


def make_run(folder: Path, **fields: Any) -> JobRun:
    """Give the run of a job that has just been claimed."""
    attempt = claim(make_job(folder).pk)
    assert attempt
    if fields:
        Job.objects.filter(pk=attempt.job.pk).update(**fields)
    return JobRun(attempt)


def again(job: Job) -> Job:
    job.refresh_from_db()
    return job


def test_enqueue_when_transaction_is_rolled_back_then_neither_job_nor_bell(tmp_path: Path) -> None:
    with transaction.atomic():
        make_job(tmp_path)
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert not OrmQ.objects.exists()


def test_run_job_when_it_waits_then_is_done_and_a_second_bell_finds_nothing(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    run_job(str(job.pk))
    run_job(str(job.pk))
    again(job)
    assert (job.state, job.attempts, job.progress, job.lease_until, job.claim) == ("succeeded", 1, 100, None, None)
    assert job.worker == worker_name(pid=int(job.worker.rpartition(":")[2]))


def test_run_job_when_the_service_refuses_then_its_sentence_is_the_error(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.refuse")
    run_job(str(job.pk))
    assert (again(job).state, job.error, job.attempts) == ("failed", "the file is no model", 1)
    assert [line.message for line in job.logs.all()] == ["file: is empty"]


def test_run_job_when_the_code_is_wrong_then_short_error_and_traceback_in_the_log(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.crash")
    run_job(str(job.pk))
    assert (again(job).state, job.error) == ("failed", "ZeroDivisionError: by nought")
    assert "Traceback" in job.logs.get().message


def test_run_job_when_kind_is_unknown_then_it_fails(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.nothing")
    run_job(str(job.pk))
    assert again(job).state == "failed"
    assert "work.nothing" in job.error


def test_run_job_when_something_is_away_then_it_waits_and_goes_on_later(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.lack")
    run_job(str(job.pk))
    assert (again(job).state, job.attempts, job.error) == ("queued", 1, "the model host does not answer")
    assert job.lease_until
    assert job.lease_until > timezone.now() + timedelta(seconds=1)
    assert claim_next() is None  # it waits for its time
    Job.objects.update(due_at=timezone.now())
    (tmp_path / "notes.ready").touch()
    run_job(str(job.pk))
    assert (again(job).state, job.attempts, job.error) == ("succeeded", 2, "")


def test_run_job_when_attempts_are_used_up_then_it_fails(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.lack")
    for _ in range(4):
        Job.objects.update(due_at=None)
        run_job(str(job.pk))
    assert (again(job).state, job.attempts) == ("failed", 3)


def test_report_when_cancelled_then_stops_and_job_ends_cancelled(tmp_path: Path) -> None:
    run = make_run(tmp_path, cancel_requested_at=timezone.now())
    with pytest.raises(CancelledError):
        run.report(10, "first")


def test_report_when_another_attempt_took_over_then_stops_and_writes_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, lease_until=timezone.now() - timedelta(seconds=1))
    reaper.reap()
    with pytest.raises(ClaimLostError):
        run.report(50, "half")
    with pytest.raises(ClaimLostError), run.succeed():
        JobLog.objects.create(job=run.job, message="an effect")
    run.attempt.settle(Outcome(Job.State.SUCCEEDED))
    assert not JobLog.objects.filter(message="an effect").exists()
    assert (again(run.job).state, run.job.progress) == ("queued", 0)


def test_reap_when_last_attempt_has_died_then_job_is_given_up(tmp_path: Path) -> None:
    run = make_run(tmp_path, lease_until=timezone.now() - timedelta(seconds=1), attempts=3)
    reaper.reap()
    assert again(run.job).state == "dead"
    assert run.job.error
    assert JobLog.objects.filter(job=run.job, level="warning").exists()


def test_reap_when_attempt_to_be_cancelled_has_died_then_job_is_cancelled(tmp_path: Path) -> None:
    now = timezone.now()
    run = make_run(tmp_path, lease_until=now - timedelta(seconds=1), cancel_requested_at=now)
    reaper.reap()
    assert again(run.job).state == "cancelled"


def test_reap_when_lease_runs_then_job_is_left_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    reaper.reap()
    assert again(run.job).state == "running"


def test_reap_when_bell_was_lost_then_rings_once_and_not_while_bells_wait(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    OrmQ.objects.all().delete()
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    reaper.reap()
    reaper.reap()
    assert OrmQ.objects.count() == 1
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    reaper.reap()
    assert OrmQ.objects.count() == 1
    assert again(job).state == "queued"


def test_give_back_when_cluster_was_stopped_then_attempt_does_not_count(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    cluster = run.job.worker.rpartition(":")[0] + ":"
    assert reaper.give_back("elsewhere:1:") == 0
    assert reaper.give_back(cluster) == 1
    assert (again(run.job).state, run.job.attempts) == ("queued", 0)


def test_orphans_when_guard_lives_then_none_else_its_workers(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert orphans() == []
    dead = worker_name(7, guard_pid=2**22)
    Job.objects.filter(pk=run.job.pk).update(worker=dead)
    assert orphans() == [dead]


def test_claim_when_several_wait_then_priority_then_age(tmp_path: Path) -> None:
    first, second = make_job(tmp_path), make_job(tmp_path)
    urgent = services.enqueue(kind="work.count", payload={}, priority=5)
    later = services.enqueue(kind="work.count", payload={}, priority=9)
    Job.objects.filter(pk=later.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    taken = [claim_next() for _ in range(4)]
    assert [attempt and attempt.job.pk for attempt in taken] == [urgent.pk, first.pk, second.pk, None]


def test_enqueue_when_key_is_unfinished_then_gives_that_job_and_else_a_new_one() -> None:
    first = services.enqueue(kind="work.refuse", payload={}, key="one")
    assert services.enqueue(kind="work.refuse", payload={}, key="one") == first
    assert OrmQ.objects.count() == 1
    run_job(str(first.pk))
    second = services.enqueue(kind="work.refuse", payload={}, key="one")
    assert second != first
    with pytest.raises(Conflict):
        services.retry(job=first, actor=make_user("minji"))
    services.cancel(job=second, actor=make_user("jisu"))
    services.retry(job=first, actor=make_user("hana"))
    assert again(first).active_key == "one"


@pytest.mark.parametrize("times", [1, 3])
def test_enqueue_when_the_job_in_its_way_ends_before_it_is_read_then_inserted_again(times: int) -> None:
    services.enqueue(kind="work.refuse", payload={}, key="one")
    hidden = []

    def end_it(execute: Any, sql: str, *rest: Any) -> Any:
        """Let the key be free while it is looked for, and taken again for the next insert, so many times."""
        is_look = sql.startswith("SELECT") and sql.count("active_key") > 1 and "LIMIT 1" in sql
        if not is_look or len(hidden) == times:
            return execute(sql, *rest)
        hidden.append(sql)
        Job.objects.update(active_key=None)
        found = execute(sql, *rest)
        if len(hidden) < times:
            Job.objects.update(active_key="one")
        return found

    with connection.execute_wrapper(end_it):
        if times == 1:
            assert services.enqueue(kind="work.refuse", payload={}, key="one").active_key == "one"
        else:
            with pytest.raises(Conflict):
                services.enqueue(kind="work.refuse", payload={}, key="one")
    assert (Job.objects.count(), OrmQ.objects.count()) == ((2, 2) if times == 1 else (1, 1))


def test_succeed_when_handler_uses_it_then_effect_and_state_are_one_commit(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.effect")
    run_job(str(job.pk))
    assert (again(job).state, job.progress, job.result) == ("succeeded", 100, {"written": 1})
    assert job.logs.filter(message="effect").count() == 1


def test_log_when_a_job_writes_without_end_then_is_cut_and_the_error_is_kept(tmp_path: Path) -> None:
    job = make_job(tmp_path, "work.chatter")
    run_job(str(job.pk))
    lines = list(again(job).logs.values_list("level", "message"))
    assert len(lines) == MOST_LINES + 1
    assert lines[-2][0] == "warning"
    assert "Traceback" in lines[-1][1]


def test_forget_old_when_work_ended_long_ago_then_gone_with_its_log(settings: Any) -> None:
    settings.JOBS_KEEP_DAYS = 30
    long_ago, now = timezone.now() - timedelta(days=31), timezone.now()
    schedule = Schedule.objects.create(name="each minute", kind="files.thumbnail", every_s=60)
    kept = {"kind": "files.thumbnail", "state": "succeeded", "finished_at": long_ago}
    made = {
        "old": kept,
        "failed": {**kept, "state": "failed"},
        "young": {**kept, "finished_at": now},
        "unfinished": {**kept, "state": "running", "finished_at": None},
        "scheduled": {**kept, "schedule": schedule},
        "begun by people": {**kept, "kind": "work.count"},
        "a letter": {**kept, "kind": "accounts.send_password_link"},
        "of older code": {**kept, "kind": "gone"},
        "pointed at": {**kept, "kind": "datasets.import"},
        "shown": {**kept, "kind": "datasets.profile"},
        "shown, too": {**kept, "kind": "inference.check_version"},
    }
    for name, fields in made.items():
        job = Job.objects.create(id=uuid7_at(long_ago), target_label=name, **fields)
        JobLog.objects.create(job=job, message=name)
    version = begin_version(dataset=dataset_named(name="rows", actor=None), actor=None)
    PreprocessingJob.objects.create(job=Job.objects.get(target_label="pointed at"), version=version, kind="import")
    assert services.forget_old() == 5
    left = {"young", "unfinished", "scheduled", "pointed at", "shown", "shown, too"}
    assert set(Job.objects.values_list("target_label", flat=True)) == left
    assert set(JobLog.objects.values_list("message", flat=True)) == left
    settings.JOBS_KEEP_DAYS = 0
    Job.objects.filter(schedule=None).update(state="succeeded", finished_at=long_ago)
    assert services.forget_old() == 0


def uuid7_at(moment: datetime) -> UUID:
    """Give a key as a job got it that was made at that time."""
    return UUID(int=floor_of(moment).int | uuid7().int & (1 << 62) - 1)


def test_cancel_when_waiting_then_ends_at_once_and_is_audited(tmp_path: Path) -> None:
    user, job = make_user("minji"), make_job(tmp_path)
    services.cancel(job=job, actor=user, reason="by mistake")
    run_job(str(job.pk))
    assert (again(job).state, job.attempts) == ("cancelled", 0)
    event = AuditEvent.objects.get(action="jobs.cancelled")
    assert (event.reason, event.before, event.after) == ("by mistake", {"state": "queued"}, {"state": "cancelled"})
    with pytest.raises(Conflict):
        services.cancel(job=job, actor=user)


def test_retry_when_failed_then_waits_with_all_attempts_and_else_is_refused(tmp_path: Path) -> None:
    user, job = make_user("minji"), make_job(tmp_path, "work.crash")
    with pytest.raises(Conflict):
        services.retry(job=job, actor=user)
    run_job(str(job.pk))
    services.retry(job=job, actor=user, reason="mended")
    assert (again(job).state, job.attempts, job.error) == ("queued", 0, "")
    run_job(str(job.pk))
    assert again(job).state == "failed"


def test_admin_when_jobs_grow_then_queries_do_not(
    tmp_path: Path, client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(make_user("minji", "view_job"))
    for _ in range(30):
        make_job(tmp_path)
    client.get("/admin/jobs/job/")
    with django_assert_max_num_queries(9):
        page = client.get("/admin/jobs/job/")
    assert page.status_code == 200
    assert "Count" in page.content.decode()


def test_live_when_job_goes_on_then_asks_again_and_done_when_it_has_ended(tmp_path: Path, client: Client) -> None:
    client.force_login(make_user("minji", "view_job"))
    job = make_job(tmp_path)
    live = f"/admin/jobs/job/{job.pk}/live/"
    assert f'data-live="{live}"' in client.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
    assert "X-Live-Done" not in client.get(live).headers
    run_job(str(job.pk))
    assert client.get(live).headers["X-Live-Done"] == "1"
    assert "data-live" not in client.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()


def test_page_when_a_job_has_a_result_then_its_keys_are_words_and_unknown_ones_stay(client: Client) -> None:
    result = {"version": "문장 v1", "rows": 7, "is_reused": True, "dropped": {"no_input": 2}, "own_key": 1}
    job = Job.objects.create(kind="work.count", state="succeeded", result=result)
    client.force_login(make_user("minji", "view_job"))
    page = client.get(f"/admin/jobs/job/{job.pk}/change/", headers={"accept-language": "ko"}).content.decode()
    assert [
        word for word in ("버전", "행", "이미 있던 것", "입력 없음", "own_key") if f"<span>{word}</span>" not in page
    ] == []
    assert "is_reused" not in page


def test_live_when_reader_may_not_see_jobs_then_refused(tmp_path: Path, client: Client) -> None:
    client.force_login(make_user("minji"))
    assert client.get(f"/admin/jobs/job/{make_job(tmp_path).pk}/live/").status_code == 403


def test_admin_verbs_when_reader_may_only_look_then_not_offered_and_refused(tmp_path: Path, client: Client) -> None:
    client.force_login(make_user("minji", "view_job"))
    url = f"/admin/jobs/job/{make_job(tmp_path).pk}"
    assert "do/cancel" not in client.get(f"{url}/change/").content.decode()
    assert client.post(f"{url}/do/cancel/", {"reason": "no"}).status_code == 403


def test_admin_cancel_when_allowed_then_done_with_reason(tmp_path: Path, client: Client) -> None:
    client.force_login(make_user("minji", "view_job", "cancel_job"))
    job = make_job(tmp_path)
    client.post(f"/admin/jobs/job/{job.pk}/do/cancel/", {"reason": "no longer needed"})
    assert again(job).state == "cancelled"
    assert AuditEvent.objects.get(action="jobs.cancelled").reason == "no longer needed"


def test_admin_when_kind_has_words_then_titles_and_breadcrumbs_say_them(tmp_path: Path, client: Client) -> None:
    client.force_login(make_user("minji", "view_job", "cancel_job"))
    url = f"/admin/jobs/job/{make_job(tmp_path).pk}"
    for page in (f"{url}/change/", f"{url}/do/cancel/"):
        text = client.get(page).content.decode()
        assert "Count" in text
        assert "work.count" not in text


def test_admin_list_when_work_is_background_then_left_out_until_asked_for(client: Client) -> None:
    client.force_login(make_user("minji", "view_job"))
    job = services.enqueue(kind="notify.deliver", payload={})
    Job.objects.update(state=Job.State.SUCCEEDED)  # waiting ones are shown above the list
    assert str(job.pk) not in client.get("/admin/jobs/job/").content.decode()
    assert str(job.pk) in client.get("/admin/jobs/job/?kind=all").content.decode()


def test_admin_schedules_when_due_and_nobody_begins_it_then_says_that_no_worker_runs(client: Client) -> None:
    client.force_login(make_user("minji", "view_schedule"))
    schedule = services.add_schedule(name="often", kind="work.recur", actor=None, every_s=600)
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(minutes=2))
    for page in ("", f"{schedule.pk}/change/"):
        assert "실행 중인 작업자가 없습니다" in client.get(f"/admin/jobs/schedule/{page}").content.decode()
