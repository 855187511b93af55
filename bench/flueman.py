"""Flueman under load: a whole installation as `make run` starts it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.loads import ROOT, WORK, Load
from bench.processes import command_of, family, on_core
from bench.servers import Server
from tests.mariadb import MariaDB


class Flueman(Server):
    """It checks a key and, unless relaxed, has the rows of a call committed before it answers."""

    paused_by_stop = False  # its model host would take a pause for a hang
    path = "/v2/models/numbers/infer"

    def __init__(
        self, name: str, load: Load, *, core: int | None = None, is_mariadb: bool = False, **settings: str
    ) -> None:
        super().__init__(name, load, core=core)
        self.body = load.v2_body()
        self.home = WORK / "homes" / name
        self.is_mariadb = is_mariadb
        self.database: MariaDB | None = None
        fixed = {"FLUEMAN_HOME": str(self.home), "PORT": str(self.port), "FLUEMAN_DEMO": "0", "LOG_LEVEL": "WARNING"}
        self.environment = {"WEB_CONCURRENCY": "1", "OUTGOING_ALLOW": "", **fixed, **settings}

    def begin(self) -> None:
        """Start in an empty folder, deploy the model, make a key."""
        shutil.rmtree(self.home, ignore_errors=True)
        if self.is_mariadb:
            self.database = MariaDB(Path(tempfile.mkdtemp(prefix="flm-bench-")), is_durable=True)
            with on_core(self.core):
                self.database.start()
            self.environment["DATABASE_URL"] = self.database.make_database("flueman")
        self.launch([sys.executable, "-m", "flueman.supervise"], self.environment)
        self.await_answer("/readyz")
        self.manage("import_model", str(self.load.folder), "--name", "numbers", "--deploy")
        self.manage("create_user", "bench", "--role", "client", "--no-password")
        self.headers["X-API-Key"] = self.make_key("bench")

    def make_key(self, name: str, *options: str) -> str:
        """Make an API key that may predict."""
        return self.manage("create_api_key", name, "--user", "bench", "--scopes", "predict", *options).split()[-1]

    def outputs(self, answer: bytes) -> np.ndarray:
        """Read an answer of the Open Inference Protocol."""
        tensor = json.loads(answer)["outputs"][0]
        return np.array(tensor["data"]).reshape(tensor["shape"])

    def stop(self) -> None:
        """End the installation, then its database."""
        super().stop()
        if self.database:
            self.database.stop()
            shutil.rmtree(self.database.folder, ignore_errors=True)
            self.database = None

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
            count: int = database.execute("SELECT COUNT(*) FROM requests").fetchone()[0]
            return count

    def facts(self) -> dict[str, Any]:
        """Give the rows kept: as many as answers."""
        return {} if self.is_mariadb else {"rows": self.rows()}

    def parts(self) -> dict[str, list[int]]:
        """Give web, the model host with its children, the job worker, the database and the supervisor."""
        assert self.process
        parts: dict[str, list[int]] = {"web": [], "host": [], "worker": [], "supervisor": []}
        for pid in family(self.process.pid):
            words = command_of(pid)
            is_host = "run_model_host" in words or "inference.runner" in words
            part = "web" if "gunicorn" in words else "host" if is_host else "worker" if "run_jobs" in words else ""
            parts[part or "supervisor"].append(pid)
        if self.database and self.database.process:
            parts["database"] = family(self.database.process.pid)
        return parts
