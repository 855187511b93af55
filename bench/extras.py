"""What an idempotency key or a limit costs a call, and that they cost the others nothing: `python -m bench extras`."""

from __future__ import annotations

import argparse
import statistics
import uuid
from collections import defaultdict
from typing import Any

import uvloop

from bench.flueman import Flueman
from bench.loader import Request, percentile, request_bytes, run
from bench.loads import LOADS
from bench.report import table

CLIENTS = (1, 8)
SECONDS = 3.0


def measure(options: argparse.Namespace) -> tuple[str, str, Any]:
    """Measure the kinds of calls in turns on one server."""
    server = Flueman("flueman", LOADS["w1"])
    cells: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
    errors = 0
    try:
        server.start()
        kinds = requests(server)
        for clients in CLIENTS:
            for _ in range(options.rounds):
                for name, request in kinds.items():
                    before = server.cpu_seconds()
                    tally = uvloop.run(run(server.url, request, clients=clients, seconds=SECONDS))
                    calls = max(len(tally.latencies), 1)
                    cpu = (server.cpu_seconds()["web"] - before["web"]) / calls * 1e6
                    cells[name, clients].append([calls / SECONDS, percentile(tally.latencies, 0.5) * 1000, cpu])
                    errors += len(tally.errors)
    finally:
        server.stop()
    rows = [
        [
            clients,
            name,
            *(
                f"{statistics.median(column):.{digits}f}"
                for column, digits in zip(zip(*cell, strict=True), (0, 2, 0), strict=True)
            ),
        ]
        for (name, clients), cell in cells.items()
    ]
    text = table(["clients", "call", "answers/s", "p50 ms", "CPU of web, us"], rows)
    return "Extras of a call, W1", f"{text}\n\n{errors} errors.", {str(key): cell for key, cell in cells.items()}


def requests(server: Flueman) -> dict[str, Request]:
    """Give the kinds of calls."""
    limited = server.make_key("limited", "--per-minute", "600000", "--burst", "10000")
    head, _, rest = request_bytes(server.url, {**server.headers, "Idempotency-Key": "@"}, server.body).partition(b"@")
    server.await_answer(server.path, server.body, {**server.headers, "X-API-Key": limited})
    return {
        "a key": request_bytes(server.url, server.headers, server.body),
        "a key with a limit": request_bytes(server.url, {**server.headers, "X-API-Key": limited}, server.body),
        "an idempotency key": lambda: head + uuid.uuid4().hex.encode() + rest,
    }
