"""Load W1 (256 floats in, 16 out, one row a request) from 1, 8 and 64 clients on Flueman and its peer in turns.

Flueman checks a key and has the request and prediction rows committed before it answers; the peer does neither.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections import defaultdict

from bench.load import Result, measure
from bench.servers import ROOT, WORK, FastApi, Flueman, Server

CLIENTS = (1, 8, 64)


def main() -> None:
    """Start both, measure in turns, print medians and ratios."""
    options = read_options()
    WORK.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "bench.model", str(WORK / "model")], cwd=ROOT, check=True)
    servers: list[Server] = [FastApi(), Flueman(**({"RECORD": "relaxed"} if options.relaxed else {}))]
    try:
        for server in servers:
            server.start()
        print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores", flush=True)
        results = take_turns(servers, options.rounds, options.seconds)
        print_table(results)
        for server in servers:
            parts = {name: f"{count / 2**20:.0f} MiB" for name, count in server.memory_bytes().items()}
            print(f"memory of {server.name}: {parts}")
    finally:
        for server in servers:
            server.stop()


def read_options() -> argparse.Namespace:
    """Read the command line; without options this is the short form, of about two minutes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--relaxed", action="store_true", help="RECORD=relaxed: answer first, record afterwards")
    return parser.parse_args()


def take_turns(servers: list[Server], rounds: int, seconds: float) -> dict[tuple[str, int], list[Result]]:
    """Measure A B A B …, so that what disturbs the machine disturbs both; the first, short turn warms up."""
    results: dict[tuple[str, int], list[Result]] = defaultdict(list)
    for server in servers:
        measure(server.url, server.script, clients=8, seconds=2)
    for clients in CLIENTS:
        for number in range(rounds):
            for server in servers:
                one = measure(server.url, server.script, clients=clients, seconds=seconds)
                results[server.name, clients].append(one)
                print(f"{clients:3} clients, round {number + 1}, {server.name:8} {one.per_second:7.0f}/s", flush=True)
    return results


def print_table(results: dict[tuple[str, int], list[Result]]) -> None:
    """Print medians and ratios as a table in Markdown."""
    print(
        "\n| clients | fastapi /s | flueman /s | ratio | fastapi p50/p99 ms | flueman p50/p99 ms |\n"
        + "| --- " * 6
        + "|"
    )
    for clients in CLIENTS:
        peer, own = (results[name, clients] for name in ("fastapi", "flueman"))
        rates = [statistics.median(one.per_second for one in each) for each in (peer, own)]
        times = [
            f"{statistics.median(one.p50_ms for one in each):.2f}/{statistics.median(one.p99_ms for one in each):.2f}"
            for each in (peer, own)
        ]
        ratio = rates[1] / rates[0]
        print(f"| {clients} | {rates[0]:.0f} | {rates[1]:.0f} | {ratio:.2f} | {times[0]} | {times[1]} |")


if __name__ == "__main__":
    main()
