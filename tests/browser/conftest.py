"""The installation, the browser, and pages that tell everything that went wrong in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser import browser_problem, chromium_path
from tests.browser.person import PASSWORD, MakePage
from tests.site import Site

# Chromium looks for Google's hosts unless told not to; it has no sandbox for root.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give an installation with the administrator 손준 and nothing else in it."""
    if problem := browser_problem():
        pytest.skip(problem)
    site = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    try:
        site.start()
        site.manage("create_user", "손준", "--role", "administrator", "--password-stdin", typed=PASSWORD)
        yield site
    finally:
        site.end()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give the browser."""
    if problem := browser_problem():
        pytest.skip(problem)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def make_page(site: Site, chromium: Browser) -> Iterator[MakePage]:
    """Give a maker of pages of a size; whatever goes wrong in one of them fails the test at its end."""
    yield from pages_at(f"http://127.0.0.1:{site.installation.port}", chromium)


@pytest.fixture(scope="module")
def _in_a_loop() -> Iterator[None]:
    """Let the database be asked beside Playwright, whose loop runs in this thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def make_live_page(live_server: Any, chromium: Browser) -> Iterator[MakePage]:
    """Give a maker of pages of the server in this process."""
    yield from pages_at(live_server.url, chromium)


def pages_at(home: str, chromium: Browser) -> Iterator[MakePage]:
    """Give the maker of pages of a server."""
    expect.set_options(timeout=20_000)
    problems: list[str] = []

    def make(width: int, height: int) -> Page:
        size = ViewportSize(width=width, height=height)
        page = chromium.new_page(base_url=home, viewport=size, locale="ko-KR", timezone_id="Asia/Seoul")
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(f"script on {page.url}: {error.stack}"))
        page.on("console", lambda said: problems.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("response", lambda got: problems.append(f"{got.status} {got.url}") if got.status >= 400 else None)
        page.on("request", lambda sent: None if sent.url.startswith((home, "data:")) else problems.append(sent.url))
        return page

    yield make
    assert problems == []
