"""What Home says when something is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from inference.models import MetricWindow, RunnerState
from jobs.models import Job
from registry.services import request_approval
from tests.accounts.making import make_user
from tests.admin.making import log_in, make_deployment
from tests.inference.log_rows import close_windows, make_request
from tests.registry.governance.making import make_ready, protect


def home(role: str = "operator", language: str = "en") -> str:
    return log_in(role, language=language).get(reverse("admin:index")).content.decode()


def make_window(deployment: str, minutes_ago: int, **more: int) -> None:
    minute = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    fields = {"requests": 10, "rows": 10, "histogram": {"25": 10}} | more
    MetricWindow.objects.create(minute=minute, deployment=deployment, version=1, **fields)
    close_windows()


@pytest.mark.django_db
def test_home_when_all_is_well_says_how_many_requests_came() -> None:
    make_deployment("intent")
    make_window("intent", 5)
    make_window("intent", 70)
    html = home()
    assert "Everything is well: 20 requests in the last 24 hours" in html
    assert "1 of 1 deployments serve" in html
    assert "in the last hour p95 11 ms, errors 0\u00a0%" in html


@pytest.mark.django_db
def test_home_when_calls_were_just_made_counts_them_at_once() -> None:
    make_deployment("intent")
    make_window("intent", 70)
    for _ in range(3):
        make_request(age=timedelta(seconds=1))
    assert "Everything is well: 13 requests in the last 24 hours" in home()


@pytest.mark.django_db
def test_home_when_approvals_wait_for_the_reader_says_how_many_things_do() -> None:
    asker, version = make_user("operator"), make_ready(1)
    for alias in ("champion", "challenger"):
        protect(alias)
        request_approval(version=version, alias=alias, actor=asker)
    assert "2 things need you" in home()
    assert "need you" not in home("auditor")


@pytest.mark.django_db
def test_home_when_a_runner_failed_counts_it_as_something_to_do() -> None:
    make_deployment("intent")
    make_deployment("numbers")
    RunnerState.objects.filter(version__model__name="numbers").update(state=RunnerState.State.FAILED)
    html = home()
    assert "1 thing needs you" in html
    assert "1 of 2 deployments serve" in html


@pytest.mark.django_db
def test_home_when_the_model_host_is_silent_says_so() -> None:
    make_deployment("intent")
    RunnerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    html = home(language="ko")
    assert "모델 호스트 응답 없음" in html
    assert "확인할 일이 2가지 있습니다" in html


@pytest.mark.django_db
def test_home_when_a_deployment_is_out_of_service_does_not_call_it_trouble() -> None:
    deployment = make_deployment("intent")
    deployment.is_enabled = False
    deployment.save()
    html = home()
    assert "out of service" in html
    assert "Everything is well" in html


@pytest.mark.django_db
def test_home_when_jobs_wait_too_long_asks_for_the_worker() -> None:
    job = Job.objects.create(kind="inference.check_version")
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=3))
    assert "Jobs wait: is the worker running?" in home()


@pytest.mark.django_db
def test_home_when_many_requests_fail_says_the_share() -> None:
    make_deployment("intent")
    make_window("intent", 5, errors=3)
    assert "30\u00a0% of the requests of the last 24 hours failed" in home()
