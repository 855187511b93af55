"""The event loop of a model's process: bytes from a unix socket to the batcher and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO, cast

import uvloop

from inference.runner.batching import Batcher, describe
from inference.runner.frames import CLOSING, INFER, FrameError, Reader, pack_error
from inference.runner.loader import load
from inference.runner.options import placement_of
from inference.runner.placing import device_bytes
from inference.runner.warming import warm_up
from registry.manifest import read_manifest

_QUIET_S = 1.0  # after SIGTERM: of peers that do not hang up frames on their way are still read
_MAX_STOP_S = 5.0


class Connection(asyncio.Protocol):
    """One connection of a web process. A peer that does not read its answers is not read from either."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._reader = Reader()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; its frames are passed over."""
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Hand whole frames to the batcher; bytes that are no frame end the connection."""
        server = self._server
        server.last_data = time.monotonic()
        try:
            for frame in self._reader.feed(data):
                if frame.kind != INFER:
                    raise FrameError(f"a frame of kind {frame.kind}")
                server.batcher.submit(self, frame)
        except FrameError as error:
            self.send([pack_error(id=0, code="bad_frame", message=str(error))])
            self._transport.close()

    def pause_writing(self) -> None:
        """Stop reading while answers pile up."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def send(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write one answer, unless the peer has gone."""
        if not self._transport.is_closing():
            self._transport.writelines(pieces)

    def is_gone(self) -> bool:
        """Whether nobody reads answers any more."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection after what is written has left."""
        self._transport.close()


class _Server:
    """What the connections share."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.connections: set[Connection] = set()
        self.last_data = 0.0


def run(*, options: Namespace, listener: socket.socket, report: TextIO, missing_walls: list[str]) -> int:
    """Load the model, report in one JSON line, serve until SIGTERM. Gives the exit status."""
    started = time.monotonic()
    try:
        manifest = read_manifest(options.folder)
        walls = [] if options.open_programs else missing_walls
        pipeline = load(
            options.folder,
            manifest,
            placement=placement_of(options),
            is_trusted=options.trusted,
            missing_walls=walls,
        )
        max_batch = min(options.max_batch, manifest.limits.get("max_batch", options.max_batch))
        warm_up(pipeline, manifest, max_batch=max_batch, deadline_s=options.batch_deadline_s)
    except Exception as error:  # whatever it was, the host is told in one line
        code, message = describe(error)
        print(json.dumps({"error": {"code": code, "message": message}}), file=report)
        return 1
    batcher = partial(
        Batcher,
        pipeline=pipeline,
        signature=manifest.signature,
        max_batch=max_batch,
        queue_rows=options.queue_rows,
        batch_deadline_s=options.batch_deadline_s,
    )
    ready = {
        "ready": True,
        "load_ms": round((time.monotonic() - started) * 1000),
        "memory_bytes": memory_bytes(),
        "device_bytes": device_bytes(),
        "missing_walls": missing_walls,
    }
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the host decides
    uvloop.run(_serve(batcher, listener, lambda: print(json.dumps(ready), file=report)))
    return 0


def memory_bytes() -> int:
    """Give the memory of this process; what it shares with others counts in parts, where the system tells it."""
    try:
        line = next(line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line[:4] == "Pss:")
    except OSError:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return int(line.split()[1]) * 1024


async def _serve(make_batcher: Callable[..., Batcher], listener: socket.socket, announce: Callable[[], None]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    server = _Server(make_batcher(soon=loop.call_soon))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    door = await loop.create_unix_server(lambda: Connection(server), sock=listener, backlog=128)
    announce()
    await stop.wait()
    door.close()
    await _finish(server)


async def _finish(server: _Server) -> None:
    """Answer what was sent. Peers are told that no more is taken, and hang up once they have their answers."""
    give_up, server.last_data = time.monotonic() + _MAX_STOP_S, time.monotonic()
    for connection in list(server.connections):
        connection.send([pack_error(id=0, code=CLOSING, message="")])
    while server.connections and time.monotonic() < give_up:
        if server.batcher.is_idle and time.monotonic() - server.last_data > _QUIET_S:
            break
        await asyncio.sleep(0.02)
    for connection in list(server.connections):
        connection.close()
    await asyncio.sleep(0.05)
