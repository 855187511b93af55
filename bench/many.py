"""A hundred models at once: memory of each, first answer of a cold one: `python -m bench many`."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from bench.flueman import Flueman
from bench.loads import LOADS
from bench.report import table

_IMPORT = """
from django.core.management import call_command
for number in range(1, {models}):
    call_command("import_model", "{folder}", "--name", f"numbers{{number}}", "--deploy")
"""


def measure(options: argparse.Namespace) -> tuple[str, str, Any]:
    """Deploy the models, then ask each for the first and the second time."""
    server, models = Flueman("flueman", LOADS["w1"]), options.models
    try:
        server.start()
        before = server.memory_bytes()
        begun = time.perf_counter()
        server.manage("shell", "-v", "0", "-c", _IMPORT.format(models=models, folder=server.load.folder))
        paths = [f"/v2/models/numbers{number}/infer" for number in range(1, models)]
        for path in paths[-2:]:
            server.await_answer(path, server.body, server.headers)
        took = time.perf_counter() - begun
        after = server.memory_bytes()
        firsts, seconds = [timed(server, path) for path in paths[:-2]], [timed(server, path) for path in paths[:-2]]
    finally:
        server.stop()
    each = (after["host"] - before["host"]) / (models - 1) / 2**20
    rows = [
        [f"import, check and start of {models - 1} models, s each", f"{took / (models - 1):.2f}"],
        ["host and its children, PSS MiB a model", f"{each:.1f}"],
        ["web, PSS MiB in all, before and after", f"{before['web'] / 2**20:.0f}, {after['web'] / 2**20:.0f}"],
        [
            "first answer of a model that was never asked, ms (median, worst)",
            f"{statistics.median(firsts):.1f}, {max(firsts):.1f}",
        ],
        ["its second answer, ms (median, worst)", f"{statistics.median(seconds):.1f}, {max(seconds):.1f}"],
    ]
    return (
        f"{models} models at once",
        table(["what", "measured"], rows),
        {"memory_mib": each, "firsts_ms": firsts, "seconds_ms": seconds},
    )


def timed(server: Flueman, path: str) -> float:
    """Give how long one call over a fresh connection takes, in milliseconds."""
    begun = time.perf_counter()
    server.ask(path, server.body, server.headers)
    return (time.perf_counter() - begun) * 1000
