"""A small proxy between two unix sockets that can be slow, silent, or cut what passes through it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

CHUNK = 65536


class Proxy:
    """Passes bytes on from `listen` to `target`; `delay_s`, `is_silent` and `cut_every_s` may change while it runs."""

    def __init__(self, listen: Path, target: str) -> None:
        self.listen, self.target = listen, target
        self.delay_s, self.is_silent, self.cut_every_s = 0.0, False, 0.0
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()

    def start(self) -> None:
        """Begin, on a thread of its own."""
        threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy").start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(5)

    async def _begin(self) -> None:
        await asyncio.start_unix_server(self._serve, self.listen)
        self.listen.chmod(0o777)
        self._cutter = asyncio.ensure_future(self._keep_cutting())

    async def _keep_cutting(self) -> None:
        while True:
            await asyncio.sleep(self.cut_every_s or 0.05)
            if self.cut_every_s:
                self._cut()

    def _cut(self) -> None:
        """End every connection in the middle of whatever it is at."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.close()
            return
        self._open |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        self._open -= {writer, back}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                while self.is_silent:
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()
        writer.close()
