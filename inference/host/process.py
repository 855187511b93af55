"""Starting and ending the confined processes of models."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings

from inference.host.forkserver import ForkedProcess, ForkServer
from inference.models import RunSettings
from inference.models.settings import run_of
from inference.runner import frames
from registry.models import ModelVersion

logger = logging.getLogger(__name__)

_plain, _with_transformers = ForkServer(), ForkServer("--transformers")

KILL_AFTER_S = 8.0  # the host itself has to be gone 10 s after it was asked

_LINE_BYTES = 4 << 20  # of one report; a process that writes more is not believed
_LOGGED_BYTES, _WINDOW_S, _PAUSE_S = 16 * 1024, 10.0, 0.1


async def start(
    module: str, *arguments: object, folder: Path, version: ModelVersion, run: RunSettings | None = None
) -> ForkedProcess:
    """Start an entry of `inference.runner` on a folder, with an environment that holds nothing of ours."""
    run = run or run_of(version)
    limits = ("--max-batch", run.max_batch or settings.RUNNER["MAX_BATCH"])
    memory = ("--memory-bytes", settings.RUNNER["MEMORY_BYTES"], "--device-share", run.device_share)
    place = ("--device", run.device or settings.RUNNER_DEVICE, *(("--half", run.half) if run.half else ()))
    trust = [
        f"--{word}"
        for word, is_so in (("trusted", version.is_trusted), ("open-programs", settings.RUNNER["OPEN"]))
        if is_so
    ]
    threads = ("--threads", run.threads or settings.RUNNER["THREADS"])
    words = [str(word) for word in ("--folder", folder, *limits, *memory, *place, *threads, *trust, *arguments)]
    server = _with_transformers if version.format == ModelVersion.Format.HUGGINGFACE else _plain
    return await server.fork(module, *words, limit=_LINE_BYTES)


async def reports(process: ForkedProcess) -> AsyncIterator[dict[str, Any]]:
    """Give the JSON objects that the process writes, line by line; anything else ends the reading."""
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


async def log_errors(process: ForkedProcess, label: str) -> None:
    """Pass on to our log what the process writes to its stderr, until it ends.

    Of one that writes without end a little is kept every few seconds, and it waits while the rest is thrown away.
    """
    left, begun = 0, -_WINDOW_S
    while chunk := await process.stderr.read(1 << 16):
        if time.monotonic() - begun > _WINDOW_S:
            left, begun = _LOGGED_BYTES, time.monotonic()
        for line in chunk[:left].decode("utf-8", "replace").splitlines():
            logger.info("%s: %s", label, "".join(c if c.isprintable() else " " for c in line))
        if len(chunk) > left:
            logger.info("%s: it writes more than %d bytes in %g s: thrown away", label, _LOGGED_BYTES, _WINDOW_S)
        left = max(0, left - len(chunk))
        if not left and process.returncode is None:
            await asyncio.sleep(_PAUSE_S)


async def answers(socket: Path, within_s: float) -> bool:
    """Give whether the process at a socket still answers: a call without inputs, which it refuses at once."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.writelines(frames.pack(id=1, kind=frames.INFER))
                return bool(await reader.read(1))
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def end(process: ForkedProcess, *, patience_s: float = KILL_AFTER_S) -> None:
    """Ask the process to finish what waits, and kill it if that takes too long."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), patience_s)
    except TimeoutError:
        await kill(process)


async def kill(process: ForkedProcess) -> None:
    """End the process at once, and what it started where the system let it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()  # its group is not there in its first moment
    await process.wait()


def last_words(returncode: int) -> str:
    """Give a sentence on how a process ended."""
    if returncode >= 0:
        return f"the process ended with status {returncode}"
    if returncode == -signal.SIGALRM:
        return f"a batch ran longer than {settings.RUNNER['BATCH_DEADLINE_S']:g} s and was ended"
    if -returncode in (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV):
        most = settings.RUNNER["MEMORY_BYTES"] // 1024**2
        name = signal.Signals(-returncode).name
        return f"the process ended with {name}, perhaps for want of memory: it may have {most} MiB"
    return f"the process ended with {signal.Signals(-returncode).name}"
