"""Clients that call a deployment over one connection each and try nothing twice, and the account of it by phase."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from time import perf_counter

LONGEST_S = 120.0


@dataclass
class Phase:
    """What clients met while one thing went on."""

    name: str
    latencies_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: float) -> float:
        """Give the latency under which a share of the calls stayed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Clients:
    """`count` clients on an event loop of their own."""

    def __init__(self, port: int, key: str, *, deployment: str, count: int) -> None:
        self.phases = [Phase("before")]
        self._port, self._key, self._deployment, self._count = port, key, deployment, count
        self._is_stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="clients")

    @contextmanager
    def calling(self) -> Iterator[Clients]:
        """Call while the block runs; what is under way at its end is waited for."""
        self._thread.start()
        try:
            yield self
        finally:
            self._is_stopping = True
            self._thread.join(LONGEST_S + 10)
            sys.stdout.write(f"\n{self.table()}\n")

    def begin(self, name: str) -> Phase:
        """Count what comes from now on under another name."""
        self.phases.append(Phase(name))
        return self.phases[-1]

    @property
    def failures(self) -> list[str]:
        """What went wrong, of all phases."""
        return [f"{phase.name}: {told}" for phase in self.phases for told in phase.failed]

    def table(self) -> str:
        """Give a line for each phase."""
        lines = [f"{'phase':<28}{'requests':>10}{'failed':>8}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}  versions"]
        for one in self.phases:
            times = (one.percentile(0.5), one.percentile(0.99), max(one.latencies_ms, default=0.0))
            numbers = "".join(f"{time:>9.1f}" for time in times)
            versions = " ".join(f"v{name}:{n}" for name, n in sorted(one.versions.items()))
            lines.append(f"{one.name:<28}{len(one.latencies_ms):>10}{len(one.failed):>8}{numbers}  {versions}")
        total = sum(len(one.latencies_ms) for one in self.phases)
        return "\n".join([*lines, f"{'together':<28}{total:>10}{len(self.failures):>8}"])

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._count)))

    async def _client(self, number: int) -> None:
        chance, streams = Random(number), None
        while not self._is_stopping:
            phase, began = self.phases[-1], perf_counter()
            try:
                async with asyncio.timeout(LONGEST_S):
                    if streams is None:
                        streams = await asyncio.open_connection("127.0.0.1", self._port)
                    status, is_last, body = await self._call(*streams, [chance.random() for _ in range(4)])
                if is_last:
                    streams[1].close()
                    streams = None
                if status == 200:
                    phase.versions[json.loads(body)["model_version"]] += 1
                else:
                    phase.failed.append(f"{status} {body[:300]!r}")
            except (OSError, EOFError, TimeoutError) as error:
                phase.failed.append(f"{type(error).__name__} {error}")
                streams = None
            phase.latencies_ms.append((perf_counter() - began) * 1000)

    async def _call(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, row: list[float]
    ) -> tuple[int, bool, bytes]:
        tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": row}
        body = json.dumps({"inputs": [tensor]}).encode()
        head = f"POST /v2/models/{self._deployment}/infer HTTP/1.1\r\nHost: x\r\nX-API-Key: {self._key}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        answer = await reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers.get("connection") == "close", answer
