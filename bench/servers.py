"""A server under load: it starts on a free port and ends with this process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import write_script
from bench.loads import ROOT, WORK, Load
from bench.processes import cpu_seconds, family, pss_bytes, send
from flueman.launch import die_with_parent

START_S = 180
JSON = {"Content-Type": "application/json"}


class Server:
    """One server with one load: its processes, where it listens, what is sent to it and how its answer is read."""

    path = "/predict"
    paused_by_stop = True  # between its turns, so that an idle server takes nothing from the one that is measured

    def __init__(self, name: str, load: Load, *, core: int | None = None) -> None:
        self.name, self.load, self.core = name, load, core
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.headers: dict[str, str] = dict(JSON)
        self.body = load.plain_body()
        self.script = Path()

    @property
    def url(self) -> str:
        """Where the load goes."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def start(self) -> None:
        """Start, and compare the first answer with that of torch."""
        self.begin()
        self.load.check(self.outputs(self.await_answer(self.path, self.body, self.headers)))
        self.script = write_script(WORK / f"{self.name}-{self.load.name}.lua", self.body, self.headers)

    def begin(self) -> None:
        """Start the processes."""
        raise NotImplementedError  # each server says how

    def outputs(self, answer: bytes) -> np.ndarray:
        """Give the outputs that an answer holds."""
        return np.array(json.loads(answer)["y"])

    def launch(self, command: Sequence[str], environment: dict[str, str], folder: Path = ROOT) -> None:
        """Start the process, its output in a log; on one core if so wanted."""
        pinned = ["taskset", "-c", str(self.core)] if self.core is not None else []
        with open(WORK / f"{self.name}.log", "wb") as log:
            self.process = subprocess.Popen(
                [*pinned, *command],
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - no threads here
            )

    def await_answer(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """Return the first good answer of an address. Raises TimeoutError."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                return self.ask(path, body, headers)
            except OSError as error:
                told = error.read().decode()[:500] if isinstance(error, urllib.error.HTTPError) else str(error)
                if time.monotonic() > deadline or (self.process and self.process.poll() is not None):
                    raise TimeoutError(f"{self.name} is not ready: {told}") from error
                time.sleep(0.1)

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """Give the answer to one call. Raises OSError for all but a 2xx."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers or {})
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def pause(self) -> None:
        """Take nothing from the others until `resume`."""
        if self.paused_by_stop and self.process:
            send(family(self.process.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        if self.paused_by_stop and self.process:
            send(family(self.process.pid), signal.SIGCONT)

    def stop(self) -> None:
        """End the server and whatever it leaves behind."""
        if not self.process:
            return
        self.resume()
        pids = family(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        send(pids[1:], signal.SIGKILL)
        self.process = None

    def parts(self) -> dict[str, list[int]]:
        """Give its processes by what they are."""
        assert self.process
        return {"server": family(self.process.pid)}

    def memory_bytes(self) -> dict[str, int]:
        """Give the proportional memory of each part."""
        return {name: sum(map(pss_bytes, pids)) for name, pids in self.parts().items()}

    def cpu_seconds(self) -> dict[str, float]:
        """Give the processor time that each part has used."""
        return {name: sum(map(cpu_seconds, pids)) for name, pids in self.parts().items()}

    def facts(self) -> dict[str, Any]:
        """Give what else is worth telling once all turns are done."""
        return {}


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
