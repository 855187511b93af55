"""A cluster of two nodes on this machine, at 127.0.0.1 and 127.0.0.2, that takes only calls with its token."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Cluster:
    """Starts the nodes and kills them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.address = f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start both nodes."""
        head = ("--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder / 'r'}")
        self._start("127.0.0.1", *head)
        self._start("127.0.0.2", f"--address={self.address}")

    def _start(self, address: str, *words: str) -> None:
        log = self.folder / f"{address}.log"
        with log.open("wb") as out:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", *words, f"--node-ip-address={address}"),
                    *("--num-cpus=2", "--disable-usage-stats", "--object-store-memory=100000000"),
                ],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=90,
                check=False,
            )
        assert done.returncode == 0, log.read_text()[-3000:]

    def pids(self, *wanted: str) -> list[int]:
        """Give the processes of the cluster whose command line holds all these words."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in line and all(word in line for word in wanted):
                found.append(int(entry.name))
        return found

    def kill_node(self, address: str) -> None:
        """End a node as a cut of the power would: first what watches the others, then all that is left."""
        raylets = self.pids("raylet/raylet", f"--node_ip_address={address}")
        workers = [pid for raylet in raylets for pid in descendants(raylet)]
        for pid in [*raylets, *workers, *self.pids(address)]:
            kill(pid)

    def end(self) -> None:
        """Leave nothing behind."""
        give_up = time.monotonic() + 20
        while (pids := self.pids()) and time.monotonic() < give_up:
            for pid in {*pids, *(child for one in pids for child in descendants(one))}:
                kill(pid)
            time.sleep(0.2)


def descendants(pid: int) -> list[int]:
    """Give the pids below a process."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(word) for word in file.read_text().split()]
        except OSError:
            continue
        found += [*below, *(child for one in below for child in descendants(one))]
    return found


def kill(pid: int) -> None:
    """End a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def free_port() -> int:
    """Give a port that nobody listens on, below those that clients are given."""
    for port in range(21000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
