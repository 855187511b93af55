"""The servers under load: each starts on a free port in `bench/.work`, and ends with this process."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from functools import partial
from pathlib import Path

from bench.load import write_script
from flueman.launch import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "bench" / ".work"
START_S = 120
PEER_PACKAGES = ["fastapi==0.136.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0", "orjson==3.13.0"]
_random = random.Random(1)
ROW = [round(_random.gauss(0, 1), 4) for _ in range(256)]


class Server:
    """One server: where it listens, what is sent to it, its processes."""

    name = ""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.script = Path()

    def launch(self, command: list[str], environment: dict[str, str]) -> None:
        """Start the process, its output in a log."""
        with open(WORK / f"{self.name}.log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - no threads here
            )

    def await_ready(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """Return the first good answer of an address. Raises TimeoutError."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers or {})
        deadline = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.read()
            except OSError as error:
                told = error.read().decode() if isinstance(error, urllib.error.HTTPError) else str(error)
                if time.monotonic() > deadline or (self.process and self.process.poll() is not None):
                    raise TimeoutError(f"{self.name} is not ready: {told}") from error
                time.sleep(0.2)

    def stop(self) -> None:
        """End the server in order."""
        if self.process:
            self.process.terminate()
            self.process.wait(60)

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


class FastApi(Server):
    """The peer, in an environment of its own; torch and numpy are those of Flueman's.

    Plain is what `pip install fastapi uvicorn` runs (asyncio and h11), tuned has uvloop and httptools, as Flueman has.
    """

    def __init__(self, *, is_tuned: bool) -> None:
        super().__init__()
        self.name = "fastapi-tuned" if is_tuned else "fastapi"
        loop, http = ("uvloop", "httptools") if is_tuned else ("asyncio", "h11")
        self.options = ["--loop", loop, "--http", http, "--no-access-log", "--port", str(self.port)]

    def start(self) -> None:
        """Make the environment if there is none, start one worker, try it."""
        folder = WORK / "fastapi"
        if not (folder / "ready").exists():
            venv.create(folder, clear=True, with_pip=True)
            packages = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
            subprocess.run([folder / "bin" / "pip", "install", "-q", *PEER_PACKAGES], check=True)
            own = next(path for path in sys.path if path.endswith("site-packages"))
            (packages / "torch_of_flueman.pth").write_text(own + "\n")
            (folder / "ready").touch()
        server = [str(folder / "bin" / "python"), "-m", "uvicorn", "fastapi_peer:app", "--app-dir", "bench"]
        self.launch([*server, *self.options], {"WEIGHTS": str(WORK / "weights.pt")})
        body, headers = json.dumps({"x": [ROW]}).encode(), {"Content-Type": "application/json"}
        self.await_ready("/predict", body, headers)
        self.url = f"http://127.0.0.1:{self.port}/predict"
        self.script = write_script(WORK / f"{self.name}.lua", body, headers)


class Flueman(Server):
    """A whole installation as `make run` starts it, with a key, on SQLite or the database of DATABASE_URL."""

    name = "flueman"

    def __init__(self, **environment: str) -> None:
        super().__init__()
        self.home = WORK / "home"
        fixed = {"FLUEMAN_HOME": str(self.home), "PORT": str(self.port), "FLUEMAN_DEMO": "0", "LOG_LEVEL": "WARNING"}
        self.environment = {"WEB_CONCURRENCY": "1", **fixed, **environment}

    def start(self) -> None:
        """Start in an empty folder, deploy the model, make a key, try it."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.launch([sys.executable, "-m", "flueman.supervise"], self.environment)
        self.await_ready("/readyz")
        self.manage("import_model", str(WORK / "model"), "--name", "numbers", "--deploy")
        self.manage("create_user", "bench", "--role", "client", "--no-password")
        key = self.manage("create_api_key", "bench", "--user", "bench", "--scopes", "predict").split()[-1]
        entry = {"name": "x", "datatype": "FP32", "shape": [1, 256], "data": ROW}
        body = json.dumps({"inputs": [entry]}).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": key}
        self.await_ready("/v2/models/numbers/infer", body, headers)
        self.url = f"http://127.0.0.1:{self.port}/v2/models/numbers/infer"
        self.script = write_script(WORK / "flueman.lua", body, headers)

    def manage(self, *arguments: str) -> str:
        """Run a management command and give what it prints."""
        command = [sys.executable, "manage.py", *arguments]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def rows(self) -> int:
        """Give how many requests are in the database (SQLite only)."""
        with sqlite3.connect(self.home / "flueman.sqlite3") as database:
            return database.execute("SELECT COUNT(*) FROM requests").fetchone()[0]

    def parts(self) -> dict[str, list[int]]:
        """Give web, the model host with its children, the job worker and the supervisor."""
        assert self.process
        parts: dict[str, list[int]] = {"web": [], "host": [], "worker": [], "supervisor": []}
        for pid in family(self.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_text()
            is_host = "run_model_host" in words or "inference.runner" in words
            part = "web" if "gunicorn" in words else "host" if is_host else "worker" if "run_jobs" in words else ""
            parts[part or "supervisor"].append(pid)
        return parts


def family(pid: int) -> list[int]:
    """Give a process and all below it."""
    below = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(deeper for child in below for deeper in family(child))]


def pss_bytes(pid: int) -> int:
    """Give the memory of a process, with shared pages counted in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """Give the processor time of a process, in user and in system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
