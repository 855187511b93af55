"""The real processes of an installation, on the database that this run of the tests is on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house.installation import ROOT, Installation
from tests.mariadb import MariaDB


class Site:
    """Starts, feeds and ends one, in a folder of its own."""

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
