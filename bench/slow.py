"""A thousand slow clients, half that send a byte a second and half that read nothing: `python -m bench slow`."""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
from contextlib import suppress
from typing import Any

import uvloop

from bench.flueman import Flueman
from bench.loader import Tally, percentile, request_bytes, run
from bench.loads import LOADS
from bench.report import table

SLOW = 1000
SECONDS = 15.0
PER_SECOND = 100.0
PIPELINED = 4  # requests of a client that reads no answer: more would be a flood, not a slow client


def measure(_options: argparse.Namespace) -> tuple[str, str, Any]:
    """Measure the others alone, then beside the slow ones."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    server = Flueman("flueman", LOADS["w1"])
    try:
        server.start()
        request = request_bytes(server.url, server.headers, server.body)
        found = uvloop.run(both(server, request))
    finally:
        server.stop()
    rows = [
        [
            name,
            len(tally.latencies),
            len(tally.errors),
            *(f"{percentile(tally.latencies, share) * 1000:.2f}" for share in (0.5, 0.99)),
            f"{web / 2**20:.0f}",
        ]
        for name, (tally, web) in found.items()
    ]
    text = table(["other callers", "calls", "errors", "p50 ms", "p99 ms", "web, PSS MiB"], rows)
    data = {
        name: {"latencies": len(tally.latencies), "errors": tally.errors[:5], "web_bytes": web}
        for name, (tally, web) in found.items()
    }
    return f"{SLOW} slow clients, others at {PER_SECOND:.0f} calls a second", text, data


async def both(server: Flueman, request: bytes) -> dict[str, tuple[Tally, int]]:
    """Give what others saw, and web's memory at the end of it."""
    found = {}
    await run(server.url, request, clients=8, seconds=3)
    tally = await run(server.url, request, clients=8, seconds=SECONDS, per_second=PER_SECOND)
    found["alone"] = tally, server.memory_bytes()["web"]
    slow = [asyncio.ensure_future((sender if number % 2 else reader)(server.port, request)) for number in range(SLOW)]
    await asyncio.sleep(SECONDS)
    there = sum(not task.done() for task in slow)
    tally = await run(server.url, request, clients=8, seconds=SECONDS, per_second=PER_SECOND)
    found[f"beside {there} slow ones"] = tally, server.memory_bytes()["web"]
    print(f"{there} slow clients were there", flush=True)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    tally = await run(server.url, request, clients=8, seconds=5, per_second=PER_SECOND)
    found["afterwards"] = tally, server.memory_bytes()["web"]
    return found


async def sender(port: int, request: bytes) -> None:
    """Send the head, then a byte a second."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head, _, body = request.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    with suppress(OSError):
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)


async def reader(port: int, request: bytes) -> None:
    """Send many requests and read no answer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, ("127.0.0.1", port))
        with suppress(OSError):
            await loop.sock_sendall(sock, request * PIPELINED)
        await asyncio.sleep(3600)
    finally:
        sock.close()
