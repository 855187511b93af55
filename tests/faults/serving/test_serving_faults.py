"""Faults under load: stopped, starved, slow, full, cut off. Acknowledged answers keep their row, the rest is typed.

The suite runs the cases marked short; `FLUEMAN_FAULTS=long` runs them all, each for longer.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import pytest
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from redis import Redis

from tests.crash.load import Load
from tests.crash.served import Served, a_child, check, serving_installation
from tests.databases import WANTED, connect
from tests.faults.jobs.brokers import Broker
from tests.faults.proxy import Proxy
from tests.faults.table import note
from tests.house.installation import wait_until

IS_LONG = os.environ.get("FLUEMAN_FAULTS") == "long"
HOLD_S = 6.0 if IS_LONG else 2.5
BEFORE_S = 1.0
READY_AGAIN_S = 30.0

Fault = Callable[[Served], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _database(django_db_blocker: Any) -> Iterator[None]:
    """Let the tests look into the databases of their installations."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Give an installation; where the database is a server, with a proxy before it."""
    with serving_installation(through=through_a_proxy) as site:
        yield site


# -- faults ------------------------------------------------------------------------------------------------------------
def stopped(what: Callable[[Served], int]) -> Fault:
    """Stop a process with SIGSTOP for a while."""

    @contextmanager
    def fault(served: Served) -> Iterator[None]:
        pid = what(served)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    return fault


def starved(limit: int, spare: Callable[[int], int], press: Fault) -> Fault:
    """Leave the web worker only a little more of something than it has, and ask it for more than that."""

    @contextmanager
    def fault(served: Served) -> Iterator[None]:
        pid = a_child(served, "web")
        before = resource.prlimit(pid, limit)
        resource.prlimit(pid, limit, (spare(pid), before[1]))
        try:
            with press(served):
                yield
        finally:
            if Path(f"/proc/{pid}").exists():
                resource.prlimit(pid, limit, before)

    return fault


@contextmanager
def many_connections(served: Served) -> Iterator[None]:
    """Hold forty connections open."""
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", served.site.port), timeout=5)))
        yield


@contextmanager
def large_bodies(served: Served) -> Iterator[None]:
    """Send eight bodies of eight megabytes at once; what they get is typed, if they get an answer."""
    body = b'{"inputs": [' + b" " * (8 << 20) + b"]}"
    url = f"http://127.0.0.1:{served.site.port}/v2/models/small/infer"
    with ThreadPoolExecutor(8) as threads:
        replies = [
            threads.submit(httpx.post, url, content=body, headers={"X-API-Key": served.api_key}) for _ in "8" * 8
        ]
        yield
    for reply in replies:
        try:
            answer = reply.result()
        except httpx.HTTPError:
            continue
        assert answer.status_code in (400, 413, 503)
        if answer.headers["content-type"] != "text/plain; charset=utf-8":  # the HTTP parser's own, from below us
            assert isinstance(answer.json()["error"], str)


@contextmanager
def locked_sqlite(served: Served) -> Iterator[None]:
    """Hold SQLite's write lock in another process's connection."""
    with closing(sqlite3.connect(served.site.home / "flueman.sqlite3", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def locked_table(served: Served) -> Iterator[None]:
    """Hold a lock on the log that keeps everybody from writing."""
    statements = {
        "mariadb": ("LOCK TABLES requests WRITE", "UNLOCK TABLES"),
        "postgresql": ("BEGIN; LOCK TABLE requests IN EXCLUSIVE MODE", "ROLLBACK"),
    }
    with closing(connect(served.url)) as other, other.cursor() as cursor:
        cursor.execute(statements[WANTED][0])
        yield
        cursor.execute(statements[WANTED][1])


@contextmanager
def no_connections_left(served: Served) -> Iterator[None]:
    """Take every connection that the server has, also those that Flueman held."""
    taken: list[BaseDatabaseWrapper] = []
    try:
        take_all(served, taken)
        with taken[0].cursor() as cursor:
            end_strangers(cursor, len(taken))
        take_all(served, taken)
        yield
    finally:
        for one in taken:
            one.close()


def take_all(served: Served, taken: list[BaseDatabaseWrapper]) -> None:
    """Open connections until the server gives no more."""
    while True:
        one = connect(served.url)
        try:
            one.ensure_connection()
        except DatabaseError:
            return
        taken.append(one)


def end_strangers(cursor: Any, spared: int) -> None:
    """End the connections of Flueman: all but the newest `spared`, which are ours."""
    if WANTED == "mariadb":
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db IS NOT NULL ORDER BY id")
        kill = "KILL {}"
    else:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() ORDER BY backend_start, pid"
        )
        kill = "SELECT pg_terminate_backend({})"
    for (one,) in cursor.fetchall()[:-spared]:
        cursor.execute(kill.format(one))


def proxied(begin: Callable[[Proxy], None], end: Callable[[Proxy], None]) -> Fault:
    """Do something to all that passes between Flueman and its database."""

    @contextmanager
    def fault(served: Served) -> Iterator[None]:
        proxy = PROXIES[served.url]
        begin(proxy)
        try:
            yield
        finally:
            end(proxy)

    return fault


PROXIES: dict[str, Proxy] = {}


def through_a_proxy(url: str) -> str:
    """Put a proxy before the database of an address and give the address of the proxy."""
    if not url:
        return ""
    folder = Path(tempfile.mkdtemp(prefix="flm-"))
    server = parse_qs(urlsplit(url).query).get("unix_socket", [""])[0]
    if server:  # MariaDB
        listen, seen = folder / "s", url.replace(server, str(folder / "s"))
    else:
        host = unquote(urlsplit(url).netloc.partition("@")[2])
        server, listen = f"{host}/.s.PGSQL.5432", folder / ".s.PGSQL.5432"
        seen = url.replace(quote(host, safe=""), quote(str(folder), safe=""))
    PROXIES[url] = Proxy(listen, server)
    PROXIES[url].start()
    return seen


def cutting(proxy: Proxy) -> None:
    """Cut every connection five times a second."""
    proxy.cut_every_s = 0.2


@contextmanager
def full_disk(served: Served) -> Iterator[None]:
    """Fill the file system of the home folder to the last byte."""
    filler = served.folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


def moved_clock(seconds: int) -> Fault:
    """Move the clock that all parts see."""

    @contextmanager
    def fault(served: Served) -> Iterator[None]:
        Path(served.more["CLOCK_OFFSET_FILE"]).write_bytes(seconds.to_bytes(8, "little", signed=True))
        yield  # it stays moved: what was kept before and after must both be right

    return fault


def redis_faults(redis: Broker) -> dict[str, Fault]:
    """Give what can befall the server that counts the calls of a key with a limit."""

    def server(_served: Served) -> int:
        assert redis.process
        return redis.process.pid

    @contextmanager
    def flushed(_served: Served) -> Iterator[None]:
        Redis.from_url(redis.environment["QUEUE_URL"]).flushall()
        yield

    @contextmanager
    def killed(_served: Served) -> Iterator[None]:
        redis.kill()
        try:
            yield
        finally:
            redis.start()

    return {"Redis flushed": flushed, "Redis stopped": stopped(server), "Redis killed": killed}


# -- the cases ---------------------------------------------------------------------------------------------------------
def web(served: Served) -> int:
    """Give the pid of the web worker."""
    return a_child(served, "web")


def child(served: Served) -> int:
    """Give the pid of the model's process."""
    return a_child(served, "models")


def database(served: Served) -> int:
    """Give the pid of the database server."""
    assert served.database
    assert served.database.process
    return served.database.process.pid


def descriptors(pid: int) -> int:
    """Give two descriptors more than a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir())) + 2


def address_space(pid: int) -> int:
    """Give 8 MiB more than a process has mapped."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + (8 << 20)


SHORT: dict[str, Fault] = {
    "web worker stopped": stopped(web),
    "model's process stopped": stopped(child),
}
LONG: dict[str, Fault] = {
    "model host stopped": stopped(lambda served: served.site.part("models")),
    "job worker stopped": stopped(lambda served: served.site.part("worker")),
    "supervisor stopped": stopped(lambda served: served.site.process.pid if served.site.process else 0),
    "web worker without descriptors": starved(resource.RLIMIT_NOFILE, descriptors, many_connections),
    "web worker without memory": starved(resource.RLIMIT_AS, address_space, large_bodies),
}
SHORT_ON_SQLITE: dict[str, Fault] = {"SQLite locked by another process": locked_sqlite}
SHORT_ON_SERVER: dict[str, Fault] = {
    "database silent": proxied(lambda p: setattr(p, "is_silent", True), lambda p: setattr(p, "is_silent", False)),
    "log locked": locked_table,
}
LONG_ON_SERVER: dict[str, Fault] = {
    "database stopped": stopped(database),
    "database slow, 50 ms a packet": proxied(lambda p: setattr(p, "delay_s", 0.05), lambda p: setattr(p, "delay_s", 0)),
    "database cut five times a second": proxied(cutting, lambda p: setattr(p, "cut_every_s", 0)),
    "database without connections": no_connections_left,
}


def cases() -> dict[str, Fault]:
    """Give the cases of this run."""
    found = SHORT | (SHORT_ON_SQLITE if WANTED == "sqlite" else SHORT_ON_SERVER)
    if IS_LONG:
        found |= LONG | ({} if WANTED == "sqlite" else LONG_ON_SERVER)
    return found


@pytest.mark.parametrize("name", cases())
def test_acknowledged_when_a_fault_strikes_then_kept_once(served: Served, name: str) -> None:
    strike(served, name, cases()[name])


@pytest.mark.skipif(not IS_LONG or WANTED != "sqlite" or os.getuid() != 0, reason="long form, as root, on SQLite")
def test_acknowledged_when_the_disk_is_full_then_kept_once() -> None:
    folder = Path(tempfile.mkdtemp(prefix="flm-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], check=True)
    try:
        with serving_installation(folder) as served:
            strike(served, "disk full", full_disk)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(not IS_LONG or WANTED != "sqlite" or not shutil.which("gcc"), reason="long form, with gcc")
@pytest.mark.parametrize("seconds", [3600, -3600])
def test_acknowledged_when_the_clock_is_moved_then_kept_once(seconds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="flm-"))
    shim, offset = folder / "clock.so", folder / "offset"
    source = Path(__file__).with_name("moved_clock.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(shim), str(source)], check=True)
    offset.write_bytes(bytes(8))
    with serving_installation(folder, LD_PRELOAD=str(shim), CLOCK_OFFSET_FILE=str(offset)) as served:
        strike(served, f"clock moved by {seconds} s", moved_clock(seconds))


@pytest.mark.skipif(not IS_LONG or WANTED != "sqlite", reason="long form, on SQLite: Redis counts, no database does")
def test_acknowledged_when_redis_fails_then_kept_once(tmp_path: Path) -> None:
    redis = Broker("redis", tmp_path)
    redis.start()
    try:
        with serving_installation(REDIS_URL=redis.environment["QUEUE_URL"]) as served:
            limit = ("--per-minute", "600000")
            served.api_key = served.manage(
                "create_api_key", "limited", "--user", "app", "--scopes", "predict", *limit
            ).splitlines()[-1]
            assert wait_until(served.is_served, 10)
            for name, fault in redis_faults(redis).items():
                strike(served, name, fault)
    finally:
        redis.kill()


def strike(served: Served, name: str, fault: Fault) -> None:
    """Let a fault strike under load, wait until it is over, compare, and note what it got."""
    load = Load(served.site.port, served.api_key, model="small", width=4, clients=12)
    load.start()
    time.sleep(BEFORE_S)
    with fault(served):
        time.sleep(HOLD_S)
    over_at = time.monotonic()
    is_back = wait_until(served.is_served, READY_AGAIN_S)
    back_s = time.monotonic() - over_at
    time.sleep(BEFORE_S)
    told = load.stop()
    note("serving", f"{name}, {WANTED}", told.statuses, back_s)
    assert is_back, "not served again"
    check(served, told)
