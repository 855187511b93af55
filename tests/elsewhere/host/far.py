"""Model hosts with folders of their own, reached only by TLS: only the database and the file store are shared."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from django.conf import settings

from tests.databases import database_url

TOKEN = "t0ken-of-the-tests-that-is-long-enough"


class FarHost:
    """One host."""

    def __init__(self, folder: Path, name: str, **environment: str) -> None:
        self.home, self.name = folder / name, name
        self.environment = environment
        self.port = self.began = 0
        self.fingerprint = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when its door is open; the second time at the same port."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        log = (self.home / "log").open("ab")
        self.began = log.tell()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run_model_host", "--listen", f"127.0.0.1:{self.port}"],
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "FLUEMAN_HOME": str(self.home),
                "STORAGE_URL": settings.STORAGE_URL,
                "MODEL_HOST_NAME": self.name,
                "MODEL_HOST_TOKEN": TOKEN,
                "PYTHONUNBUFFERED": "1",
                **self.environment,
            },
            stdout=log,
            stderr=log,
            cwd=settings.BASE_DIR,
            start_new_session=True,
        )
        found = None
        give_up = time.monotonic() + 60
        while not found:
            said = self.said()
            found = re.search(r"as 127\.0\.0\.1:(\d+)\..*=(sha256:\w+)", said)
            assert self.process.poll() is None, said
            assert time.monotonic() < give_up, said
            time.sleep(0.05)
        self.port, self.fingerprint = int(found[1]), found[2]

    def said(self) -> str:
        """Give its log since it was started last."""
        return (self.home / "log").read_bytes()[self.began :].decode()

    def kill(self) -> None:
        """End it as a cut of the power would; its children die with it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        sys.stdout.write((self.home / "log").read_text())  # shown where a test fails


def make_place() -> Path:
    """Give a folder whose path is short enough for sockets."""
    return Path(tempfile.mkdtemp(prefix="flm-far-"))
