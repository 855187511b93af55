"""A database of its own for what is measured in one process, with Flueman's settings pointing at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.loads import WORK
from tests.mariadb import MariaDB
from tests.postgresql import PostgreSQL

SERVERS = {"mariadb": MariaDB, "postgresql": PostgreSQL}
KINDS = ["sqlite", *SERVERS]


@contextmanager
def own_database(kind: str, name: str) -> Iterator[None]:
    """Give an empty database of a kind until the end; nothing of ours may have been imported before."""
    home = WORK / f"{name}-{kind}-{os.getpid()}"
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(FLUEMAN_HOME=str(home), DJANGO_SETTINGS_MODULE="flueman.settings", LOG_LEVEL="WARNING")
    server = SERVERS[kind](Path("/tmp") / f"flueman-{name}-{os.getpid()}") if kind in SERVERS else None
    try:
        if server:
            server.start()
            os.environ["DATABASE_URL"] = server.make_database(name)
        yield
    finally:
        if server:
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
