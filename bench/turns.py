"""Servers measured in turns: A B C A B C …, so that what disturbs the machine disturbs all; idle peers are stopped."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.environments import CannotInstall
from bench.flueman import Flueman
from bench.load import Result, measure
from bench.loads import LOADS, ROOT, WORK, Load
from bench.rivals import KINDS, make_peer
from bench.servers import Server

CLIENTS = (1, 8, 64)
SERVER_CORE, CLIENT_CORE = 0, 1
FLUEMAN: dict[str, dict[str, str]] = {
    "flueman": {},
    "flueman-mariadb": {"database": "mariadb"},
    "flueman-relaxed": {"RECORD": "relaxed"},
    "flueman-2": {"WEB_CONCURRENCY": "2"},
    "flueman-4": {"WEB_CONCURRENCY": "4"},
}


@dataclass(slots=True)
class Cell:
    """All turns of one server with one number of clients; processor time an answer by part, in microseconds."""

    results: list[Result] = field(default_factory=list)
    cpu_us: list[dict[str, float]] = field(default_factory=list)

    def middle(self, of: Callable[[Result], float]) -> float:
        """Give the median of the turns."""
        return statistics.median(map(of, self.results))

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.middle(lambda result: result.per_second)

    @property
    def errors(self) -> int:
        """All that went wrong in all turns."""
        return sum(result.errors for result in self.results)

    def cpu(self) -> dict[str, float]:
        """Give the median processor time of each part."""
        return {part: statistics.median(one[part] for one in self.cpu_us) for part in self.cpu_us[0]}


@dataclass(slots=True)
class Turns:
    """What one load gave on all servers."""

    load: Load
    cells: dict[tuple[str, int], Cell] = field(default_factory=lambda: defaultdict(Cell))
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The servers in the order of their turns."""
        return list(dict.fromkeys(name for name, _ in self.cells))


def make_models() -> None:
    """Make models and expected outputs in a process of its own, so that this one has no torch."""
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "bench.model"], cwd=ROOT, check=True)


def make_server(name: str, load: Load, core: int | None) -> Server:
    """Give a server by its name."""
    if name in KINDS:
        return make_peer(name, load, core)
    settings = dict(FLUEMAN[name])
    is_mariadb = settings.pop("database", "") == "mariadb"
    return Flueman(name, load, core=core, is_mariadb=is_mariadb, **settings)


def run(load_name: str, names: Sequence[str], *, rounds: int, seconds: float, is_pinned: bool) -> Turns:
    """Start all servers of a load, measure them in turns, stop them."""
    turns = Turns(LOADS[load_name])
    servers: list[Server] = []
    try:
        for name in names:
            server = make_server(name, turns.load, SERVER_CORE if is_pinned else None)
            servers.append(server)
            begin(server, servers, turns)
        for clients in CLIENTS:
            for number in range(rounds):
                for server in servers.copy():
                    try:
                        take_turn(turns, server, clients, seconds, CLIENT_CORE if is_pinned else None)
                        told(turns, server.name, clients, number)
                    except (RuntimeError, subprocess.SubprocessError) as error:
                        leave_out(server, servers, turns, error)
        for server in servers:
            server.resume()
            turns.memory[server.name] = server.memory_bytes()
            turns.facts[server.name] = server.facts()
    finally:
        for server in servers:
            server.stop()
    return turns


def begin(server: Server, servers: list[Server], turns: Turns) -> None:
    """Start a server, check its answer, warm it; one that cannot be had is left out by name."""
    try:
        server.start()
        measure(server.url, server.script, clients=8, seconds=2)
        server.pause()
        print(f"{server.name} answers {turns.load.name} as torch does", flush=True)
    except (CannotInstall, TimeoutError, RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
        leave_out(server, servers, turns, error)


def leave_out(server: Server, servers: list[Server], turns: Turns, error: Exception) -> None:
    """Stop a server that does not answer, forget what it did, and keep the reason."""
    print(f"{server.name} is left out: {error}", flush=True)
    said = (str(error).strip().splitlines() or [""])[-1].replace(f"{ROOT}/", "")  # of a traceback what happened
    turns.absent[server.name] = f"{type(error).__name__}: {said}"
    turns.cells = defaultdict(Cell, {key: cell for key, cell in turns.cells.items() if key[0] != server.name})
    servers.remove(server)
    server.stop()


def take_turn(turns: Turns, server: Server, clients: int, seconds: float, core: int | None) -> None:
    """Measure once, over connections of its own."""
    server.resume()
    if server.paused_by_stop:
        time.sleep(0.2)
    before = server.cpu_seconds()
    result = measure(server.url, server.script, clients=clients, seconds=seconds, core=core)
    after = server.cpu_seconds()
    cell = turns.cells[server.name, clients]
    cell.results.append(result)
    answers = max(result.answers, 1)
    cell.cpu_us.append({part: (after[part] - before.get(part, 0)) / answers * 1e6 for part in after})
    server.pause()


def told(turns: Turns, name: str, clients: int, number: int) -> None:
    """Print a line of progress."""
    result = turns.cells[name, clients].results[-1]
    errors = f", {result.errors} ERRORS" if result.errors else ""
    print(
        f"{turns.load.name} {clients:3} clients, round {number + 1}, {name:17} {result.per_second:7.0f}/s{errors}",
        flush=True,
    )
