"""Runs the tests on each database and ends with the figures of all: `make test`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import browser_problem  # noqa: E402
from tests.databases import PROBLEMS  # noqa: E402
from tests.elsewhere.on_ray import ray_problem  # noqa: E402


def main() -> int:
    """Run pytest once for each database and give the worst exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=list(PROBLEMS), action="append", help="only this one")
    parser.add_argument("--workers", default="2", help="test processes at once")
    options, rest = parser.parse_known_args()
    codes, lines = [], []
    databases = {name: prepare(name) for name in options.database or PROBLEMS}
    for database, problem in databases.items():
        if problem:
            lines.append(f"{database}: LEFT OUT: {problem}")
            continue
        code, line = run(database, options.workers, rest)
        codes.append(code)
        lines.append(line)
    print("\n".join(["", *lines, *left_out()]), flush=True)
    return max(codes, default=1)


def prepare(database: str) -> str:
    """Install the driver if only that is missing; give why the tests cannot run there, or an empty string."""
    if PROBLEMS[database]().startswith("the package"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*command, "-c", "constraints.txt", "-r", "requirements-production.txt"], cwd=ROOT, check=False)
    return PROBLEMS[database]()


def run(database: str, workers: str, rest: list[str]) -> tuple[int, str]:
    """Run pytest on one database; give its exit code and a line with the figures."""
    report = ROOT / "test-results" / f"{database}.xml"
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist=worksteal", f"--junitxml={report}", *rest]
    print(f"== tests on {database} ==", flush=True)
    environment = {**os.environ, "FLUEMAN_TEST_DATABASE": database}
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if not report.exists():
        return code or 1, f"{database}: pytest wrote no report"
    suite = ElementTree.parse(report).getroot().find("testsuite")
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    figures = ", ".join(f"{count} {name}" for name, count in counts.items())
    return code, f"{database}: {figures}, {time.monotonic() - started:.0f} s"


def left_out() -> list[str]:
    """Give a line for each thing that this machine lacks and tests therefore left out."""
    problems = {"browser": browser_problem(), "ray": ray_problem()}
    return [f"{name}: LEFT OUT: {problem}" for name, problem in problems.items() if problem]


if __name__ == "__main__":
    sys.exit(main())
