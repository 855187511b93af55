"""One process of a version, kept alive: started, watched, started again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from django.conf import settings

from common.errors import FluemanError, Unprocessable
from inference.host import process as processes
from inference.host.database import DatabaseAwayError
from inference.host.forkserver import ForkedProcess
from inference.host.materialise import materialise
from inference.host.reports import read_message, read_report
from inference.host.states import State
from inference.models import RunSettings
from registry.models import ModelVersion

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
REFUSED_PAUSE_S = 30.0  # before a version that cannot be loaded is tried again
STEADY_S = 10.0  # who served this long and then died is started again at once
WATCH_S = 3.0


class Instance:
    """Keeps one process of a version at one socket; `changed` is called whenever something of it has changed."""

    def __init__(
        self,
        *,
        label: str,
        socket: Path,
        run: RunSettings,
        version: Callable[[], Awaitable[ModelVersion]],
        changed: Callable[[], None],
    ) -> None:
        self.socket = socket
        self.state = State.STARTING
        self.restarts = self.load_ms = self.memory_bytes = self.device_bytes = 0
        self.error = ""
        self.settled = asyncio.Event()  # it has loaded, or failed to, at least once
        self._label, self._run, self._version, self._changed = label, run, version, changed
        self._process: ForkedProcess | None = None
        self._task = asyncio.create_task(self._keep())

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process else None

    async def stop(self) -> None:
        """End the process once it has answered what waits."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.socket.unlink(missing_ok=True)

    async def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                is_steady = await self._serve_once()
                pause_s = FIRST_PAUSE_S if is_steady else min(2 * pause_s, LONGEST_PAUSE_S)
            except DatabaseAwayError:
                pause_s = LONGEST_PAUSE_S
            except Exception as error:  # whatever it was, the version is tried again
                is_known = isinstance(error, FluemanError | OSError)
                logger.error("%s cannot be served: %s", self._label, error, exc_info=not is_known)
                self._become(State.FAILED, str(error) if is_known else f"{type(error).__name__}: {error}")
                pause_s = REFUSED_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _serve_once(self) -> bool:
        """Load and serve until the process ends; give whether it served for a good while."""
        loop = asyncio.get_running_loop()
        version = await self._version()
        folder = await loop.run_in_executor(None, materialise, version)
        began = loop.time()
        process = self._process = await processes.start(
            "child",
            *("--socket", self.socket, "--queue-rows", settings.RUNNER["QUEUE_ROWS"]),
            *("--batch-deadline-s", settings.RUNNER["BATCH_DEADLINE_S"]),
            folder=folder,
            version=version,
            run=self._run,
        )
        log = asyncio.create_task(processes.log_errors(process, self._label))
        watch = None
        try:
            if await self._is_ready(process):
                self.load_ms = round((loop.time() - began) * 1000)
                logger.info("%s serves after %d ms", self._label, self.load_ms)
                self._become(State.READY, "")
                watch = loop.create_task(self._watch(process))
            returncode = await process.wait()
        finally:
            if watch is not None:
                watch.cancel()
            await processes.end(process)
            await log
            self._process = None
        self.restarts += 1
        words = processes.last_words(returncode)
        logger.warning("%s: %s; it is started again", self._label, words)
        self._become(State.STARTING, words)
        return loop.time() - began > STEADY_S

    async def _watch(self, process: ForkedProcess) -> None:
        """End a process that no longer answers: a model may have shut its door or switched off its own alarm."""
        missed = 0
        while missed < 2:
            await asyncio.sleep(WATCH_S)
            is_there = await processes.answers(self.socket, settings.RUNNER["BATCH_DEADLINE_S"] + 1)
            missed = 0 if is_there else missed + 1
        logger.warning("%s does not answer any more and is ended", self._label)
        await processes.kill(process)

    async def _is_ready(self, process: ForkedProcess) -> bool:
        """Wait until the model is loaded. Raises Unprocessable if it cannot be, or takes too long."""
        try:
            async with asyncio.timeout(settings.RUNNER["CHECK_DEADLINE_S"]):
                report = await anext(processes.reports(process), None)
        except TimeoutError:
            raise Unprocessable(f"loading took more than {settings.RUNNER['CHECK_DEADLINE_S']:g} s") from None
        if report is None:
            return False
        if "error" in report:
            raise Unprocessable(read_message(report["error"]))
        figures = read_report(report, None)
        if figures["missing_walls"]:
            logger.warning("%s runs without walls around %s", self._label, figures["missing_walls"])
        self.memory_bytes, self.device_bytes = figures.get("memory_bytes", 0), figures.get("device_bytes", 0)
        return True

    def _become(self, state: State, error: str) -> None:
        self.state, self.error = state, error
        self.settled.set()
        self._changed()
