"""The whole OpenAPI schema under schemathesis, against the real processes, as every role and as nobody.

The suite takes 5 s a role, `make attacks` ten minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from accounts.roles import ROLES
from tests.attacks import table
from tests.house.installation import wait_until
from tests.site import Site

SECTION = "The edge: schemathesis"
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
SECONDS = 600 if "FLUEMAN_ATTACKS" in os.environ else 5
LEAST = 200 if "FLUEMAN_ATTACKS" in os.environ else 10  # of operations; a busy machine tries few in five seconds
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"
# They end the credential that the other calls need, or make all others wait for a log-in that is locked.
LEFT_OUT = "auth/logout|sessions/end-all|me/password|rotate$"


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_schema_when_generated_calls_are_made_then_no_fault(site: Site, role: str, tmp_path: Path) -> None:
    credential = []
    if role != "nobody":
        site.manage("create_user", f"st-{role}", "--role", role, "--no-password")
        scopes = "predict,feedback,read,manage"
        key = site.manage("create_api_key", f"st-{role}", "--user", f"st-{role}", "--scopes", scopes).splitlines()[-1]
        credential = ["--header", f"Authorization: Bearer {key}"]
    assert wait_until(lambda: site.installation.answers("/openapi.json"), 60)  # made once, in seconds of its own
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "run",
            f"http://127.0.0.1:{site.installation.port}/openapi.json", *credential,
            "--checks", CHECKS, "--seed", "1", "--phases", "coverage,fuzzing", "--max-time", str(SECONDS),
            "--continue-on-failure", "--suppress-health-check", "all", "--exclude-path-regex", LEFT_OUT,
            "--report", "ndjson", "--report-dir", str(tmp_path), "--warnings", "off",
        ],
        cwd=tmp_path, env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    operations, cases = figures(done.stdout)
    assert operations > LEAST, done.stdout[-3000:]
    assert cases > LEAST
    table.record(SECTION, f"as {role}", f"{operations} operations, {cases} cases, no 5xx", "harmless")


def figures(said: str) -> tuple[int, int]:
    """Give how many operations and cases there were."""
    lines: dict[str, Any] = {}
    for line in said.splitlines():
        words = line.split()
        if "Tested:" in words:
            lines["operations"] = int(words[-1])
        if "generated" in line and words and words[0].isdigit():
            lines["cases"] = int(words[0])
    return lines.get("operations", 0), lines.get("cases", 0)
