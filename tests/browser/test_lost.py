"""Pages whose log-in has ended or whose server is away: they say so, lose nothing and go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from jobs import services as jobs
from jobs.models import Job
from tests.accounts.making import make_user
from tests.browser.person import come_in

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
