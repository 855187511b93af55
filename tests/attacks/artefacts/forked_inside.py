"""The attempts of `inside`, made by a process that the fork server forked: prints what each got."""

from __future__ import annotations

import asyncio
import sys

from common import sandbox
from inference.host.forkserver import ForkServer
from tests.attacks.artefacts.hostile_host import command


async def main() -> int:
    """Fork one process and pass on what it says."""
    server = ForkServer()
    process = await server.fork("check", sys.argv[1], limit=1 << 20)
    said, errors = await asyncio.gather(process.stdout.read(), process.stderr.read())
    sys.stdout.write(said.decode())
    sys.stderr.write(errors.decode())
    status = await process.wait()
    await server.stop()
    return status


if __name__ == "__main__":
    sandbox.command = command
    sys.exit(asyncio.run(main()))
