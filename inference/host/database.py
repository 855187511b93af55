"""The model host's way to the database: one thread, and patience while the database is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from inference.host import states

logger = logging.getLogger(__name__)

T = TypeVar("T")


class DatabaseAwayError(Exception):
    """The database does not answer; what is served goes on, and the call is tried again later."""


class Database:
    """Runs short calls in one thread and keeps what is still to be written."""

    def __init__(self, host: states.Identity) -> None:
        self.host = host
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._unwritten: dict[UUID, dict[str, Any]] = {}
        self._is_away = False
        self.changed = asyncio.Event()

    async def call(self, work: Callable[..., T], *arguments: Any) -> T:
        """Give what a short `work` gives. Raises DatabaseAwayError if the database does not answer."""
        return await self._run(self._thread, close_old_connections, work, arguments)

    async def call_long(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do the same in another thread, for work that moves many bytes."""
        return await self._run(None, connections.close_all, work, arguments)

    async def _run(
        self,
        pool: ThreadPoolExecutor | None,
        tidy: Callable[[], None],
        work: Callable[..., T],
        arguments: tuple[Any, ...],
    ) -> T:
        def run() -> T:
            tidy()
            try:
                return work(*arguments)
            finally:
                tidy()

        try:
            result = await asyncio.get_running_loop().run_in_executor(pool, run)
        except (DatabaseError, InterfaceError) as error:
            if not self._is_away:
                logger.warning("the database does not answer; what is loaded goes on serving: %s", error)
            self._is_away = True
            raise DatabaseAwayError(str(error)) from error
        if self._is_away:
            logger.warning("the database answers again")
        self._is_away = False
        return result

    def note(self, version_id: UUID, **fields: Any) -> None:
        """Remember fields of a runner's row; `flush` writes them."""
        self._unwritten.setdefault(version_id, {}).update(fields)
        self.changed.set()

    async def flush(self) -> None:
        """Write what was noted, and keep what cannot be written. Raises DatabaseAwayError where that is why."""
        for version_id in list(self._unwritten):
            fields = self._unwritten.pop(version_id)
            try:
                await self.call(states.write, self.host, version_id, fields)
            except Exception as error:
                self._unwritten[version_id] = fields | self._unwritten.get(version_id, {})
                if isinstance(error, DatabaseAwayError):
                    raise
                logger.exception("the state of version %s is not written yet", version_id)

    async def beat(self, served: Mapping[UUID, Sequence[str]]) -> None:
        """Write a sign of life of the host and of the versions it serves, with their addresses."""
        await self.call(states.beat, self.host, served)
