"""Promotion, roll-back, versions that cannot be loaded, canaries that do harm and graceful restarts, all under load.

The short form runs with the suite. `FLUEMAN_TRAFFIC=long pytest -s tests/traffic/test_under_load.py` is the long one:
64 clients, 50 promotions and roll-backs, 10 versions that fail to load, 10 canaries that are stopped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.crash.served import Served, serving_installation
from tests.house.installation import ROOT, wait_until
from tests.runner.making import make_manifest
from tests.traffic.clients import Clients, Phase

PATIENCE_S = 180.0


@dataclass(frozen=True)
class Size:
    """How much of it."""

    clients: int
    promotions: int
    broken: int
    canaries: int
    restarts: int


SIZE = Size(64, 50, 10, 10, 3) if os.environ.get("FLUEMAN_TRAFFIC") == "long" else Size(8, 1, 1, 3, 1)
HARMS = {"errors": {"drift": 50.0}, "latency": {"drift": 50.0}, "drift_scores": {}}


def make_model(folder: Path, kind: str) -> Path:
    """Give a network of four numbers in and two out: a good one, or one that does a certain harm."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [4, *[1536] * 16, 2] if kind == "latency" else [4, 2]
    factor = {"good": 1.0, "errors": 1.6e38, "drift_scores": 0.3}.get(kind, 0.0)  # 1.6e38: large sums are infinite
    weights = {}
    for layer, (width, height) in enumerate(pairwise(sizes)):
        weights[f"{2 * layer}.weight"] = torch.full((height, width), factor)
        weights[f"{2 * layer}.bias"] = torch.zeros(height)
    if kind == "broken":
        weights.pop("0.bias")
    save_file(weights, folder / "model.safetensors")
    make_manifest(folder, arguments={"sizes": sizes})
    return folder


class Operator:
    """The one process that makes all changes."""

    def __init__(self, served: Served) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.traffic.operator"],
            cwd=ROOT,
            env={**served.site.environment(), **served.environment(), "DJANGO_SETTINGS_MODULE": "flueman.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, verb: str, **given: Any) -> Any:
        """Make a change, and give what it gave."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"verb": verb, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{verb} {given} failed"
        return json.loads(line)

    def until_ready(self, version: int) -> None:
        """Return once a version serves."""
        assert wait_until(lambda: self.do("state", version=version) == "ready", PATIENCE_S), f"v{version} does not load"

    def until_alone(self, version: int) -> None:
        """Return once a version alone is routed to."""
        wanted = [[version, "live", 100]]
        assert wait_until(lambda: self.do("routes") == wanted, PATIENCE_S), (version, self.do("routes"))

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)


@contextmanager
def operating() -> Iterator[tuple[Served, Operator]]:
    """Give an installation and who operates it."""
    with serving_installation(INFER_DEADLINE_S="60", RUNNER_BATCH_DEADLINE_S="60", WEB_CONCURRENCY="2") as served:
        operator = Operator(served)
        try:
            yield served, operator
        finally:
            operator.end()


def test_traffic_when_everything_changes_under_load_then_no_request_fails(tmp_path: Path) -> None:
    with operating() as (served, operator):
        numbers = {
            kind: operator.do("version", folder=str(make_model(tmp_path / kind, kind))) for kind in ("good", *HARMS)
        }
        broken = [
            operator.do("version", folder=str(make_model(tmp_path / f"broken-{n}", "broken")))
            for n in range(SIZE.broken)
        ]
        clients = Clients(served.site.port, served.api_key, deployment="small", count=SIZE.clients)
        with clients.calling():
            time.sleep(2)
            promote_and_roll_back(operator, clients, numbers["good"])
            fail_to_load(operator, clients, broken)
            stopped = stop_canaries(operator, clients, numbers)
            shadow(operator, clients, numbers["drift_scores"])
            restart(served, operator, clients)
            begin(clients, "after")
            time.sleep(2)
        sys.stdout.write(f"{stopped}\n")
        assert clients.failures == []
        assert [told[0] for told in operator.do("revisions")].count("canary_stopped") == SIZE.canaries
        answered = sum(len(phase.latencies_ms) for phase in clients.phases)
        assert len(served.client_ids()) == answered + 1  # one before the clients


def begin(clients: Clients, name: str) -> Phase:
    """Begin a phase once every web worker knows the last change of the one before."""
    time.sleep(2)
    return clients.begin(name)


def promote_and_roll_back(operator: Operator, clients: Clients, good: int) -> None:
    """Let a canary become live, and take it back."""
    phase = begin(clients, "promotions and roll-backs")
    for _ in range(SIZE.promotions):
        operator.do("canary", version=good, weight=20)
        operator.until_ready(good)
        operator.do("promote", version=good)
        operator.until_alone(good)
        until_answered(phase, good)
        operator.do("rollback")
        operator.until_alone(1)
        until_answered(phase, 1)
    for pause_s in (0.0, 0.1, 0.3):  # in haste: the host is just about to end what is wanted again
        operator.do("canary", version=good, weight=20)
        operator.until_ready(good)
        operator.do("promote", version=good)
        time.sleep(pause_s)
        operator.do("rollback")
        operator.until_alone(1)


def until_answered(phase: Phase, version: int) -> None:
    """Return once a version has answered some calls more."""
    wanted = phase.versions[str(version)] + 20
    assert wait_until(lambda: phase.versions[str(version)] >= wanted, PATIENCE_S), phase.failed[:5]


def fail_to_load(operator: Operator, clients: Clients, broken: list[int]) -> None:
    """Deploy versions that cannot be loaded, and go back."""
    phase = begin(clients, "versions that fail to load")
    for version in broken:
        operator.do("deploy", version=version)
        assert wait_until(lambda: operator.do("state", version=version) == "failed", PATIENCE_S)  # noqa: B023
        assert operator.do("revisions")[-1][0] == "not_loaded"
        operator.do("rollback")
        operator.until_alone(1)
    assert set(phase.versions) <= {"1"}


def stop_canaries(operator: Operator, clients: Clients, numbers: dict[str, int]) -> str:
    """Start canaries that do harm, and give how soon each was stopped."""
    begin(clients, "canaries that do harm")
    told = []
    for n in range(SIZE.canaries):
        harm = list(HARMS)[n % len(HARMS)]
        operator.do("canary", version=numbers[harm], weight=20, guard=HARMS[harm])
        operator.until_ready(numbers[harm])
        began = time.monotonic()
        operator.until_alone(1)
        what, reason, data = operator.do("revisions")[-1]
        assert (what, reason) == ("canary_stopped", harm), data
        calls = data["canary"]["requests"]
        told.append(f"canary stopped for {reason} {time.monotonic() - began:.1f} s after it served, {calls} calls")
    return "\n".join(told)


def shadow(operator: Operator, clients: Clients, version: int) -> None:
    """Copy all calls to a version, whose answers reach nobody."""
    phase = begin(clients, "shadow of all calls")
    operator.do("shadow", version=version, share=100)
    operator.until_ready(version)
    assert wait_until(lambda: operator.do("shadowed")["answered"] > 20, PATIENCE_S)
    found = operator.do("shadowed")
    assert found["rows"] >= found["answered"] > 0
    assert found["failed"] == 0
    operator.do("rollback")
    assert set(phase.versions) == {"1"}


def restart(served: Served, operator: Operator, clients: Clients) -> None:
    """Have web take up its code anew, and the model host begin anew, both gracefully."""
    for _ in range(SIZE.restarts):
        phase = begin(clients, "graceful restart of web")
        master = served.site.part("web")
        old = served.site.descendants(master)
        os.kill(master, signal.SIGHUP)
        assert wait_until(lambda: not served.site.descendants(master) & old, PATIENCE_S)  # noqa: B023
        until_answered(phase, 1)
        phase = begin(clients, "graceful restart of host")
        host = host_of(served)
        os.kill(host, signal.SIGTERM)
        assert wait_until(lambda: host_of(served) not in (0, host), PATIENCE_S)  # noqa: B023
        assert wait_until(lambda: operator.do("state", version=1) != "ready", PATIENCE_S)
        operator.until_ready(1)
        until_answered(phase, 1)


def host_of(served: Served) -> int:
    """Give the pid of the model host, 0 while there is none."""
    for pid in served.site.processes():
        with suppress(OSError):
            if b"run_model_host" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-3:]:
                return pid
    return 0
