"""One measurement with wrk: the same POST from a number of clients for some seconds."""

from __future__ import annotations

import json
import re
import subprocess
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
    """What one run gave; every answer was a 2xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int


def write_script(path: Path, body: bytes, headers: dict[str, str]) -> Path:
    """Write the wrk script of a request."""
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body.decode())}"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    path.write_text("\n".join([*lines, _DONE]))
    return path


def measure(url: str, script: Path, *, clients: int, seconds: float) -> Result:
    """Run wrk. Raises RuntimeError if an answer was not a 2xx."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout", "10s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(re.search(r"^\{.*\}$", output, re.MULTILINE).group())  # type: ignore[union-attr]
    if found["bad"]:
        raise RuntimeError(f"{found['bad']} of {found['requests']} answers were no 2xx\n{output}")
    return Result(found["requests"] / found["us"] * 1e6, found["p50"] / 1000, found["p99"] / 1000, found["requests"])
