"""`make run`: parts that are killed come back, a killed supervisor takes all with it, a stop is clean."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.installation import ROOT, Installation, wait_until

PARTS = ("models", "worker", "web")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that was started once: secrets, tables and static files are there."""
    first = Installation(tmp_path_factory.mktemp("prepared") / "home")
    first.is_first = True
    first.start()
    try:
        first.wait_ready()
        first.signal(signal.SIGTERM)
        assert first.process
        first.process.wait(30)
    finally:
        first.end()
    return first.home


@pytest.fixture
def installation(prepared: Path, tmp_path: Path) -> Iterator[Installation]:
    """Give an installation that is ended after the test."""
    made = Installation(Path(shutil.copytree(prepared, tmp_path / "home")))
    yield made
    made.end()


def test_each_part_when_killed_again_and_again_is_back_within_5_s(installation: Installation) -> None:
    installation.start()
    installation.wait_ready()
    for name in PARTS * (3 if os.environ.get("FLUEMAN_FAULTS") == "long" else 1):
        before = installation.part(name)
        installation.kill(before)
        assert wait_until(lambda: installation.parts().get(name, before) != before, 5), f"{name} is not back"  # noqa: B023
    installation.wait_ready()


@pytest.mark.parametrize("name", ["web", "worker"])
def test_part_when_its_parent_process_is_killed_leaves_no_child_behind(installation: Installation, name: str) -> None:
    installation.start()
    installation.wait_ready()
    assert wait_until(lambda: bool(installation.descendants(installation.part(name))), 20)
    parent = installation.part(name)
    children = installation.descendants(parent)
    installation.kill(parent)
    assert wait_until(lambda: not children & set(installation.processes()), 5), installation.describe()
    installation.wait_ready()


def test_supervisor_when_killed_takes_all_with_it_and_starts_again_at_once(installation: Installation) -> None:
    installation.start()
    installation.wait_ready()
    installation.signal(signal.SIGKILL)
    installation.start()
    installation.wait_ready()
    installation.signal(signal.SIGKILL)
    assert wait_until(lambda: installation.processes() == [], 5), installation.describe()


def test_make_when_killed_takes_all_with_it(installation: Installation) -> None:
    installation.start(["sh", "-c", f"'{sys.executable}' -m flueman.supervise; true"], MAKELEVEL="1")
    installation.wait_ready()
    installation.signal(signal.SIGKILL)
    assert wait_until(lambda: installation.processes() == [], 20), installation.describe()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_when_signalled_ends_all_parts_in_order_with_code_0(installation: Installation, number: int) -> None:
    installation.start()
    installation.wait_ready()
    started = time.monotonic()
    installation.signal(number)
    assert installation.process
    assert installation.process.wait(20) == 0
    assert time.monotonic() - started < 15
    assert installation.processes() == []
    installation.start()
    installation.wait_ready()


def test_start_when_ready_says_where_it_is(installation: Installation) -> None:
    installation.start()
    installation.wait_ready()
    said = f"Flueman is ready: http://127.0.0.1:{installation.port}/admin/"
    assert wait_until(lambda: said in installation.output.read_text(), 10)
    assert not (installation.home / "demo.pending").exists()


def test_start_when_the_port_is_taken_says_so_and_ends_with_code_1(installation: Installation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port))
        other.listen()
        done = run_supervisor(installation)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {installation.port}: Address already in use" in done.stderr


def test_start_when_the_folder_is_in_use_says_so_and_ends_with_code_1(installation: Installation) -> None:
    installation.start()
    installation.wait_ready()
    done = run_supervisor(installation, PORT=str(Installation(installation.home).port))
    assert done.returncode == 1
    assert "already runs in" in done.stderr


def test_home_when_made_is_for_its_owner_only(prepared: Path) -> None:
    assert [path.stat().st_mode & 0o777 for path in (prepared, prepared / "log", prepared / "run")] == [0o700] * 3
    assert (prepared / "secrets.json").stat().st_mode & 0o777 == 0o600


def run_supervisor(installation: Installation, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the supervisor to its end."""
    return subprocess.run(
        [sys.executable, "-m", "flueman.supervise"],
        cwd=ROOT,
        env={**installation.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
