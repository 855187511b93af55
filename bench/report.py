"""Tables in Markdown of what was measured, and the two files that keep them: RESULTS.md and results.json."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.environments import PINS
from bench.loads import ROOT
from bench.rivals import FLOOR
from bench.turns import CLIENTS, FLUEMAN, Turns

RESULTS = ROOT / "bench" / "RESULTS.md"
DATA = ROOT / "bench" / "results.json"
# Source: the targets of serving; each against the best peer with 1, 8 and 64 clients.
TARGETS: dict[tuple[str, str], tuple[float, float, float]] = {
    ("w1", "flueman"): (0.8, 1.9, 3.3),
    ("w1", "flueman-mariadb"): (0.6, 1.4, 2.5),
    ("w1", "flueman-relaxed"): (1.2, 2.5, 4.0),
    ("w2", "flueman"): (1.3, 1.9, 1.9),
    ("w3", "flueman"): (1.0, 1.3, 1.3),
}
MOST_MEMORY = 1.5  # of FastAPI's, for web and the model host together
LEAST_GAIN = 0.8  # of the first web worker, for the second


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Give a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def machine() -> str:
    """Give date, machine, its load and versions in a line; asked for before the bench itself makes a load."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":?")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "uvicorn", "numpy"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({model.split(':')[1].strip()}), "
        f"load before {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}, "
        f"Flueman {commit.stdout.strip()}; "
        f"peers: {', '.join(packages[0] for packages in PINS.values())}"
    )


def peers_of(turns: Turns) -> list[str]:
    """Give the servers that are neither Flueman nor the floor under it."""
    return [name for name in turns.names if name not in FLUEMAN and name != FLOOR]


def best_peer(turns: Turns, clients: int) -> str:
    """Give the peer with the highest rate."""
    return max(peers_of(turns), key=lambda name: turns.cells[name, clients].rate)


def show(turns: Turns) -> str:
    """Give all that one load gave."""
    parts = [f"### {turns.load.title}", rates(turns), "", targets(turns), "", memory(turns)]
    if turns.absent:
        parts += ["", *(f"Not measured: {name}: {why}" for name, why in turns.absent.items())]
    facts = [
        f"{name}: {answers_of(turns, name)} answers in the turns, {facts['rows']} rows"
        for name, facts in turns.facts.items()
        if facts
    ]
    return "\n".join([*parts, *(["", *facts] if facts else [])])


def answers_of(turns: Turns, name: str) -> int:
    """Give all answers of a server."""
    return sum(result.answers for (one, _), cell in turns.cells.items() if one == name for result in cell.results)


def rates(turns: Turns) -> str:
    """Give rates, times and ratios."""
    rows = []
    for clients in CLIENTS:
        own = {name: turns.cells[name, clients].rate for name in turns.names if name in FLUEMAN}
        best = best_peer(turns, clients) if peers_of(turns) else ""
        for name in turns.names:
            cell = turns.cells[name, clients]
            cpu = ", ".join(f"{part} {value:.0f}" for part, value in cell.cpu().items() if value >= 1)
            if name in FLUEMAN:
                ratio = f"{cell.rate / turns.cells[best, clients].rate:.2f} of {best}" if best else ""
            else:
                ratio = f"flueman is {own['flueman'] / max(cell.rate, 1e-9):.2f}" if "flueman" in own else ""
            p50, p99 = cell.middle(lambda one: one.p50_ms), cell.middle(lambda one: one.p99_ms)
            rows.append([clients, name, f"{cell.rate:.0f}", f"{p50:.2f}", f"{p99:.2f}", cell.errors, cpu, ratio])
    head = ["clients", "server", "answers/s", "p50 ms", "p99 ms", "errors", "CPU an answer, us", "ratio"]
    return table(head, rows)


def targets(turns: Turns) -> str:
    """Give each target with what was reached."""
    rows: list[list[str]] = []
    for (load, name), wanted in TARGETS.items():
        if load != turns.load.name or name not in turns.names or not peers_of(turns):
            continue
        for clients, least in zip(CLIENTS, wanted, strict=True):
            peer = turns.cells[best_peer(turns, clients), clients]
            own = turns.cells[name, clients]
            ratio = own.rate / peer.rate
            rows.append(
                [f"{name}, {clients} clients: rate of the best peer", f"{least}", f"{ratio:.2f}", met(ratio >= least)]
            )
            own_p99, peer_p99 = own.middle(lambda one: one.p99_ms), peer.middle(lambda one: one.p99_ms)
            rows.append(
                [
                    f"{name}, {clients} clients: p99 of the best peer, ms",
                    f"<= {peer_p99:.2f}",
                    f"{own_p99:.2f}",
                    met(own_p99 <= peer_p99),
                ]
            )
    if "flueman-2" in turns.names and "flueman" in turns.names:
        gain = turns.cells["flueman-2", 64].rate / turns.cells["flueman", 64].rate - 1
        rows.append(
            [
                "a second web worker adds of the first, 64 clients",
                f"{LEAST_GAIN}",
                f"{gain:.2f}",
                met(gain >= LEAST_GAIN),
            ]
        )
    if FLOOR in turns.names and peers_of(turns):
        for clients in CLIENTS:
            ratio = turns.cells[FLOOR, clients].rate / turns.cells[best_peer(turns, clients), clients].rate
            rows.append([f"the floor, {clients} clients: rate of the best peer", "", f"{ratio:.2f}", ""])
    if "fastapi" in turns.memory and "flueman" in turns.memory:
        own_bytes = sum(turns.memory["flueman"][part] for part in ("web", "host"))
        ratio = own_bytes / turns.memory["fastapi"]["server"]
        rows.append(["memory of web and host, FastAPI's", f"< {MOST_MEMORY}", f"{ratio:.2f}", met(ratio < MOST_MEMORY)])
    errors = sum(cell.errors for cell in turns.cells.values())
    rows.append(["answers that were no 2xx, all servers", "0", str(errors), met(errors == 0)])
    return table(["target", "wanted", "measured", ""], rows)


def met(is_met: bool) -> str:
    """Say it."""
    return "met" if is_met else "**not met**"


def memory(turns: Turns) -> str:
    """Give the proportional memory of each server."""
    rows = [
        [
            name,
            f"{sum(parts.values()) / 2**20:.0f}",
            ", ".join(f"{part} {size / 2**20:.0f}" for part, size in parts.items()),
        ]
        for name, parts in turns.memory.items()
    ]
    return table(["server", "PSS MiB", "parts"], rows)


def as_data(turns: Turns) -> dict[str, Any]:
    """Give it as plain data."""
    cells = [
        {
            "server": name,
            "clients": clients,
            "rates": [result.per_second for result in cell.results],
            "p50_ms": [result.p50_ms for result in cell.results],
            "p99_ms": [result.p99_ms for result in cell.results],
            "errors": cell.errors,
            "cpu_us": cell.cpu(),
        }
        for (name, clients), cell in turns.cells.items()
    ]
    return {"cells": cells, "memory_bytes": turns.memory, "absent": turns.absent, "facts": turns.facts}


def keep(section: str, title: str, text: str, data: Any, *, begun: str) -> None:
    """Replace one section of results.json and of RESULTS.md, which people edit; the others stay as they are.

    `begun` is what `machine` gave before it was measured.
    """
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    block = f"{begin}\n## {title}\n\n{begun}\n\n{text}\n{end}"
    kept = json.loads(DATA.read_text()) if DATA.exists() else {}
    kept[section] = {"machine": begun, "data": data}
    DATA.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    old = RESULTS.read_text()
    if begin in old:
        old = old[: old.index(begin)] + block + old[old.index(end) + len(end) :]
    else:
        old = f"{old.rstrip()}\n\n{block}\n"
    RESULTS.write_text(old)
