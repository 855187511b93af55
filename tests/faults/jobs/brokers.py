"""Real brokers of the tests: Redis, and SQS as moto serves it; each can be taken away and brought back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from flueman.launch import die_with_parent


class Broker:
    """A server on a port of its own, with the QUEUE_URL and the environment that lead to it; none for the database."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def most_waiting(self) -> int:
        """Give how many jobs wait in the queue at most, 0 for any: each message costs moto a look at all others."""
        return 300 if self.kind == "sqs" else 0

    @property
    def environment(self) -> dict[str, str]:
        """Give what a cluster needs to know."""
        if self.kind == "redis":
            return {"QUEUE_URL": f"redis://127.0.0.1:{self.port}/0"}
        if self.kind == "sqs":
            endpoint = f"http://127.0.0.1:{self.port}"
            keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL_SQS": endpoint}
            return {"QUEUE_URL": "sqs://flueman-test?aws_region=ap-northeast-2", **keys}
        return {"QUEUE_URL": "orm://default"}

    def start(self) -> None:
        """Start it, empty."""
        if self.kind == "orm":
            return
        if self.kind == "redis" and not shutil.which("redis-server"):
            pytest.fail("redis-server is not installed (Debian: apt-get install redis-server)")
        moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        redis = [
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen(
                redis if self.kind == "redis" else moto,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, "the broker did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it; what it held is gone."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextmanager
    def away(self, *, is_silent: bool) -> Iterator[None]:
        """Let nothing listen at its port, or something that takes connections and never says a word."""
        with socket.socket() as listener:
            if is_silent:
                listener.bind(("127.0.0.1", self.port))
                listener.listen(1000)
            yield

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
