"""A process inside the walls, attacking them: what it gets, and what became of its targets."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common import sandbox
from tests.attacks.artefacts.inside import ATTEMPTS, REAL
from tests.attacks.table import note, record

SECTION = "Artefacts: from inside the walls"


class Canaries:
    """What must not be read, changed or reached."""

    def __init__(self, folder: Path) -> None:
        self.files = {name: folder / name / "file" for name in ("own", "other", "secret", "database")}
        for name, path in self.files.items():
            path.parent.mkdir(parents=True)
            path.write_text(f"{name} canary")
            path.chmod(0o600)
        self.listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self.listeners.append(socket.socket(socket.AF_UNIX))
        self.abstract = f"flueman-{os.getpid()}-{folder.name}"
        self.listeners[1].bind(str(folder / "host.sock"))
        self.listeners[2].bind("\0" + self.abstract)
        for listener in self.listeners:
            listener.listen()
            listener.settimeout(0)
        self.victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
        self.before = self.look()

    def targets(self) -> dict[str, Any]:
        """Give what the attempts aim at."""
        return {
            **{name: str(path) for name, path in self.files.items()},
            "port": self.listeners[0].getsockname()[1],
            "socket": self.listeners[1].getsockname(),
            "abstract": self.abstract,
            "victim": self.victim.pid,
            "parent": os.getpid(),
            "memory_bytes": 2 << 30,
        }

    def look(self) -> dict[str, Any]:
        """Give the state of all that must not change."""
        stats = {name: path.stat() for name, path in self.files.items()}
        return {
            "files": {name: path.read_text() for name, path in self.files.items()},
            "modes": {name: (stat.st_mode, stat.st_uid, stat.st_mtime_ns) for name, stat in stats.items()},
            "beside": sorted(path.name for path in self.files["own"].parent.iterdir()),
            "is_alive": self.victim.poll() is None,
            "limits": resource.prlimit(self.victim.pid, resource.RLIMIT_AS),
            "priority": os.getpriority(os.PRIO_PROCESS, self.victim.pid),
            "cores": os.sched_getaffinity(self.victim.pid),
        }

    def callers(self) -> int:
        """Give how many connected."""
        count = 0
        for listener in self.listeners:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                continue
            count += 1
        return count

    def close(self) -> None:
        """End the victim and the listeners."""
        self.victim.kill()
        self.victim.wait()
        assert self.victim.stdin is not None
        self.victim.stdin.close()
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[Canaries]:
    """Give canaries."""
    made = Canaries(tmp_path)
    yield made
    made.close()


def attack(canaries: Canaries, *, is_confined: bool, program: str = "inside") -> dict[str, Any]:
    """Run the attempts and give what they got."""
    targets = json.dumps({**canaries.targets(), "is_confined": is_confined})
    done = subprocess.run(
        [sys.executable, "-P", "-s", "-m", f"tests.attacks.artefacts.{program}", targets],
        env=sandbox.environment(threads=1),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("program", ["inside", "forked_inside"])
def test_model_inside_the_walls_when_it_attacks_gets_nothing(canaries: Canaries, program: str) -> None:
    answer = attack(canaries, is_confined=True, program=program)
    if answer["missing"]:
        warnings.warn(f"this system lacks walls: {answer['missing']}; the attacks were not judged", stacklevel=1)
        return
    found = answer["found"]
    assert found.keys() == ATTEMPTS.keys()
    assert [name for name, one in found.items() if not one["is_refused"]] == []
    assert canaries.look() == canaries.before
    assert canaries.callers() == 0
    for name, one in found.items():
        if program == "inside":  # a fork gets what a process that was started gets: one table for both
            record(SECTION, name, one["got"], "refused")
    note(SECTION, "Files, modes, limits, priorities and listeners of the canaries were as before.")


def test_attacks_when_there_are_no_walls_are_real(canaries: Canaries) -> None:
    found = attack(canaries, is_confined=False)["found"]
    assert [name for name in REAL if found[name]["is_refused"]] == []
    assert canaries.victim.wait(5) == -signal.SIGKILL
    assert canaries.files["secret"].stat().st_mode & 0o777 == 0o777
    assert canaries.callers() == len(canaries.listeners)
