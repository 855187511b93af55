"""Kills under load: what was acknowledged is in the database, once, with the same output (I1 to I3, I7, I8).

`FLUEMAN_KILLS=10` repeats each kill ten times; the suite does it once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.crash.load import Load, Told
from tests.crash.served import Served, a_child, check, serving_installation
from tests.house.installation import wait_until

KILLS = int(os.environ.get("FLUEMAN_KILLS", "1"))
BETWEEN_S = 2.0
READY_AGAIN_S = 30.0


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Give an installation for all kills of this module."""
    with serving_installation() as site:
        yield site


@pytest.fixture(autouse=True)
def _database(django_db_blocker: Any) -> Iterator[None]:
    """Let the tests look into the database of the installation."""
    with django_db_blocker.unblock():
        yield


def kill(served: Served, what: str) -> None:
    """Kill one thing with SIGKILL; what the supervisor does not start again is started here."""
    site = served.site
    if what == "web worker":
        site.kill(a_child(served, "web"))
    elif what == "model host":
        site.kill(site.part("models"))
    elif what == "model child":
        site.kill(a_child(served, "models"))
    elif what == "worker":
        site.kill(site.part("worker"))
    elif what == "database":
        assert served.database
        served.database.kill()
        time.sleep(0.5)
        served.database.start()
    else:
        for pid in site.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if served.database:
            served.database.kill()
            served.database.start()
        site.start(**served.environment())


@pytest.mark.parametrize("what", ["web worker", "model host", "model child", "worker", "database", "everything"])
def test_acknowledged_when_killed_under_load_then_kept_once(served: Served, what: str) -> None:
    if what == "database" and not served.database:
        what = "worker"  # SQLite has no process of its own
    load = Load(served.site.port, served.api_key, model="small", width=4)
    load.start()
    slowest = 0.0
    for _ in range(KILLS):
        time.sleep(BETWEEN_S)
        kill(served, what)
        killed_at = time.monotonic()
        time.sleep(0.2)
        assert wait_until(served.is_served, READY_AGAIN_S), f"not served again after the kill of {what}"
        slowest = max(slowest, time.monotonic() - killed_at)
    time.sleep(BETWEEN_S)
    told = load.stop()
    report(what, told, slowest)
    check(served, told)


def report(what: str, told: Told, slowest_s: float) -> None:
    """Print the figures of one kind of kill."""
    answered = sum(told.statuses.values())
    sys.stdout.write(
        f"\n{KILLS} x kill -9 {what}: {len(told.answers)} acknowledged, {len(told.keys)} with a key, "
        f"{told.retried} calls repeated, {answered} answers {dict(sorted(told.statuses.items()))}, "
        f"served again after at most {slowest_s:.1f} s\n"
    )
