"""What the private database servers of the tests have in common: a folder, a socket, no port, gone with the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from flueman.launch import die_with_parent

START_TIMEOUT_S = 60.0


class Server(ABC):
    """A server over one folder; `start` after `kill` finds the data as the crash left it."""

    user: str | None = None  # whom the server runs as when it may not be root
    death = signal.SIGKILL  # what the kernel sends it when the tests have died

    def __init__(self, folder: Path, *, is_durable: bool = False) -> None:
        """Prepare the folder; its path must be short, because a socket's path holds at most 107 bytes."""
        self.folder, self.is_durable = folder, is_durable
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if self.user:
            shutil.chown(folder, self.user)
        if not (folder / "data").exists():
            subprocess.run(self.install_command(), check=True, capture_output=True, cwd=folder, user=self.user)

    @abstractmethod
    def install_command(self) -> Sequence[str]:
        """Give the command that makes the empty data folder."""

    @abstractmethod
    def start_command(self) -> Sequence[str]:
        """Give the command that serves."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether the server takes connections."""

    @abstractmethod
    def make_database(self, name: str) -> str:
        """Create a database if there is none of that name and give its DATABASE_URL."""

    def start(self, *options: str) -> None:
        """Start the server and wait until it takes connections."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.start_command(), *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                user=self.user,
                group=self.user,
                preexec_fn=partial(die_with_parent, os.getpid(), self.death),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"the server did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash of the machine would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


def succeeds(command: Sequence[str]) -> bool:
    """Say whether a command ends well."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
