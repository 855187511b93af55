"""What a person does in every test of the browser."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.house.installation import ROOT

PASSWORD = "long enough to be one"
PICTURES = ROOT / "test-results" / "browser"
MakePage = Callable[[int, int], Page]


def log_in(page: Page, name: str = "손준") -> None:
    """Log in, as the administrator unless told otherwise."""
    page.goto("/")
    page.get_by_label("사용자 이름").fill(name)
    page.get_by_label("비밀번호").fill(PASSWORD)
    page.get_by_role("button", name="로그인").click()
    expect(page).to_have_url("/admin/")


def come_in(page: Page, home: str, person: User) -> None:
    """Come in with the cookie of a log-in to the server of this process."""
    client = Client()
    client.force_login(person)
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": home}])


def keep_picture(page: Page, name: str) -> None:
    """Keep what the page looks like."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
