"""The microseconds of a call by part: stacks of web sampled by py-spy, and the answers' own timing."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import uvloop

from bench.flueman import Flueman
from bench.load import measure as call
from bench.loader import request_bytes
from bench.loads import LOADS, WORK
from bench.report import table

# The first part of which a piece stands in a frame, from the innermost frame outwards, has the sample.
PARTS = (
    ("record", ("inference/log/rows.py", "inference/bodies/stored.py", "rows_of")),
    ("commit", ("inference/log/recorder.py",)),
    ("send", ("common/asgi.py", "_head (")),
    ("render", ("inference/v2/answers.py", "flat_values")),
    ("key", ("accounts/credentials.py", "accounts/directory.py", "let_in", "guards/")),
    (
        "parse",
        (
            "payload.py",
            "large_bodies.py",
            "strict_json.py",
            "registry/signature.py",
            "registry/numbers.py",
            "inference/bodies/binary.py",
        ),
    ),
    (
        "choose",
        ("inference/traffic/choosing.py", "inference/snapshot.py", "inference/running.py", "inference/runners.py"),
    ),
    (
        "unpack",
        (
            "data_received (inference/transport",
            "_finish",
            "split (",
            "decode (",
            "feed (",
            "_read (inference/runner/frames",
        ),
    ),
    ("pack and hand over", ("inference/transport", "inference/runner/frames.py")),
    ("body", ("read_body", "inference/v2/bodies.py")),
    ("engine", ("inference/engine.py",)),
    ("gateway", ("inference/v2/", "flueman/asgi.py", "common/cors.py")),
    ("HTTP", ("uvicorn/", "flueman/worker.py")),
    ("event loop", ("",)),
)
SECONDS = 12
CLIENTS = (1, 64)


def measure(options: argparse.Namespace) -> tuple[str, str, Any]:
    """Sample web under W1 and W2."""
    texts, data = [], {}
    for name in options.loads.split(","):
        server = Flueman("flueman", LOADS[name])
        try:
            server.start()
            for clients in CLIENTS:
                parts, rate, cpu_us = sample(server, clients)
                timing = uvloop.run(timings(server)) if clients == 1 else {}
                rows = [[part, f"{share * cpu_us:.0f}", f"{share:.0%}"] for part, share in parts.items()]
                texts.append(
                    f"### {server.load.title}, {clients} clients: {rate:.0f}/s, web uses {cpu_us:.0f} us an answer"
                )
                texts.append(table(["part", "us", "share"], rows))
                if timing:
                    shown = ", ".join(f"{part} {value * 1000:.0f}" for part, value in timing.items())
                    texts.append(f"By the clock, as the answers say (median of one client), us: {shown}.")
                data[f"{name} {clients}"] = {"parts": parts, "rate": rate, "cpu_us": cpu_us, "timing_ms": timing}
        finally:
            server.stop()
    return "Where the microseconds go", "\n\n".join(texts), data


def sample(server: Flueman, clients: int) -> tuple[dict[str, float], float, float]:
    """Give the share of each part in web's processor time, the rate, and web's time an answer."""
    raw = WORK / "where.raw"
    worker = server.parts()["web"][-1]
    spy = [
        str(Path(sys.executable).parent / "py-spy"),
        "record",
        "-r",
        "250",
        "-f",
        "raw",
        "-o",
        str(raw),
        "-p",
        str(worker),
    ]
    watching = subprocess.Popen([*spy, "-d", str(SECONDS - 2)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = server.cpu_seconds()["web"]
    result = call(server.url, server.script, clients=clients, seconds=SECONDS)
    cpu_us = (server.cpu_seconds()["web"] - before) / max(result.answers, 1) * 1e6
    if watching.wait(60):
        raise RuntimeError("py-spy could not look at the web worker; it needs the right to trace")
    counts: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        counts[part_of(stack.split(";"))] += int(number)
    total = max(sum(counts.values()), 1)
    return {part: counts[part] / total for part, _ in PARTS}, result.per_second, cpu_us


def part_of(frames: list[str]) -> str:
    """Give the part that a stack, outermost frame first, belongs to."""
    for frame in reversed(frames):
        for part, pieces in PARTS[:-1]:
            if any(piece in frame for piece in pieces):
                return part
    return PARTS[-1][0]


async def timings(server: Flueman) -> dict[str, float]:
    """Give the medians of what 300 answers say in Server-Timing, in milliseconds."""
    request = request_bytes(server.url, server.headers, server.body)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(300):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(lines["content-length"]))
        for entry in lines["server-timing"].split(", "):
            part, _, value = entry.partition(";dur=")
            found[part].append(float(value))
    writer.close()
    return {part: statistics.median(values) for part, values in found.items()}
