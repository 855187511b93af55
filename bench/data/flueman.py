"""Flueman by the real path: an installation as `make run` starts it, an import, a recipe, the sealed version."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl

from bench.data.recipe import STAGES, recipe
from bench.flueman import Flueman
from bench.loads import LOADS, WORK
from bench.processes import command_of, family, pss_bytes

LOOK_EVERY_S = 0.2


class Installation(Flueman):
    """One without models."""

    def begin(self) -> None:
        """Start in an empty folder."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.launch([sys.executable, "-m", "flueman.supervise"], self.environment)
        self.await_answer("/readyz")

    def workers(self) -> list[int]:
        """Give the processes of the worker, jobs that run among them."""
        assert self.process
        return [pid for pid in family(self.process.pid) if "run_jobs" in command_of(pid)]


class Peak:
    """The most memory that some processes held together, as the kernel shares it out: all, and without mapped files."""

    def __init__(self, server: Installation) -> None:
        self._server, self._is_over = server, threading.Event()
        self.bytes = self.own_bytes = 0
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Peak:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        """Look no more."""
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            workers = self._server.workers()
            self.bytes = max(self.bytes, sum(map(pss_bytes, workers)))
            self.own_bytes = max(self.own_bytes, sum(pss_bytes(pid, "Pss_Anon") for pid in workers))


def run(source: Path, thresholds: tuple[float, ...] = ()) -> dict[str, Any]:
    """Import and run the recipe; give seconds by stage, counts, memory, and for each threshold which ids were left."""
    server = Installation("data", LOADS["w1"])
    server.begin()
    try:
        with Peak(server) as peak:
            begun = time.perf_counter()
            server.manage("import_dataset", str(source), "--name", "bench")
            _run_recipe(server, "bench", recipe())
            whole = time.perf_counter() - begun
        found, took = _steps(server.home), _job_seconds(server.home)
        seconds = {"read": took["import"], "write": took["recipe"]}
        for kind, worked_ms, _rows in found:
            if kind in STAGES:
                seconds[STAGES[kind]] = seconds.get(STAGES[kind], 0.0) + worked_ms / 1000
                seconds["write"] -= worked_ms / 1000
        seconds["around"] = whole - took["import"] - took["recipe"]
        return {
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "counts": _counts(found),
            "peak_bytes": peak.bytes,
            "own_bytes": peak.own_bytes,
            "kept": {one: _kept(server, one) for one in thresholds},
        }
    finally:
        server.stop()


def _run_recipe(server: Installation, name: str, text: str) -> None:
    path = WORK / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    server.manage("run_recipe", str(path), "--dataset", "bench:1", "--to", name.replace(" ", "-") + "-out", "--wait")


def _kept(server: Installation, threshold: float) -> list[int]:
    """Give the ids of the rows that a threshold leaves."""
    name = f"near {threshold}"
    _run_recipe(server, name, recipe(threshold, is_near_only=True))
    target = WORK / f"near-{threshold}.parquet"
    server.manage("export_dataset", f"near-{threshold}-out", str(target), "--format", "parquet")
    return pl.read_parquet(target, columns=["id"])["id"].to_list()


def _steps(home: Path) -> list[tuple[str, int, int]]:
    """Give kind, milliseconds and rows out of each step of the recipe."""
    query = (
        "SELECT s.kind, s.worked_ms, s.rows_out FROM datasets_preprocessingstep s JOIN datasets_preprocessingjob p"
        " ON p.id = s.preprocessing_id WHERE p.id = (SELECT id FROM datasets_preprocessingjob WHERE kind = 'recipe'"
        " ORDER BY id DESC LIMIT 1) ORDER BY s.number"
    )
    with sqlite3.connect(home / "flueman.sqlite3") as database:
        return [(name, worked or 0, out or 0) for name, worked, out in database.execute(query)]


def _job_seconds(home: Path) -> dict[str, float]:
    """Give how long the work itself took, by kind: the last of each."""
    query = (
        "SELECT p.kind, (julianday(j.finished_at) - julianday(j.started_at)) * 86400"
        " FROM datasets_preprocessingjob p JOIN jobs_job j ON j.id = p.job_id ORDER BY p.id"
    )
    with sqlite3.connect(home / "flueman.sqlite3") as database:
        return dict(database.execute(query).fetchall())


def _counts(found: list[tuple[str, int, int]]) -> dict[str, int]:
    """Give the rows after each stage."""
    counts = {STAGES[kind]: rows for kind, _ms, rows in found if kind in STAGES}
    return {"read": 0, "filled": counts.get("fill", 0), "exact": counts.get("exact", 0), "near": counts.get("near", 0)}
