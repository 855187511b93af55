"""The real processes of an installation, on the database that this run of the tests is on."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.databases import make_server
from tests.house.installation import Installation
from tests.server import Server


class Site:
    """Starts, feeds and ends one, in a folder of its own."""

    is_durable = False  # whether the database keeps what it has committed when it is killed

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installation = Installation(folder / "home")
        self.database: Server | None = None
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start all parts and return when they are ready."""
        self.database = make_server(is_durable=self.is_durable)
        if self.database:
            self.database.start()
            self.environment["DATABASE_URL"] = self.database.make_database("flueman")
        self.installation.start(**self.environment)
        self.installation.wait_ready()

    def manage(self, *arguments: str, typed: str = "") -> str:
        """Run a command of the installation and give what it printed."""
        return self.installation.manage(*arguments, typed=typed, **self.environment)

    def end(self) -> None:
        """Leave nothing behind."""
        self.installation.end()
        if self.database:
            self.database.kill()
            shutil.rmtree(self.database.folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
