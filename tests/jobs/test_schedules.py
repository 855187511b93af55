"""Schedules: when they fire, that they fire once, and what may be done to them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from jobs import services, timing
from jobs.models import Job, Schedule
from jobs.runner import run_job
from tests.accounts.making import make_client, post
from tests.jobs.work import tasks as work

pytestmark = pytest.mark.django_db
SEOUL = "Asia/Seoul"


@pytest.fixture(autouse=True)
def _work() -> None:
    assert work.recur


def make_user(name: str = "minji") -> Any:
    return get_user_model().objects.create_user(username=name, password=None)


def make_schedule(**fields: Any) -> Schedule:
    times = {"every_s": 60} if "cron" not in fields else {}
    actor = {} if "actor" in fields else {"actor": make_user()}
    return services.add_schedule(**{"name": "mine", "kind": "work.recur", **actor, **times, **fields})


def let_fire(schedule: Schedule, **fields: Any) -> int:
    Schedule.objects.filter(pk=schedule.pk).update(**fields)
    return services.fire_due()


def at(hours: int, minutes: int = 0, day: int = 21) -> datetime:
    return datetime(2026, 11, day, hours, minutes, tzinfo=UTC)


def test_following_when_cron_then_read_in_its_time_zone() -> None:
    assert timing.following(cron="0 3 * * *", every_s=None, time_zone=SEOUL, after=at(6)) == at(18)
    assert timing.following(cron="0 3 * * *", every_s=None, time_zone="UTC", after=at(6)) == at(3, day=22)
    assert timing.following(cron="", every_s=90, time_zone=SEOUL, after=at(6)) == at(6) + timedelta(seconds=90)


def test_following_when_summer_time_begins_and_ends_then_once_a_day() -> None:
    moment, found = datetime(2026, 3, 7, 12, tzinfo=UTC), []
    for _ in range(3):
        moment = timing.following(cron="30 2 * * *", every_s=None, time_zone="America/New_York", after=moment)
        found.append(moment.astimezone(UTC))
    assert [one.day for one in found] == [8, 9, 10]
    moment = datetime(2026, 10, 31, 12, tzinfo=UTC)
    days = []
    for _ in range(3):
        moment = timing.following(cron="30 1 * * *", every_s=None, time_zone="America/New_York", after=moment)
        days.append(moment.astimezone(UTC).day)
    assert days == [1, 2, 3]


@pytest.mark.parametrize(
    ("cron", "every_s", "korean"),
    [
        ("", 300, "5분마다"),
        ("*/10 * * * *", None, "10분마다"),
        ("0 3 * * *", None, "매일 03:00"),
        ("15 9 * * 1", None, "매주 월요일 09:15"),
        ("0 0 * * 0", None, "매주 일요일 00:00"),
        ("0 18 * * 1-5", None, "월~금요일 18:00"),
        ("5 * * * *", None, "매시 5분"),
        ("0 4 1 * *", None, "매월 1일 04:00"),
        ("0 4 1 1 *", None, "0 4 1 1 *"),
    ],
)
def test_in_words_when_korean_then_as_people_say_it(cron: str, every_s: int | None, korean: str) -> None:
    with translation.override("ko"):
        assert timing.in_words(cron, every_s) == korean


@pytest.mark.parametrize(
    "times",
    [
        {"cron": "61 3 * * *"},
        {"cron": "0 0 30 2 *"},
        {"cron": "* * * * * *"},
        {"cron": "@daily"},
        {"cron": "0 3 * * *", "every_s": 60},
        {"cron": "", "every_s": None},
        {"cron": "", "every_s": 10**9},
        {"cron": "0 3 * * *", "time_zone": "Moon/Sea"},
    ],
)
def test_add_when_times_are_none_then_refused(times: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        make_schedule(**times)


def test_add_when_the_kind_needs_more_than_a_time_then_refused() -> None:
    with pytest.raises(Invalid):
        make_schedule(kind="work.count")


def test_fire_when_due_then_one_job_and_the_next_time_lies_ahead() -> None:
    schedule = make_schedule()
    assert services.fire_due() == 0
    assert let_fire(schedule, next_run_at=timezone.now()) == 1
    assert services.fire_due() == 0
    job = Job.objects.get(schedule=schedule)
    assert (job.kind, job.state) == ("work.recur", "queued")
    schedule.refresh_from_db()
    assert schedule.next_run_at
    assert timedelta(seconds=50) < schedule.next_run_at - timezone.now() <= timedelta(seconds=60)


def test_fire_when_it_stood_still_for_days_then_one_run_and_none_made_up_for() -> None:
    schedule = make_schedule()
    assert let_fire(schedule, next_run_at=timezone.now() - timedelta(days=3)) == 1
    run_job(str(Job.objects.get(schedule=schedule).pk))
    assert services.fire_due() == 0
    assert Job.objects.filter(schedule=schedule).count() == 1


def test_fire_when_the_last_run_goes_on_then_no_second_one() -> None:
    schedule = make_schedule()
    for _ in range(2):
        assert let_fire(schedule, next_run_at=timezone.now()) == 1
    assert Job.objects.filter(schedule=schedule).count() == 1


def test_fire_when_the_clock_is_set_back_a_little_then_not_twice() -> None:
    schedule, now = make_schedule(cron="0 * * * *"), timezone.now()
    let_fire(schedule, next_run_at=now)
    run_job(str(Job.objects.get(schedule=schedule).pk))
    with mock.patch("django.utils.timezone.now", return_value=now - timedelta(minutes=20)):
        assert services.fire_due() == 0
    assert Job.objects.filter(schedule=schedule).count() == 1


def test_fire_when_the_clock_was_far_ahead_then_planned_anew() -> None:
    schedule, ahead = make_schedule(), timezone.now() + timedelta(days=400)
    assert let_fire(schedule, next_run_at=ahead, last_run_at=ahead) == 0
    schedule.refresh_from_db()
    assert schedule.next_run_at
    assert schedule.next_run_at < timezone.now() + timedelta(seconds=61)


def test_fire_when_one_schedule_cannot_be_fired_then_logged_and_the_others_fire(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, whole = (make_schedule(name=name, actor=None) for name in ("a broken one", "b"))
    Schedule.objects.filter(pk=broken.pk).update(time_zone="Moon/Sea", cron="0 3 * * *", every_s=None)
    assert let_fire(whole, next_run_at=timezone.now()) == 1
    assert "a broken one" in caplog.text


@pytest.mark.parametrize("next_run_at", [None, datetime(2026, 1, 1, tzinfo=UTC)])
@translation.override("en")
def test_fire_when_an_old_line_never_comes_then_logged_once_paused_and_not_resumed(
    caplog: pytest.LogCaptureFixture, next_run_at: datetime | None
) -> None:
    old = make_schedule()
    fields = {"cron": "0 0 30 2 *", "every_s": None, "next_run_at": next_run_at}
    assert let_fire(old, **fields) == services.fire_due() == 0
    assert caplog.text.count("could not be fired") == 1
    old.refresh_from_db()
    assert not old.is_enabled
    assert AuditEvent.objects.get(action="jobs.schedule_paused").reason.startswith("This time never comes")
    with pytest.raises(Invalid, match="never comes"):
        services.resume_schedule(schedule=old, actor=make_user("other"))


@translation.override("en")
def test_save_when_the_line_never_comes_then_refused_at_each_door(admin_client: Client) -> None:
    times = {"name": "never", "kind": "work.recur", "cron": "0 0 30 2 *", "time_zone": "Asia/Seoul"}
    page = admin_client.post(reverse("admin:jobs_schedule_add"), times, headers={"accept-language": "en"})
    rest = post(make_client(get_user_model().objects.get()), "schedules", times)
    assert (page.status_code, rest.status_code) == (200, 400)
    assert "This time never comes" in page.content.decode()
    assert rest.json()["error"]["code"] == "never_fires"
    assert not Schedule.objects.exists()


def test_fire_when_kind_is_unknown_to_this_code_then_left_alone() -> None:
    schedule = make_schedule()
    assert let_fire(schedule, next_run_at=timezone.now(), kind="work.gone") == 0


@pytest.mark.django_db(transaction=True)
def test_fire_when_many_clusters_look_at_once_then_one_run() -> None:
    schedule = make_schedule()
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=timezone.now())
    fired: list[int] = []
    together = threading.Barrier(6)

    def look() -> None:
        together.wait()
        fired.append(services.fire_due())
        connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fired) == 1
    assert Job.objects.filter(schedule=schedule).count() == 1


def test_built_in_when_written_again_then_edits_stay_and_none_is_deleted() -> None:
    services.write_built_in_schedules()
    own = Schedule.objects.get(kind="work.recur")
    user = make_user()
    services.update_schedule(schedule=own, actor=user, every_s=300, reason="less often")
    services.pause_schedule(schedule=own, actor=user, reason="quiet week")
    services.write_built_in_schedules()
    own = Schedule.objects.get(kind="work.recur")
    assert (own.every_s, own.is_enabled) == (300, False)
    with pytest.raises(Conflict):
        services.remove_schedule(schedule=own, actor=user)
    assert let_fire(own, next_run_at=timezone.now() - timedelta(hours=1)) == 0
    services.resume_schedule(schedule=own, actor=user)
    assert services.fire_due() == 0  # what was missed stays missed
    actions = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert actions == ["jobs.schedule_changed", "jobs.schedule_paused", "jobs.schedule_resumed"]


def test_run_now_when_last_run_is_unfinished_then_refused_and_else_a_job_of_that_person() -> None:
    schedule, user = make_schedule(), make_user("jisu")
    job = services.run_schedule(schedule=schedule, actor=user)
    assert job.created_by == user
    with pytest.raises(Conflict):
        services.run_schedule(schedule=schedule, actor=user)
    run_job(str(job.pk))
    assert services.run_schedule(schedule=schedule, actor=user) != job


def test_remove_when_made_by_people_then_gone_and_its_runs_stay() -> None:
    schedule, user = make_schedule(), make_user("jisu")
    job = services.run_schedule(schedule=schedule, actor=user)
    services.remove_schedule(schedule=schedule, actor=user, reason="no longer needed")
    job.refresh_from_db()
    assert (job.schedule, Schedule.objects.count()) == (None, 0)


def test_remove_when_done_on_its_page_then_the_list_is_shown(admin_client: Client) -> None:
    page = f"/admin/jobs/schedule/{make_schedule().pk}/do/remove/"
    answer = admin_client.post(page, {"reason": "no longer needed"}, follow=True)
    assert answer.redirect_chain == [("/admin/jobs/schedule/", 302)]
    assert [str(one.level_tag) for one in answer.context["messages"]] == ["success"]
    assert not Schedule.objects.exists()
