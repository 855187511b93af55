"""One version that runs elsewhere, watched: ready or not, and still what was registered."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter

from django.utils import timezone

from common.errors import FluemanError
from inference.host.database import Database, DatabaseAwayError
from inference.host.states import STOPPED, State, Wanted, read_version
from inference.remote.check import check_signature
from inference.remote.client import Client
from inference.remote.discovery import ask_ready, talking
from inference.remote.places import Place

logger = logging.getLogger(__name__)

PROBE_S, PROBE_TIMEOUT_S = 1.5, 3.0
MOST_MISSED = 2  # probes in a row, before web is told
LOOKS_EVERY = 20  # probes, between two looks at the metadata


class Watch:
    """Asks a server every moment whether a model is ready there; the database hears of every change.

    For the host it is what a runner is that keeps a process.
    """

    pid = None

    def __init__(self, wanted: Wanted, database: Database) -> None:
        self.wanted = wanted
        self.state = State.STARTING
        self.restarts = 0
        self.addresses: list[str] = []
        self._said = ""
        self._database = database
        self._note(State.STARTING, started_at=timezone.now(), restarts=0, pid=None, memory_bytes=None)
        self._task = asyncio.create_task(self._keep())

    async def stop(self, *, drain_s: float = 0) -> None:
        """Watch no more; calls under way end by themselves."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.addresses = []
        self._note(**STOPPED)

    async def _keep(self) -> None:
        while True:
            place = self.wanted.remote
            assert place is not None
            try:
                async with talking(place) as client:
                    await self._follow(client, place)
            except FluemanError as error:
                self._failed(error)
                await asyncio.sleep(PROBE_S)

    async def _follow(self, client: Client, place: Place) -> None:
        """Probe until the place changes. Raises a FluemanError if it may not be asked at all."""
        missed = probes = 0
        while self.wanted.remote == place:
            began = perf_counter()
            try:
                await ask_ready(client, place, PROBE_TIMEOUT_S)
                took_ms = round((perf_counter() - began) * 1000)
                if probes % LOOKS_EVERY == 0:
                    version = await self._database.call(read_version, self.wanted.id)
                    await check_signature(client, place, version.parsed_signature())
            except DatabaseAwayError:
                probes = 0
            except FluemanError as error:
                missed, probes = missed + 1, 0
                if missed >= MOST_MISSED or self.addresses != [place.address]:
                    self._failed(error)
            else:
                missed, probes = 0, probes + 1
                self._ready(place, took_ms)
            await self._pause(place)

    async def _pause(self, place: Place) -> None:
        until = perf_counter() + PROBE_S
        while perf_counter() < until and self.wanted.remote == place:
            await asyncio.sleep(0.1)

    def _ready(self, place: Place, took_ms: int) -> None:
        if self.addresses == [place.address]:
            return
        logger.info("%s is ready on %s", self.wanted.label, place.server)
        self.addresses = [place.address]
        self._note(State.READY, addresses=[place.address], load_ms=took_ms, heartbeat_at=timezone.now(), error="")

    def _failed(self, error: FluemanError) -> None:
        if self.state == State.FAILED and self._said == error.message:
            return
        logger.warning("%s cannot be served: %s", self.wanted.label, error)
        self.restarts += self.state == State.READY
        self.addresses, self._said = [], error.message
        self._note(State.FAILED, addresses=[], error=error.message, restarts=self.restarts)

    def _note(self, state: State, **fields: object) -> None:
        self.state = state
        self._database.note(self.wanted.id, state=state, **fields)
