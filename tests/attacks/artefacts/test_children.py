"""Models that have taken over their process, under a real host and beside a good model that must never fail."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accounts.services import create_api_key, create_user
from inference.engine import get_engine
from inference.models import RunnerState
from tests.attacks.artefacts.hostile_child import ATTACKS, TRIGGER
from tests.attacks.table import note, record
from tests.host.hosting import make_route, make_version, running_host, until_state
from tests.inference.serving import Reply, Serving, end_engine
from tests.runner.making import make_folder

pytestmark = pytest.mark.django_db(transaction=True)

SECTION = "Artefacts: models that have taken over their process"
# The others take minutes: `make attacks` runs them all.
SHORT = ("loops, its alarm switched off", "kills itself", "closes all its descriptors", "sends garbage", "answers NaN")
NAMES = tuple(ATTACKS) if "FLUEMAN_ATTACKS" in os.environ else SHORT
DEADLINE_S, MEMORY_BYTES = 3.0, 2 << 30
PATIENCE_S = 180.0


def make_served(folder: Path, name: str) -> Serving:
    """Deploy a small network and give what calls it."""
    version = make_version(make_folder(folder / name), name=name)
    deployment = make_route(version, name=name).deployment
    user = create_user(username=name, password=None, roles=["client"], actor=None)
    _, key = create_api_key(name=name, user=user, scopes=["predict"], allowed_models=[], expires_at=None, actor=user)
    return Serving(deployment, version, user, key, None)  # type: ignore[arg-type]  # the host starts the process


class Onlooker(threading.Thread):
    """Calls the good model all the while."""

    def __init__(self, served: Serving) -> None:
        super().__init__(daemon=True)
        self.served, self.ended = served, threading.Event()
        self.calls, self.slowest_ms, self.failures = 0, 0.0, list[Reply]()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            started = time.perf_counter()
            reply = self.served.predict([1, 2, 3, 4])
            self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - started) * 1000)
            self.calls += 1
            if reply.status != 200 or reply.data["outputs"][0]["data"] != [10.0, 20.0]:
                self.failures.append(reply)


@contextmanager
def onlooker(served: Serving) -> Iterator[Onlooker]:
    """Have the good model called while the block runs."""
    looker = Onlooker(served)
    looker.start()
    try:
        yield looker
    finally:
        looker.ended.set()
        looker.join(30)


def until_serving(served: Serving) -> float:
    """Wait until the model answers rightly, and give the seconds that took."""
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE_S:
        served.refresh()
        reply = served.predict([1, 2, 3, 4])
        if reply.status == 200 and reply.data["outputs"][0]["data"] == [10.0, 20.0]:
            return time.monotonic() - started
        time.sleep(0.1)
    raise AssertionError("the model does not serve again")


def test_model_when_it_attacks_harms_no_other_and_comes_back(tmp_path: Path, settings: object) -> None:
    settings.INFER_DEADLINE_S = DEADLINE_S  # type: ignore[attr-defined]
    hostile, good = (make_served(tmp_path, name) for name in ("hostile", "good"))
    limits = {
        "INFER_DEADLINE_S": str(DEADLINE_S),
        "RUNNER_BATCH_DEADLINE_S": str(DEADLINE_S),
        "RUNNER_MEMORY_BYTES": str(MEMORY_BYTES),
    }
    try:
        with running_host(program=("-m", "tests.attacks.artefacts.hostile_host"), **limits):
            for one in (hostile, good):
                until_state(one.version, "ready")
            get_engine()
            until_serving(good)
            with onlooker(good) as looker:
                for name in NAMES:
                    attack(hostile, name)
            assert looker.failures == []
    finally:
        end_engine()
    note(SECTION, f"The good model beside was called {looker.calls} times: none failed.")
    note(SECTION, f"Its slowest answer took {looker.slowest_ms:.0f} ms.")
    sys.stdout.write(f"{looker.calls} calls of the good model, slowest {looker.slowest_ms:.0f} ms\n")


def attack(served: Serving, name: str) -> None:
    """Have the model attack, and see what its caller gets and that it comes back."""
    until_serving(served)
    before = RunnerState.objects.get(version=served.version).pid
    place = list(ATTACKS).index(name)
    started = time.perf_counter()
    reply = served.predict([TRIGGER, place, 0, 0])
    took_ms = (time.perf_counter() - started) * 1000
    back_s = until_serving(served)
    assert reply.status in (200, 503, 504), (name, reply.status, reply.body[:300])
    assert len(reply.body) < 2000, name
    assert took_ms < 1000 * DEADLINE_S + 5000, name
    said = "an answer as signed" if reply.status == 200 else f"{reply.status}: {reply.data['error'][:90]}"
    is_same = RunnerState.objects.get(version=served.version).pid == before
    verdict = "killed" if not is_same else "harmless" if reply.status == 200 else "refused"
    record(SECTION, name, f"{said} ({took_ms:.0f} ms), serves again after {back_s:.1f} s", verdict)
