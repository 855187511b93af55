"""The one retry policy, against killed connections, connections cut in the middle of a COMMIT, and a full server."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from common.errors import Unavailable
from common.transactions import Trouble, transactional, trouble_of
from guards.models import Stamp
from tests.databases import WANTED, connect, database_url
from tests.databases.cutting_proxy import CuttingProxy
from tests.databases.working import in_threads, raise_by_one, values

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy(rows: None) -> Iterator[CuttingProxy]:
    """Give a proxy through which the default connection of this thread goes."""
    folder = Path(tempfile.mkdtemp(prefix="flm-p"))
    here = connection.settings_dict
    if WANTED == "postgresql":
        made = CuttingProxy(folder / ".s.PGSQL.5432", Path(here["HOST"], ".s.PGSQL.5432"))
        url = f"postgresql://flueman@{quote(str(folder), safe='')}/{here['NAME']}"
    else:
        made = CuttingProxy(folder / "s", Path(here["OPTIONS"]["unix_socket"]))
        url = f"mysql://root@localhost/{here['NAME']}?unix_socket={folder / 's'}"
    own = connections["default"]
    connections["default"] = connect(url)
    try:
        yield made
    finally:
        connections["default"].close()
        connections["default"] = own
        made.close()


def kill_connection() -> None:
    """End the connection of this thread at the server, as an administrator or a fail-over would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if connection.vendor == "postgresql" else "SELECT CONNECTION_ID()")
        (number,) = cursor.fetchone()
    other = connect(database_url())
    with other.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend({number})" if other.vendor == "postgresql" else f"KILL {number}")
    other.close()


@pytest.mark.parametrize("is_idle", [True, False])
def test_service_when_its_connection_is_killed_then_done_once(rows: None, is_idle: bool) -> None:
    runs: list[int] = []

    @transactional
    def count() -> None:
        runs.append(1)
        raise_by_one("a")
        if not is_idle and len(runs) == 1:
            kill_connection()
        raise_by_one("b")

    if is_idle:
        kill_connection()
    assert in_threads(count) == [None] if not is_idle else count() is None
    assert values() == {"a": 1, "b": 1}


@pytest.mark.parametrize("when", ["before", "after"])
def test_service_when_cut_in_its_commit_then_told_unknown_and_never_done_twice(proxy: CuttingProxy, when: str) -> None:
    runs: list[int] = []

    @transactional
    def count() -> None:
        runs.append(1)
        raise_by_one("a")

    proxy.cut = when
    with pytest.raises(Unavailable) as refused:
        count()
    proxy.cut = None
    assert (refused.value.code, len(runs), proxy.cuts) == ("outcome_unknown", 1, 1)
    assert values()["a"] == (1 if when == "after" else 0)
    count()
    assert values()["a"] == (2 if when == "after" else 1)


def test_hook_when_it_fails_after_the_commit_then_the_service_is_not_done_again(rows: None) -> None:
    runs: list[int] = []

    def hook() -> None:
        kill_connection()
        Stamp.objects.count()

    @transactional
    def count() -> None:
        runs.append(1)
        raise_by_one("a")
        transaction.on_commit(hook)

    with pytest.raises(OperationalError):
        count()
    connection.close()
    assert (len(runs), values()["a"]) == (1, 1)


def test_lock_when_held_for_too_long_then_a_conflict(rows: None) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            raise_by_one("a")
            held.set()
            done.wait(20)

    def wait() -> None:
        held.wait(20)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                name = "LOCAL lock_timeout = 100" if WANTED == "postgresql" else "innodb_lock_wait_timeout = 0"
                cursor.execute(f"SET {name}")
                raise_by_one("a")
        finally:
            done.set()

    _, error = in_threads(hold, wait)
    assert trouble_of(error) is Trouble.CONFLICT


def test_connections_when_there_are_too_many_then_told_as_full(rows: None) -> None:
    taken: list[Any] = []

    def take_all() -> None:
        while len(taken) < 400:
            taken.append(connect(database_url()))
            taken[-1].ensure_connection()

    try:
        with pytest.raises(DatabaseError) as refused:
            take_all()
    finally:
        for one in taken:
            one.close()
    assert trouble_of(refused.value) is Trouble.FULL
