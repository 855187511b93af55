"""The confined process of the one version, kept alive beside the server that speaks for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from common import sandbox
from common.errors import Unprocessable
from inference.standalone.spec import Spec

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_S = 0.2, 5.0, 10.0
_STOP_S = 8.0
_MOST_REPORT_BYTES = 1 << 16


class Child:
    """One process; when it dies another takes its place at the same socket."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self._place = tempfile.TemporaryDirectory(prefix="flm-")
        self.socket = Path(self._place.name, "m.sock")
        self.is_ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the model. Raises Unprocessable if that fails."""
        await self._load()
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let it answer what waits, then end it."""
        if self._keeping is not None:
            self._keeping.cancel()
        self.is_ready = False
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                self._kill()
        self._place.cleanup()

    async def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            assert self._process is not None
            began = asyncio.get_running_loop().time()
            status = await asyncio.to_thread(self._process.wait)
            self.is_ready = False
            logger.warning("the model's process ended with status %d and is started again", status)
            is_steady = asyncio.get_running_loop().time() - began > _STEADY_S
            pause_s = _FIRST_PAUSE_S if is_steady else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)
            try:
                await self._load()
            except (Unprocessable, OSError) as error:  # it was loaded once: want of memory or of files may pass
                logger.warning("the model's process could not be started, it is tried again: %s", error)

    async def _load(self) -> None:
        process = self._process = self._begin()
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._spec.load_deadline_s):
                line = await asyncio.to_thread(process.stdout.readline, _MOST_REPORT_BYTES)
        except TimeoutError:
            self._kill()
            raise Unprocessable(f"loading took more than {self._spec.load_deadline_s:g} s") from None
        except BaseException:
            self._kill()
            raise
        try:
            report = json.loads(line)
            self.is_ready = report.get("ready") is True
        except (ValueError, AttributeError):
            report = {"error": {"message": f"the process ended early, with status {process.poll()}"}}
        if not self.is_ready:
            self._kill()
            raise Unprocessable(f"the model cannot be loaded: {str(report.get('error'))[:500]}")
        if missing := report.get("missing_walls"):
            logger.warning("the model runs without walls around %s", missing)

    def _begin(self) -> subprocess.Popen[bytes]:
        spec = self._spec
        words = {
            "--folder": self._folder,
            "--socket": self.socket,
            "--max-batch": spec.max_batch,
            "--queue-rows": spec.queue_rows,
            "--memory-bytes": spec.memory_bytes,
            "--batch-deadline-s": spec.batch_deadline_s,
            "--threads": spec.threads,
        }
        given = [str(part) for pair in words.items() for part in pair] + ["--trusted"] * spec.is_trusted
        return subprocess.Popen(
            sandbox.command("inference.runner.child", *given),
            env=sandbox.environment(threads=spec.threads),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
