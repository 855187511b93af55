"""Starting and ending the confined processes of models."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings

from inference.runner import sandbox

logger = logging.getLogger(__name__)

KILL_AFTER_S = 8.0  # the host itself has to be gone 10 s after it was asked

_LINE_BYTES = 4 << 20  # of one report; a process that writes more is not believed
_LOGGED_CHARACTERS = 4000


async def start(
    module: str, *arguments: object, folder: Path, is_trusted: bool, scratch: Path | None = None
) -> Process:
    """Start a module of `inference.runner` on a folder, with an environment that holds nothing of ours."""
    limits = ("--max-batch", settings.RUNNER["MAX_BATCH"], "--memory-bytes", settings.RUNNER["MEMORY_BYTES"])
    trust = ("--trusted",) if is_trusted else ()
    words = [str(word) for word in ("--folder", folder, *limits, *trust, *arguments)]
    return await asyncio.create_subprocess_exec(
        *sandbox.command(f"inference.runner.{module}", *words),
        env=sandbox.environment(threads=int(settings.RUNNER["THREADS"]), scratch=scratch),
        cwd="/",
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        limit=_LINE_BYTES,
        start_new_session=True,
    )


async def reports(process: Process) -> AsyncIterator[dict[str, Any]]:
    """Give the JSON objects that the process writes, line by line; anything else ends the reading."""
    assert process.stdout is not None
    while True:
        try:
            value = json.loads(await process.stdout.readline(), parse_constant=_refuse)
            json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates: it is stored and sent on
        except (ValueError, RecursionError):  # no JSON, too long, or the end
            return
        if not isinstance(value, dict):
            return
        yield value


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


async def log_errors(process: Process, label: str) -> None:
    """Pass on to our log what the process writes to its stderr, until it ends."""
    assert process.stderr is not None
    while chunk := await process.stderr.read(1 << 16):
        logger.info("%s: %s", label, chunk.decode("utf-8", "replace").rstrip()[:_LOGGED_CHARACTERS])


async def end(process: Process, *, patience_s: float = KILL_AFTER_S) -> None:
    """Ask the process to finish what waits, and kill it if that takes too long."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), patience_s)
    except TimeoutError:
        await kill(process)


async def kill(process: Process) -> None:
    """End the process at once."""
    if process.returncode is None:
        process.kill()
    await process.wait()


def last_words(returncode: int) -> str:
    """Give a sentence on how a process ended."""
    if returncode >= 0:
        return f"the process ended with status {returncode}"
    if returncode == -signal.SIGALRM:
        return f"a batch ran longer than {settings.RUNNER['BATCH_DEADLINE_S']:g} s and was ended"
    if returncode == -signal.SIGKILL:
        return "the process was killed, perhaps for want of memory"
    return f"the process ended with {signal.Signals(-returncode).name}"
