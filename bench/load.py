"""One measurement: the same POST from some clients for some seconds, by wrk, else by `bench.loader`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  local bad = e.status + e.connect + e.read + e.write + e.timeout
  io.write(string.format('{"requests": %d, "us": %d, "bad": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.duration, bad, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run gave; `errors` are answers that were no 2xx, and calls without an answer."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    errors: int


def write_script(path: Path, body: bytes, headers: dict[str, str]) -> Path:
    """Write the wrk script of a request, and beside it what `bench.loader` reads."""
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body.decode())}"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    path.write_text("\n".join([*lines, _DONE]))
    path.with_suffix(".json").write_text(json.dumps({"headers": headers, "body": body.decode()}))
    return path


def measure(url: str, script: Path, *, clients: int, seconds: float, core: int | None = None) -> Result:
    """Run the clients, on a core of their own if so wanted."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    if shutil.which("wrk"):
        times = [f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        command = ["wrk", "-t1", *times, "-s", str(script), url]
    else:
        options = ["--clients", str(clients), "--seconds", str(seconds)]
        command = [sys.executable, "-m", "bench.loader", url, str(script.with_suffix(".json")), *options]
    output = subprocess.run([*pinned, *command], check=True, capture_output=True, text=True).stdout
    return read_result(output)


def read_result(output: str) -> Result:
    """Give the result that wrk or the loader printed."""
    match = re.search(r"^\{.*\}$", output, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"no result:\n{output}")
    found = json.loads(match.group())
    answers = max(0, found["requests"] - found["bad"])  # a refused connection is bad without being a request
    return Result(answers / found["us"] * 1e6, found["p50"] / 1000, found["p99"] / 1000, answers, found["bad"])
