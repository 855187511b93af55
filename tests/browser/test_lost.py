"""Pages whose log-in has ended or whose server is away: they say so, lose nothing and go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from django.utils.crypto import get_random_string
from playwright.sync_api import Browser, Locator, Page, Route, expect

from accounts.models import User
from files.models import StoredFile, Upload
from inference.models import InferenceRequest
from jobs import services as jobs
from jobs.models import Job
from tests.accounts.making import make_user
from tests.browser.person import come_in
from tests.inference.serving import Serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_in_a_loop")]
LOGGED_OUT = "로그아웃되었습니다"


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def person() -> User:
    """Give somebody who may do all of this."""
    return make_user("administrator", username="손준")


@pytest.fixture
def page(live_server: Any, chromium: Browser, person: User) -> Iterator[Page]:
    """Give a page of somebody who has logged in."""
    page = chromium.new_page(base_url=live_server.url, locale="ko-KR")
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    come_in(page, live_server.url, person)
    yield page
    page.context.close()


@pytest.fixture
def job() -> Job:
    """Give a job that nobody begins."""
    return jobs.enqueue(kind="work.count", payload={"file": "/nowhere"})


def test_live_page_when_the_log_in_ends_says_so_and_goes_on_after_another(
    page: Page, live_server: Any, person: User, job: Job
) -> None:
    page.goto(f"/admin/jobs/job/{job.pk}/change/")
    page.context.clear_cookies()
    note = page.locator(".fm-stale")
    expect(note).to_contain_text(LOGGED_OUT)
    come_in(page, live_server.url, person)
    expect(note).to_have_count(0)


def test_live_page_when_the_server_is_away_says_that_it_may_be_old_until_it_is_back(page: Page, job: Job) -> None:
    page.goto(f"/admin/jobs/job/{job.pk}/change/")
    page.context.set_offline(True)
    note = page.locator(".fm-stale")
    expect(note).to_contain_text("지난 상태일 수 있습니다")
    page.context.set_offline(False)
    expect(note).to_have_count(0)


def test_live_page_when_what_it_shows_is_deleted_says_that_it_is_old(page: Page, job: Job) -> None:
    page.goto(f"/admin/jobs/job/{job.pk}/change/")
    job.delete()
    expect(page.locator(".fm-stale")).to_contain_text("지난 상태일 수 있습니다")


UPLOAD = "/admin/files/storedfile/upload/"


def upload_until_lost(page: Page, folder: Path) -> Locator:
    """Begin an upload whose bytes do not get through; give its line."""
    page.route("**/*", lambda route: route.abort() if route.request.method == "PATCH" else route.continue_())
    path = folder / "비밀.txt"
    path.write_text("0123456789" * 100)
    page.goto(UPLOAD)
    page.locator("#pick-files").set_input_files(path)
    row = page.locator(".fl-item")
    expect(row).to_contain_text("연결이 끊겼습니다")
    return row


def test_upload_when_cancelled_while_the_connection_is_lost_is_forgotten_once_it_is_back(
    page: Page, tmp_path: Path
) -> None:
    row = upload_until_lost(page, tmp_path)
    page.context.set_offline(True)
    row.get_by_role("button", name="취소").click()
    expect(row).to_have_count(0)
    page.unroute_all()
    with page.expect_response(lambda got: got.request.method == "DELETE"):
        page.context.set_offline(False)
    page.wait_for_timeout(2000)
    assert not StoredFile.objects.exists()
    assert not Upload.objects.filter(state=Upload.State.RECEIVING).exists()


def test_upload_when_paused_while_the_connection_is_lost_stays_so_until_told_to_go_on(
    page: Page, tmp_path: Path
) -> None:
    row = upload_until_lost(page, tmp_path)
    row.get_by_role("button", name="멈추기").click()
    page.unroute_all()
    page.wait_for_timeout(2500)
    expect(row).to_contain_text("멈춤")
    assert not StoredFile.objects.exists()
    row.get_by_role("button", name="이어서").click()
    expect(row).to_contain_text("모두 올렸습니다")


def test_upload_when_the_log_in_ends_says_so_and_goes_on_after_another(
    page: Page, live_server: Any, person: User, tmp_path: Path
) -> None:
    row = upload_until_lost(page, tmp_path)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.unroute_all()
    expect(row).to_contain_text(LOGGED_OUT)
    come_in(page, live_server.url, person)
    token = {"name": settings.CSRF_COOKIE_NAME, "value": get_random_string(32), "url": live_server.url}
    page.context.add_cookies([token])  # as a log-in gives a new one
    row.get_by_role("button", name="이어서").click()
    expect(row).to_contain_text("모두 올렸습니다")
    assert StoredFile.objects.count() == 1


def test_upload_when_begun_after_the_log_in_has_ended_says_so(page: Page, tmp_path: Path) -> None:
    page.goto(UPLOAD)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    path = tmp_path / "a.txt"
    path.write_text("a")
    page.locator("#pick-files").set_input_files(path)
    expect(page.locator(".fl-item")).to_contain_text(LOGGED_OUT)


def test_model_when_sent_after_the_log_in_has_ended_says_so(page: Page, tmp_path: Path) -> None:
    page.goto(reverse("admin:registry_registeredmodel_upload"))
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    page.locator("#pick-files").set_input_files(path)
    page.locator("#upload button.fm-primary").click()
    expect(page.locator("#upload-error")).to_contain_text(LOGGED_OUT)


def try_page(page: Page, served: Serving) -> Locator:
    """Open the page that tries a version, with numbers of one's own in it; give their box."""
    page.goto(reverse("admin:inference_deployment_try", args=[served.deployment.pk]))
    box = page.locator("#input_0")
    box.fill("1, 2, 3, 44")
    return box


def lose_answer(route: Route) -> None:
    """Let the server answer, and nobody hear of it."""
    if route.request.method == "POST":
        route.fetch()
        route.abort()
    else:
        route.continue_()


def test_try_when_the_answer_is_lost_says_so_calls_once_and_keeps_what_was_typed(page: Page, small: Serving) -> None:
    box = try_page(page, small)
    page.route("**/*", lose_answer)
    page.locator("[data-try] [type=submit]").click()
    expect(page.locator("#answer .fm-error")).to_contain_text("답을 받지 못했습니다")
    expect(box).to_have_value("1, 2, 3, 44")
    assert InferenceRequest.objects.count() == 1


def test_try_when_the_log_in_ends_says_so_and_answers_after_another(
    page: Page, live_server: Any, person: User, small: Serving
) -> None:
    box = try_page(page, small)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.locator("[data-try] [type=submit]").click()
    expect(page.locator("#answer .fm-error")).to_contain_text(LOGGED_OUT)
    expect(box).to_have_value("1, 2, 3, 44")
    come_in(page, live_server.url, person)
    page.locator("[data-try] [type=submit]").click()
    expect(page.locator("#answer")).to_contain_text("50")
