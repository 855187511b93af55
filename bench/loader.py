"""Clients over asyncio where wrk lacks or a steady rate is wanted: `python -m bench.loader URL REQUEST.json`."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import uvloop

TIMEOUT_S = 10.0
Request = bytes | Callable[[], bytes]


@dataclass(slots=True)
class Tally:
    """What the clients saw: when each answer came, how long it took in seconds, and what went wrong."""

    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def request_bytes(url: str, headers: dict[str, str], body: bytes) -> bytes:
    """Give a whole POST as it travels."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """Send a request, give status and body. Raises OSError or EOFError when the connection ends before."""
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"content-length:")
    if found:
        return int(head[9:12]), await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return int(head[9:12]), body


async def client(url: str, request: Request, tally: Tally, *, until: float, every_s: float, delay_s: float) -> None:
    """Call until the time is up; with `every_s` at a steady pace, measured from when each call was due."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 26)
    due = perf_counter() + delay_s
    while perf_counter() < until:
        if every_s:
            await asyncio.sleep(max(0.0, due - perf_counter()))
        begun = due if every_s else perf_counter()
        due += every_s
        try:
            status, body = await asyncio.wait_for(
                exchange(reader, writer, request() if callable(request) else request), TIMEOUT_S
            )
            if status // 100 != 2:
                tally.errors.append(f"{status} {body[:200]!r}")
        except (OSError, EOFError, TimeoutError) as error:
            tally.errors.append(repr(error))
            writer.close()
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 26)
        tally.latencies.append(perf_counter() - begun)
    writer.close()


async def run(url: str, request: Request, *, clients: int, seconds: float, per_second: float = 0.0) -> Tally:
    """Run clients side by side; `per_second` is the pace of all together, 0 as fast as the answers come."""
    tally, until = Tally(), perf_counter() + seconds
    every_s = clients / per_second if per_second else 0.0
    calls = [
        client(url, request, tally, until=until, every_s=every_s, delay_s=every_s * number / clients)
        for number in range(clients)
    ]
    await asyncio.gather(*calls)
    return tally


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which a share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    """Print one line as the wrk script does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("request", type=Path)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    asked = json.loads(options.request.read_text())
    request = request_bytes(options.url, asked["headers"], asked["body"].encode())
    begun = perf_counter()
    tally = uvloop.run(run(options.url, request, clients=options.clients, seconds=options.seconds))
    p50, p99 = (round(percentile(tally.latencies, share) * 1e6) for share in (0.5, 0.99))
    micros = round((perf_counter() - begun) * 1e6)
    print(
        json.dumps({"requests": len(tally.latencies), "us": micros, "bad": len(tally.errors), "p50": p50, "p99": p99})
    )


if __name__ == "__main__":
    main()
