"""The model host: keeps a process for every version that is wanted, and answers at its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable
from uuid import UUID

from django.conf import settings

from common.errors import Conflict
from guards.services import read_stamps
from inference.host import control, door, places, states
from inference.host.database import Database, DatabaseAwayError
from inference.host.elsewhere import Watch
from inference.host.materialise import clear_unused
from inference.host.runner import Runner
from inference.reach import SCHEME
from inference.services import STAMP

logger = logging.getLogger(__name__)

TICK_S = 0.3
READ_S = 1.0  # what is wanted is read anew this often, and whenever the stamp of routes has changed
HEARTBEAT_S = 5.0
TIDY_S, UNUSED_S = 3600.0, 86400.0  # of copies of versions: how often it is looked, and how long they stay unused


class Host:
    """Compares what is wanted with what runs, several times a second."""

    def __init__(self, identity: states.Identity) -> None:
        self.runners: dict[UUID, Runner | Watch] = {}
        self.explicit: set[UUID] = set()
        self.measuring = asyncio.Semaphore(1)
        self.database = Database(identity)
        self._ending: dict[UUID, asyncio.Task[None]] = {}
        self._last_beat = 0.0
        self._last_tidy = time.monotonic()
        self._wanted: dict[UUID, states.Wanted] = {}
        self._wanted_as_of: tuple[int, set[UUID]] | None = None
        self._wanted_read = 0.0

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop the processes and return."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await self._begin(stop)
        async with control.listening(self):
            while not stop.is_set():
                await self._tick()
                await self._pause(stop)
        await self._end()

    async def _begin(self, stop: asyncio.Event) -> None:
        """Forget what a killed host left behind, once the database answers."""
        for socket in places.run_folder().glob("m-*.sock"):
            socket.unlink(missing_ok=True)
        while not stop.is_set():
            with contextlib.suppress(DatabaseAwayError):
                await self.database.call(states.reset, self.database.host)
                wanted = await self.database.call(states.read_wanted, self.database.host)
                await asyncio.to_thread(clear_unused, set(wanted))
                return
            await asyncio.sleep(1)

    async def _tick(self) -> None:
        try:
            await self._compare(await self._read_wanted())
            await self.database.flush()
            if time.monotonic() - self._last_beat > HEARTBEAT_S:
                await self.database.beat({id_: runner.addresses for id_, runner in self.runners.items()})
                self._last_beat = time.monotonic()
            if time.monotonic() - self._last_tidy > TIDY_S:
                self._last_tidy = time.monotonic()
                await asyncio.to_thread(clear_unused, {*self.runners, *self._ending}, UNUSED_S)
        except DatabaseAwayError:
            await asyncio.sleep(TICK_S)
        except Exception:  # whatever it was, the models that are loaded go on
            logger.exception("the model host goes on after an error of its own")
            await asyncio.sleep(TICK_S)

    async def _read_wanted(self) -> dict[UUID, states.Wanted]:
        """Give what is wanted. Between two readings only the stamp is asked for: it costs a tenth."""
        stamps = await self.database.call(read_stamps)
        as_of = stamps.get(STAMP, 0), set(self.explicit)
        if as_of != self._wanted_as_of or time.monotonic() - self._wanted_read > READ_S:
            self._wanted = await self.database.call(states.read_wanted, self.database.host, as_of[1])
            self._wanted_as_of, self._wanted_read = as_of, time.monotonic()
        return self._wanted

    async def _compare(self, wanted: dict[UUID, states.Wanted]) -> None:
        if unwanted := self.runners.keys() - wanted.keys():
            unwanted = await self.database.call(states.release, self.database.host, unwanted, set(self.explicit))
        for version_id in unwanted:
            self._ending[version_id] = asyncio.create_task(self.runners.pop(version_id).stop())
        self._ending = {version_id: task for version_id, task in self._ending.items() if not task.done()}
        for version_id in wanted.keys() - self.runners.keys() - self._ending.keys():
            kind = Watch if wanted[version_id].remote else Runner
            self.runners[version_id] = kind(wanted[version_id], self.database)
        for version_id in wanted.keys() & self.runners.keys():
            self.runners[version_id].wanted = wanted[version_id]

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait a moment, less if there is something to write or the host shall stop."""
        waits = [asyncio.create_task(event.wait()) for event in (stop, self.database.changed)]
        await asyncio.wait(waits, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.database.changed.clear()

    async def _end(self) -> None:
        stops = [asyncio.create_task(runner.stop(drain_s=0)) for runner in self.runners.values()]
        await asyncio.sleep(0)  # each has noted that it stops: web hears it first
        with contextlib.suppress(DatabaseAwayError):
            await self.database.flush()
        await asyncio.gather(*stops, *self._ending.values())
        with contextlib.suppress(DatabaseAwayError):
            await self.database.flush()


def run_host(listen: str, say: Callable[[str], object]) -> None:
    """Run the one model host of this FLUEMAN_HOME, with a door to other machines where `listen` says so.

    Raises Conflict if there is one already, Invalid or Unavailable if the door cannot be opened.
    """
    lock = os.open(places.run_folder() / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict("a model host runs already in this FLUEMAN_HOME") from None
    with door.opened(listen, say) if listen else contextlib.nullcontext("") as address:
        named, takes = settings.MODEL_HOST["NAME"], settings.MODEL_HOST["TAKES"]
        identity = states.Identity(name=named or address.removeprefix(SCHEME) or "here", address=address, takes=takes)
        asyncio.run(Host(identity).run())
