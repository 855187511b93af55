"""One version's process, kept alive: copied, started, watched, started again."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings
from django.utils import timezone

from common.errors import FluemanError, Unprocessable
from inference.host import process as processes
from inference.host.database import Database, DatabaseAwayError
from inference.host.forkserver import ForkedProcess
from inference.host.materialise import materialise
from inference.host.places import model_socket
from inference.host.reports import read_message, read_report
from inference.host.states import State, Wanted, read_version
from registry.models import ModelVersion

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
REFUSED_PAUSE_S = 30.0  # before a version that cannot be loaded is tried again
STEADY_S = 10.0  # who served this long and then died is started again at once
DRAIN_S = 2.5  # web learns within a second that a version is not served any more
WATCH_S = 3.0


class Runner:
    """Keeps the process of one version; the database hears of every change."""

    def __init__(self, wanted: Wanted, database: Database) -> None:
        self.wanted = wanted
        self.state = State.STARTING
        self.restarts = 0
        self._database = database
        self._process: ForkedProcess | None = None
        self._version: ModelVersion | None = None
        self._memory_bytes = 0
        self._socket = model_socket(wanted.id)
        self._task = asyncio.create_task(self._keep())

    @property
    def pid(self) -> int | None:
        """The process that serves, if one does."""
        return self._process.pid if self._process else None

    @property
    def addresses(self) -> list[str]:
        """Where web reaches the version, empty while it is not served."""
        return [self._database.host.reach(self._socket)] if self.state == State.READY else []

    async def stop(self, *, drain_s: float = DRAIN_S) -> None:
        """Take the version out of service: web is told first, then the process finishes what waits."""
        self._note(State.STOPPED, addresses=[], pid=None, error="")
        if self._process is not None:
            await asyncio.sleep(drain_s)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.unlink(missing_ok=True)

    async def _keep(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                is_steady = await self._serve_once()
                pause_s = FIRST_PAUSE_S if is_steady else min(2 * pause_s, LONGEST_PAUSE_S)
            except DatabaseAwayError:
                pause_s = LONGEST_PAUSE_S
            except (FluemanError, OSError) as error:
                logger.error("%s cannot be served: %s", self.wanted.label, error)
                self._note(State.FAILED, addresses=[], pid=None, error=str(error))
                pause_s = REFUSED_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _serve_once(self) -> bool:
        """Load and serve until the process ends; give whether it served for a good while."""
        loop = asyncio.get_running_loop()
        self._note(State.STARTING, started_at=timezone.now(), restarts=self.restarts)
        if self._version is None:  # what is ready does not change, and a restart must not wait for the database
            self._version = await self._database.call(read_version, self.wanted.id)
        folder = await loop.run_in_executor(None, materialise, self._version)
        began = loop.time()
        process = self._process = await processes.start(
            "child",
            *("--socket", self._socket, "--queue-rows", settings.RUNNER["QUEUE_ROWS"]),
            *("--batch-deadline-s", settings.RUNNER["BATCH_DEADLINE_S"]),
            folder=folder,
            version=self._version,
        )
        log = asyncio.create_task(processes.log_errors(process, self.wanted.label))
        watch = None
        try:
            if await self._is_ready(process):
                self._note_ready(load_ms=round((loop.time() - began) * 1000))
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
        logger.warning("%s: %s; it is started again", self.wanted.label, words)
        self._note(State.STARTING, pid=None, error=words)
        return loop.time() - began > STEADY_S

    async def _watch(self, process: ForkedProcess) -> None:
        """End a process that no longer answers: a model may have shut its door or switched off its own alarm."""
        missed = 0
        while missed < 2:
            await asyncio.sleep(WATCH_S)
            is_there = await processes.answers(self._socket, settings.RUNNER["BATCH_DEADLINE_S"] + 1)
            missed = 0 if is_there else missed + 1
        logger.warning("%s does not answer any more and is ended", self.wanted.label)
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
            logger.warning("%s runs without walls around %s", self.wanted.label, figures["missing_walls"])
        self._memory_bytes = figures.get("memory_bytes", 0)
        return True

    def _note_ready(self, *, load_ms: int) -> None:
        logger.info("%s serves after %d ms", self.wanted.label, load_ms)
        self._note(
            State.READY,
            pid=self.pid,
            addresses=[self._database.host.reach(self._socket)],
            load_ms=load_ms,
            memory_bytes=self._memory_bytes,
            heartbeat_at=timezone.now(),
            error="",
        )

    def _note(self, state: State, **fields: object) -> None:
        self.state = state
        self._database.note(self.wanted.id, state=state, **fields)
