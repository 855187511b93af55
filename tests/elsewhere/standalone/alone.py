"""The stand-alone server as a real process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from flueman.settings import BASE_DIR

TOKEN = "sesame-of-the-tests"


class Alone:
    """One server; calls carry its token unless another is given."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url

    def call(self, path: str, body: Any = None, *, token: str = TOKEN, **headers: str) -> httpx.Response:
        """Send a request: POST where there is a body."""
        given = {"Authorization": f"Bearer {token}".strip()} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        if body is None:
            return httpx.get(self.url + path, headers=given, timeout=20)
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return httpx.post(self.url + path, headers=given, timeout=20, **content)

    def predict(self, *rows: list[float]) -> httpx.Response:
        """Call the model with rows of four numbers."""
        data = [value for row in rows for value in row]
        tensor = {"name": "x", "datatype": "FP32", "shape": [len(rows), 4], "data": data}
        return self.call("/v2/models/small/infer", {"inputs": [tensor]})

    def children(self) -> list[int]:
        """Give the pids below it."""
        return [
            int(word) for word in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]


@contextmanager
def running(folder: Path, *more: str, **environment: str) -> Iterator[Alone]:
    """Run a server of a folder's model while the block runs."""
    log = folder.with_suffix(".log")
    words = ["--name", "small", "--version", "3", "--port", "0", *more]
    if "FLUEMAN_SOURCE" not in environment:
        words += ["--folder", str(folder)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "inference.standalone", *words],
            cwd=BASE_DIR,
            env={"PATH": os.environ["PATH"], "FLUEMAN_TOKEN": TOKEN, **environment},
            stdout=out,
            stderr=out,
        )
    try:
        give_up = time.monotonic() + 60
        found = None
        while not found:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            found = re.search(r"running on (http://[0-9.:]+)", log.read_text())
            time.sleep(0.05)
        yield Alone(process, found[1])
    finally:
        process.terminate()
        process.wait(30)
        sys.stdout.write(log.read_text())
