"""Large tensors, as JSON and as bytes: `python -m bench tensors`."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

from bench.flueman import Flueman
from bench.loads import WIDE, Load
from bench.report import table


def measure(options: argparse.Namespace) -> tuple[str, str, Any]:
    """Send tensors of 1 MB and 16 MB one after the other."""
    rows: list[list[Any]] = []
    calls = options.rounds
    server = Flueman("flueman", WIDE["t1"], MAX_INFER_BYTES=str(64 << 20))
    try:
        server.start()
        for load in WIDE.values():
            for kind, (body, headers) in {"JSON": json_call(load), "bytes": binary_call(load)}.items():
                answer = server.await_answer(server.path, body, {**server.headers, **headers})
                load.check(server.outputs(answer))
                before, times = server.cpu_seconds(), []
                for _ in range(calls):
                    begun = time.perf_counter()
                    server.ask(server.path, body, {**server.headers, **headers})
                    times.append((time.perf_counter() - begun) * 1000)
                after = server.cpu_seconds()
                cpu = [f"{(after[part] - before[part]) / calls * 1000:.0f}" for part in ("web", "host")]
                size = f"{load.rows * load.columns * 4 / 2**20:.0f} MiB, {kind}, body of {len(body) / 2**20:.1f} MiB"
                rows.append(
                    [
                        size,
                        f"{statistics.median(times):.0f}",
                        f"{max(times):.0f}",
                        *cpu,
                        f"{server.memory_bytes()['web'] / 2**20:.0f}",
                    ]
                )
                print(*rows[-1], flush=True)
    finally:
        server.stop()
    text = table(["tensor", "ms (median)", "ms (worst)", "CPU of web, ms", "CPU of host, ms", "web, PSS MiB"], rows)
    return "Large tensors, one client", text, rows


def json_call(load: Load) -> tuple[bytes, dict[str, str]]:
    """Give a call as JSON."""
    return load.v2_body(), {}


def binary_call(load: Load) -> tuple[bytes, dict[str, str]]:
    """Give a call with the tensor as bytes behind the JSON. Source: the protocol's binary data extension."""
    data = np.array(load.inputs(), dtype="<f4").tobytes()
    tensor = {
        "name": "x",
        "datatype": "FP32",
        "shape": [load.rows, load.columns],
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + data, {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
