"""A whole installation as `make run` starts it, on a free port and in a folder of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0


class Installation:
    """Starts, watches and ends `python -m flueman.supervise`."""

    def __init__(self, home: Path) -> None:
        """Choose a free port; nothing is started yet."""
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.output = home.with_suffix(".out")
        self.is_first = False  # whether it makes its tables itself, as on the first start of all
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Give the environment of a shell in which somebody types `make run`, demo left out."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "FLUEMAN_"))}
        kept.pop("DATABASE_URL", None)
        kept.pop("MAKELEVEL", None)
        return {**kept, "FLUEMAN_HOME": str(self.home), "PORT": str(self.port), "FLUEMAN_DEMO": "0"}

    def start(self, command: list[str] | None = None, **environment: str) -> None:
        """Start the supervisor, or a command that starts it."""
        if not self.home.exists() and not self.is_first and "DATABASE_URL" not in environment:
            self.home.mkdir(mode=0o700)
            shutil.copy(migrated(), self.home)
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                command or [sys.executable, "-m", "flueman.supervise"],
                cwd=ROOT,
                env={**self.environment(), **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def manage(self, *arguments: str, typed: str = "", **environment: str) -> str:
        """Run a command on this installation and give what it printed; fails unless it ends well."""
        settings = {"DJANGO_SETTINGS_MODULE": "flueman.settings"}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment(), **environment, **settings},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def signal(self, number: int) -> None:
        """Send a signal to the process that `start` made."""
        assert self.process
        self.process.send_signal(number)

    def answers(self, path: str) -> bool:
        """Say whether an address answers 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5):
                return True
        except (urllib.error.HTTPError, OSError):
            return False

    def wait_ready(self) -> None:
        """Return when `/readyz` is green."""
        assert self.process
        ended = self.process.poll
        if not wait_until(lambda: self.answers("/readyz") or ended() is not None, READY_S) or ended() is not None:
            logs = "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in (self.home / "log").glob("*.log"))
            raise AssertionError(f"not ready\n{self.output.read_text()}\n{logs}")

    def parts(self) -> dict[str, int]:
        """Give the pid of each part that runs as such, not of one that is still being launched."""
        found = {}
        for pid, environment in self._environments().items():
            name = environment.get("SUPERVISOR_PROCESS_NAME")
            try:
                is_part = os.getpgid(pid) == pid and b"launch.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()
            except (ProcessLookupError, FileNotFoundError):
                continue  # it ended while we looked
            if name and is_part:
                found[name] = pid
        return found

    def part(self, name: str) -> int:
        """Give the pid of a part, as soon as it runs: `/readyz` may be green while the worker is still launched."""
        assert wait_until(lambda: name in self.parts(), 60), f"{name} does not run: {self.describe()}"
        return self.parts()[name]

    def processes(self) -> list[int]:
        """Give the pids of all that runs on this folder, the supervisor and every grandchild too."""
        return sorted(self._environments())

    def descendants(self, pid: int) -> set[int]:
        """Give the pids of the children of a process and of theirs."""
        children: set[int] = set()
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                children |= {int(word) for word in file.read_text().split()}
            except (ProcessLookupError, FileNotFoundError):
                continue  # it ended while we looked
        return children.union(*map(self.descendants, children))

    def kill(self, pid: int) -> None:
        """End a process with SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    def describe(self) -> str:
        """Give the names of the parts that still run."""
        lines = (environment.get("SUPERVISOR_PROCESS_NAME", "?") for environment in self._environments().values())
        return "\n".join(lines)

    def _environments(self) -> dict[int, dict[str, str]]:
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                pairs = (entry / "environ").read_text(errors="replace").split("\0") if entry.name.isdigit() else []
            except OSError:
                continue
            environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            if environment.get("FLUEMAN_HOME") == str(self.home):
                found[int(entry.name)] = environment
        return found

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.process:
            self.process.wait(10)


@cache
def migrated() -> Path:
    """Give a database with all tables and no rows: they are most of what a first start takes."""
    home = Path(tempfile.mkdtemp(prefix="flueman-migrated-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    made = Installation(home)
    made.manage("migrate", "--verbosity", "0")
    return home / "flueman.sqlite3"


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Say whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
