"""Steady load for minutes: slopes of memory, descriptors, errors: `python -m bench soak --minutes 30`."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import uvloop

from bench.flueman import Flueman
from bench.loader import Tally, percentile, request_bytes, run
from bench.loads import LOADS
from bench.processes import descriptors, pss_bytes
from bench.report import table

SHARE = 0.6
CLIENTS = 16
EVERY_S = 5.0
SETTLING = 0.2  # of the time, left out of the slopes
PARTS = 30  # a pause of the machine then shows in some, not in all
Sample = dict[str, tuple[int, int]]  # (bytes, descriptors) by process


def measure(options: argparse.Namespace) -> tuple[str, str, Any]:
    """Find what the machine can do, then run at a share of it."""
    server = Flueman("flueman", LOADS["w1"])
    try:
        server.start()
        request = request_bytes(server.url, server.headers, server.body)
        fastest = uvloop.run(run(server.url, request, clients=CLIENTS, seconds=5))
        rate = len(fastest.latencies) / 5 * SHARE
        times, samples, tally = uvloop.run(watch(server, request, rate, options.minutes * 60))
        rows = server.rows()
    finally:
        server.stop()
    shown = slopes(times, samples)
    text = [
        table(
            ["process", "MiB at first", "MiB at the end", "MiB an hour", "descriptors at first", "at the end"], shown
        ),
        "",
    ]
    p50, p99 = (percentile(tally.latencies, share) * 1000 for share in (0.5, 0.99))
    parts = sorted(percentile(part, 0.99) * 1000 for part in in_parts(tally.latencies, PARTS))
    errors = f"{len(tally.errors)} errors{': ' + tally.errors[0] if tally.errors else ''}"
    text += [
        f"{len(tally.latencies)} calls at {rate:.0f}/s, {errors}; p50 {p50:.2f} ms, p99 {p99:.2f} ms "
        f"(of each {PARTS}th of them: median {median(parts):.2f} ms, worst {parts[-1]:.2f} ms); {rows} rows."
    ]
    title = f"Soak, {options.minutes:g} minutes of W1 at {SHARE:.0%} load"
    data = {"rate": rate, "errors": tally.errors[:20], "slopes": shown, "p99_ms": p99, "p99s_ms": parts}
    return title, "\n".join(text), data


def in_parts(values: Sequence[float], count: int) -> list[Sequence[float]]:
    """Cut values, in the order in which they came, into so many parts of one length; there are at least as many."""
    size = len(values) // count
    return [values[number * size : (number + 1) * size] for number in range(count)]


async def watch(
    server: Flueman, request: bytes, rate: float, seconds: float
) -> tuple[list[float], list[Sample], Tally]:
    """Run the load and look at the processes now and then."""
    load = asyncio.ensure_future(run(server.url, request, clients=CLIENTS, seconds=seconds, per_second=rate))
    begun, times, samples = time.monotonic(), [], []
    while not load.done():
        times.append(time.monotonic() - begun)
        samples.append(look(server))
        await asyncio.wait([load], timeout=EVERY_S)
    return times, samples, await load


def look(server: Flueman) -> Sample:
    """Give memory and descriptors of each process that goes on."""
    parts = server.parts()
    return {f"{name} {pid}": (pss_bytes(pid), descriptors(pid)) for name, pids in parts.items() for pid in pids}


def slopes(times: list[float], samples: list[Sample]) -> list[list[Any]]:
    """Give a row for each process that was there from the first settled sample to the last, by least squares."""
    first = int(len(times) * SETTLING)
    rows = []
    for name in samples[first]:
        if any(name not in sample for sample in samples[first:]):
            continue
        sizes = [sample[name][0] / 2**20 for sample in samples[first:]]
        slope = float(np.polyfit(times[first:], sizes, 1)[0]) * 3600 if len(sizes) > 2 else 0.0
        ends = samples[first][name][1], samples[-1][name][1]
        rows.append([name, f"{sizes[0]:.1f}", f"{sizes[-1]:.1f}", f"{slope:+.2f}", *ends])
    return rows
