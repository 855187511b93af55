"""The databases that the suite runs on, and what they have in common."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import dj_database_url
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from tests.mariadb import MariaDB, mariadb_problem
from tests.postgresql import PostgreSQL, postgresql_problem
from tests.server import Server

SERVERS: dict[str, type[Server]] = {"mariadb": MariaDB, "postgresql": PostgreSQL}
PROBLEMS = {"sqlite": lambda: "", "mariadb": mariadb_problem, "postgresql": postgresql_problem}
WANTED = os.environ.get("FLUEMAN_TEST_DATABASE", "sqlite")


def make_server(*, is_durable: bool = False) -> Server | None:
    """Give a server of the wanted kind over a new folder of its own, None for SQLite. The caller removes the folder."""
    if WANTED == "sqlite":
        return None
    folder = Path(tempfile.mkdtemp(prefix="flueman-db-"))
    return SERVERS[WANTED](folder, is_durable=is_durable)


def connect(url: str) -> BaseDatabaseWrapper:
    """Give a connection of its own to the database of an address. The caller closes it."""
    settings = {
        "OPTIONS": {},
        **dj_database_url.parse(url),
        "TIME_ZONE": None,
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "TEST": {},
    }
    made: BaseDatabaseWrapper = load_backend(settings["ENGINE"]).DatabaseWrapper(settings)

    def ensure_connection() -> None:
        """Do what Django's does; pytest-django forbids that one wherever a test asks for no database of its own."""
        if made.connection is None:
            with made.wrap_database_errors:
                made.connect()

    made.ensure_connection = ensure_connection  # type: ignore[method-assign]
    return made


def database_url() -> str:
    """Give the address of the database that the tests of this process write to."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    before, _, after = os.environ["DATABASE_URL"].partition("?")
    return f"{before.rpartition('/')[0]}/{name}?{after}"
