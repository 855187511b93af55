"""A whole installation for the browser, and what every test in it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.house.installation import ROOT, Installation
from tests.mariadb import MariaDB

PASSWORD = "long enough to be one"
PICTURES = ROOT / "test-results" / "browser"
MakePage = Callable[[int, int], Page]


class Site:
    """The real processes, on the database that this run of the tests is on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installation = Installation(folder / "home")
        self.database: MariaDB | None = None
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start all parts and return when they are ready."""
        if os.environ.get("FLUEMAN_TEST_DATABASE") == "mariadb":
            (self.folder / "db").mkdir()
            self.database = MariaDB(self.folder / "db")
            self.database.start()
            self.environment["DATABASE_URL"] = self.database.make_database("flueman")
        self.installation.start(**self.environment)
        self.installation.wait_ready()

    def manage(self, *arguments: str, typed: str = "") -> str:
        """Run a command of the installation and give what it printed."""
        settings = {"DJANGO_SETTINGS_MODULE": "flueman.settings"}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.installation.environment(), **self.environment, **settings},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def end(self) -> None:
        """Leave nothing behind."""
        self.installation.end()
        if self.database:
            self.database.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def log_in(page: Page) -> None:
    """Log in as the administrator."""
    page.goto("/")
    page.get_by_label("사용자 이름").fill("손준")
    page.get_by_label("비밀번호").fill(PASSWORD)
    page.get_by_role("button", name="로그인").click()
    expect(page).to_have_url("/admin/")


def keep_picture(page: Page, name: str) -> None:
    """Keep what the page looks like."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
