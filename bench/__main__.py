"""Load W1 (256 floats in, 16 out, one row a request) from 1, 8 and 64 clients on Flueman and its peers in turns.

Flueman checks a key and has the request and prediction rows committed before it answers; the peers do neither.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bench.load import Result, measure
from bench.servers import ROOT, WORK, FastApi, Flueman, Server

CLIENTS = (1, 8, 64)
Runs = dict[tuple[str, int], list["Run"]]


@dataclass(frozen=True, slots=True)
class Run:
    """One turn: what the clients saw, and the processor time an answer took in each part of the server."""

    result: Result
    cpu_us: dict[str, float]


def main() -> None:
    """Start all, measure in turns, print medians and ratios."""
    options = read_options()
    WORK.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "bench.model", str(WORK / "model")], cwd=ROOT, check=True)
    flueman = Flueman(WEB_CONCURRENCY=str(options.web), RECORD="relaxed" if options.relaxed else "committed")
    servers: list[Server] = [FastApi(is_tuned=False), FastApi(is_tuned=True), flueman]
    try:
        for server in servers:
            server.start()
        print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores", flush=True)
        runs = take_turns(servers, options.rounds, options.seconds)
        print_table(runs)
        for server in servers:
            parts = ", ".join(f"{name} {count / 2**20:.0f}" for name, count in server.memory_bytes().items())
            print(f"memory of {server.name} in MiB: {parts}")
        if not os.environ.get("DATABASE_URL"):
            print(f"answers {sum(run.result.answers for run in all_of(runs, 'flueman'))}, rows {flueman.rows()}")
    finally:
        for server in servers:
            server.stop()


def read_options() -> argparse.Namespace:
    """Read the command line; without options this is the short form, of about two minutes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--web", type=int, default=1, help="web workers of Flueman")
    parser.add_argument("--relaxed", action="store_true", help="RECORD=relaxed: answer first, record afterwards")
    return parser.parse_args()


def take_turns(servers: list[Server], rounds: int, seconds: float) -> Runs:
    """Measure A B C A B C …, so that what disturbs the machine disturbs all; the first, short turn warms up."""
    runs: Runs = defaultdict(list)
    for server in servers:
        measure(server.url, server.script, clients=8, seconds=2)
    for clients in CLIENTS:
        for number in range(rounds):
            for server in servers:
                run = take_turn(server, clients, seconds)
                runs[server.name, clients].append(run)
                rate = run.result.per_second
                print(f"{clients:3} clients, round {number + 1}, {server.name:13} {rate:7.0f}/s", flush=True)
    return runs


def take_turn(server: Server, clients: int, seconds: float) -> Run:
    """Measure once."""
    before = server.cpu_seconds()
    result = measure(server.url, server.script, clients=clients, seconds=seconds)
    after = server.cpu_seconds()
    return Run(result, {name: (after[name] - before[name]) / result.answers * 1e6 for name in after})


def print_table(runs: Runs) -> None:
    """Print medians, and ratios to both peers, as a table in Markdown."""
    names = list(dict.fromkeys(name for name, _ in runs))
    print(
        "\n| clients | server | answers/s | p50 ms | p99 ms | CPU per answer, us | Flueman is |\n" + "| --- " * 7 + "|"
    )
    for clients in CLIENTS:
        own = middle(run.result.per_second for run in runs["flueman", clients])
        for name in names:
            turns = runs[name, clients]
            results = [run.result for run in turns]
            rate = middle(one.per_second for one in results)
            times = f"{middle(one.p50_ms for one in results):.2f} | {middle(one.p99_ms for one in results):.2f}"
            cpu = {part: middle(run.cpu_us[part] for run in turns) for part in turns[0].cpu_us}
            shown = ", ".join(f"{part} {value:.0f}" for part, value in cpu.items() if value >= 1)
            ratio = "" if name == "flueman" else f"{own / rate:.2f} times"
            print(f"| {clients} | {name} | {rate:.0f} | {times} | {shown} | {ratio} |")


def middle(values: Iterable[float]) -> float:
    """Give the median."""
    return statistics.median(values)


def all_of(runs: Runs, wanted: str) -> list[Run]:
    """Give all turns of one server."""
    return [run for (name, _), turns in runs.items() if name == wanted for run in turns]


if __name__ == "__main__":
    main()
