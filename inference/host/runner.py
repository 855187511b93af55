"""The processes of one version: as many as its settings say, replaced without a gap when those change."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from pathlib import Path

from django.utils import timezone

from inference.host.database import Database
from inference.host.instance import Instance
from inference.host.places import model_socket
from inference.host.states import STOPPED, State, Wanted, read_version
from inference.models import RunSettings
from registry.models import ModelVersion

logger = logging.getLogger(__name__)

DRAIN_S = 2.5  # web learns within a second that a version is not served any more


class Runner:
    """Keeps the processes of one version; the database hears of every change."""

    def __init__(self, wanted: Wanted, database: Database) -> None:
        self._wanted = wanted
        self._database = database
        self._version: ModelVersion | None = None
        self._generations = count()
        self._trouble = ""
        self._swap: asyncio.Task[None] | None = None
        self._is_ending = False
        self._started_at = timezone.now()
        self._instances = self._start(wanted.run)

    @property
    def wanted(self) -> Wanted:
        """What the database says of the version."""
        return self._wanted

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        """Take up other settings: fresh processes take over once they have loaded."""
        is_new = wanted.run != self._wanted.run
        self._wanted = wanted
        if is_new and not self._is_ending:
            if self._swap is not None:
                self._swap.cancel()
            self._swap = asyncio.create_task(self._take_up(wanted.run, self._swap))

    @property
    def state(self) -> State:
        """Ready while one process is."""
        states = {instance.state for instance in self._instances}
        if self._is_ending:
            return State.STOPPED
        return next((state for state in (State.READY, State.FAILED) if state in states), State.STARTING)

    @property
    def restarts(self) -> int:
        """How often its processes were started again."""
        return sum(instance.restarts for instance in self._instances)

    @property
    def pid(self) -> int | None:
        """The first process that serves, if one does."""
        return next((instance.pid for instance in self._instances if instance.pid), None)

    @property
    def addresses(self) -> list[str]:
        """Where web reaches the version, empty while it is not served."""
        if self._is_ending:
            return []
        ready = [instance.socket for instance in self._instances if instance.state == State.READY]
        return [self._database.host.reach(socket) for socket in ready]

    async def stop(self, *, drain_s: float = DRAIN_S) -> None:
        """Take the version out of service: web is told first, then the processes finish what waits."""
        self._is_ending = True
        self._database.note(self.wanted.id, **STOPPED)
        if self._swap is not None:
            self._swap.cancel()
            await asyncio.gather(self._swap, return_exceptions=True)
        if self.pid is not None:
            await asyncio.sleep(drain_s)
        await _stop_all(self._instances)

    def _start(self, run: RunSettings) -> list[Instance]:
        generation = next(self._generations) % 100
        return [
            Instance(
                label=self.wanted.label,
                socket=self._socket(generation, number),
                run=run,
                version=self._read,
                changed=self._tell,
            )
            for number in range(run.processes)
        ]

    def _socket(self, generation: int, number: int) -> Path:
        return model_socket(self.wanted.id, f"-{generation}-{number}" if generation or number else "")

    async def _read(self) -> ModelVersion:
        if self._version is None:  # what is ready does not change, and a restart must not wait for the database
            self._version = await self._database.call(read_version, self.wanted.id)
        return self._version

    async def _take_up(self, run: RunSettings, before: asyncio.Task[None] | None) -> None:
        """Have fresh processes take over; where one of them cannot load, the old ones go on and it is said why."""
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        fresh = self._start(run)
        old: list[Instance] = []
        try:
            for instance in fresh:
                await instance.settled.wait()
            refused = next((one for one in fresh if one.state != State.READY), None)
            if refused is not None and self.state == State.READY:
                self._trouble = f"the new settings cannot be used: {refused.error}"
                logger.error("%s: %s", self.wanted.label, self._trouble)
                self._tell()
                return
            old, self._instances, fresh = self._instances, fresh, []
            self._trouble = ""
            self._tell()
            await asyncio.sleep(DRAIN_S)
        finally:
            await asyncio.shield(_stop_all([*fresh, *old]))  # to its end, also where other settings come meanwhile

    def _tell(self) -> None:
        """Note how the version stands now."""
        if self._is_ending:
            return
        all_, ready = self._instances, [one for one in self._instances if one.state == State.READY]
        fields: dict[str, object] = {"error": self._trouble or next((one.error for one in all_ if one.error), "")}
        if ready:
            fields |= {
                "load_ms": max(one.load_ms for one in ready),
                "memory_bytes": sum(one.memory_bytes for one in ready),
                "device_bytes": sum(one.device_bytes for one in ready) or None,
                "heartbeat_at": timezone.now(),
            }
        self._database.note(
            self.wanted.id,
            state=self.state,
            pid=self.pid if ready else None,
            addresses=self.addresses,
            restarts=self.restarts,
            started_at=self._started_at,
            **fields,
        )


async def _stop_all(instances: list[Instance]) -> None:
    await asyncio.gather(*(instance.stop() for instance in instances))
