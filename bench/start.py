"""From start to first answer, with a model deployed before: `python -m bench start`."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

from bench.flueman import Flueman
from bench.loads import LOADS
from bench.report import table

TURNS = 3


def measure(_options: argparse.Namespace) -> tuple[str, str, Any]:
    """Start an installation again and again; give the table."""
    server = Flueman("flueman", LOADS["w1"])
    found: dict[str, list[float]] = {"web lives": [], "web is ready": [], "first prediction": []}
    try:
        server.start()
        for _ in range(TURNS):
            server.stop()
            begun = time.perf_counter()
            server.launch([sys.executable, "-m", "flueman.supervise"], server.environment)
            for name, call in zip(
                found, (("/livez",), ("/readyz",), (server.path, server.body, server.headers)), strict=True
            ):
                server.await_answer(*call)
                found[name].append(time.perf_counter() - begun)
    finally:
        server.stop()
    rows = [[name, f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"] for name, seconds in found.items()]
    return f"Start, {TURNS} times", table(["from the start until", "s (median)", "s (worst)"], rows), found
