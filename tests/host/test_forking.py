"""Processes forked on demand: whoever gives up in between takes nobody else's process away."""

from __future__ import annotations

import asyncio

import pytest

from inference.host.forkserver import ForkServer


def test_fork_when_one_who_waits_gives_up_then_the_next_gets_its_own_process() -> None:
    async def work() -> None:
        server = ForkServer()
        try:
            first = asyncio.create_task(server.fork("child", "--help", limit=1 << 16))
            while server._channel is None:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # it has asked, and the server imports torch
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            words = [("no-such-entry",), ("child", "--help")]
            processes = [await server.fork(*one, limit=1 << 16) for one in words]
            ends = [await asyncio.wait_for(process.wait(), 20) for process in processes]
            assert ends == [1, 0], "one has the number of another"
        finally:
            await server.stop()

    asyncio.run(work())
