"""Takes a hostile version the way an uploaded one goes: the web's look at it, then the confined check."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from common import sandbox
from common.errors import FluemanError
from registry.intake import staged
from tests.attacks.artefacts.pickles import CHECK, DOOR, PASSES, Canary, Case

CHECK_DEADLINE_S, CHECK_MEMORY_BYTES = 90, 3 << 30


@dataclass
class Judged:
    """Where a version ended, what was said, and what that cost."""

    verdict: str
    said: str
    door_ms: float
    door_mib: float
    check_ms: float = 0.0
    check_mib: float = 0.0


def judge(case: Case, folder: Path, canary: Canary) -> Judged:
    """Make the version and take it through. Whatever is raised that is no refusal of ours fails the test."""
    case.make(folder, canary)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, started = _peak_mib(), time.perf_counter()
    try:
        with staged(files, manifest=None) as kept:
            cost = ((time.perf_counter() - started) * 1000, _peak_mib() - before)
            return _check(case, kept.folder, cost)
    except FluemanError as error:
        return Judged(DOOR, error.message, (time.perf_counter() - started) * 1000, _peak_mib() - before)


def _check(case: Case, folder: Path, cost: tuple[float, float]) -> Judged:
    out = folder.parent / "out.safetensors"
    out.touch()
    options = ["--folder", str(folder), "--out", str(out), "--memory-bytes", str(CHECK_MEMORY_BYTES)]
    command = sandbox.command("inference.runner.check", *options, *(["--trusted"] if case.is_trusted else []))
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=sandbox.environment(threads=1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
    ) as process:
        try:
            said = process.communicate(timeout=CHECK_DEADLINE_S)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Judged(CHECK, "killed at its deadline", *cost, (time.perf_counter() - started) * 1000)
    spent = (time.perf_counter() - started) * 1000
    lines = [json.loads(line) for line in said.splitlines()]
    report = lines[-1].get("report", {}) if lines else {}
    if not report:
        return Judged(CHECK, f"the process ended with {process.returncode}", *cost, spent)
    failed = [step["message"] for step in report["steps"] if step["state"] == "failed"]
    mib = report.get("memory_bytes", 0) / 1024**2
    return Judged(PASSES if report["ok"] else CHECK, failed[0] if failed else "passed its check", *cost, spent, mib)


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
