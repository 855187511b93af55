"""The rows of a run on their way through the version's process: several calls under way, and bad rows found out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from common.errors import FluemanError, Unprocessable
from inference.batches.columns import Block
from inference.batches.results import Answered
from inference.transport import Result, Runner

UNDER_WAY = 3
FIRST_ROWS, MOST_ROWS, MOST_BYTES = 32, 1024, 4 << 20
QUICK_MS, SLOW_MS = 20.0, 60.0  # callers who wait for their answers take turns with these calls
PAUSE_S = 0.05
MOST_DEADLY_ROWS = 20
TRIES_ALONE = 2
WAITS = frozenset({"queue_full"})
LOADS = frozenset({"not_ready"})
# A server elsewhere, or the way there, is away or does not let us in: that says nothing of these rows.
AWAY = frozenset(
    (
        *("unreachable", "breaker_open", "remote_lost", "remote_not_ready", "remote_too_many"),
        *("remote_refused", "remote_unknown", "address_refused", "bad_certificate"),
    )
)
KNOWN_AWAY = LOADS | {"unreachable", "remote_not_ready"}
# The process died, or did not answer: it may have been this call, or one beside it, or somebody who killed it.
LOST = frozenset({"runner_lost", "runner_closed", "runner_broken", "remote_lost", "deadline_exceeded"})
LOST_S = 20.0  # that a gateway loses a call though the server is not known to be away: the call itself may end it

Locate = Callable[[], Awaitable[Runner]]


class AwayError(Exception):
    """The version's process cannot be had; no row is to blame."""


@dataclass
class Calls:
    """Runs rows in calls of a size that keeps each short. All methods run on one event loop.

    `locate` gives the way to the version's process, or raises NotReady; that is waited for, `patience_s` at most.
    """

    locate: Locate
    deadline_s: float
    patience_s: float
    most_rows: int = MOST_ROWS  # of one call
    rows: int = field(init=False)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UNDER_WAY))
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _deadly: int = 0

    def __post_init__(self) -> None:
        self.rows = min(FIRST_ROWS, self.most_rows)

    async def run(self, blocks: Sequence[Block], rows: int) -> list[Answered]:
        """Give what all rows got, in order.

        Raises Unprocessable if too many of them kill the process, AwayError if there is none for too long.
        """
        try:
            return await self._run(blocks, rows)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _run(self, blocks: Sequence[Block], rows: int) -> list[Answered]:
        breaks = sorted({place for block in blocks for place in block.breaks()})
        tasks: list[asyncio.Task[list[Answered]]] = []
        async with asyncio.TaskGroup() as group:
            at = 0
            while at < rows:
                await self._room.acquire()
                while breaks and breaks[0] <= at:
                    breaks.pop(0)
                last = min(at + self.rows, rows, *breaks[:1])
                tasks.append(group.create_task(self._first(blocks, at, last)))
                at = last
        return [one for task in tasks for one in task.result()]

    async def _first(self, blocks: Sequence[Block], first: int, last: int) -> list[Answered]:
        try:
            return [await self._call(blocks, first, last)]
        except FluemanError as error:
            if error.code not in LOST:
                return await self._halves(blocks, first, last, error)
        finally:
            self._room.release()
        async with self._alone:  # so that no call is blamed for what another did
            for _ in range(UNDER_WAY):
                await self._room.acquire()
            try:
                return await self._again(blocks, first, last)
            finally:
                for _ in range(UNDER_WAY):
                    self._room.release()

    async def _again(self, blocks: Sequence[Block], first: int, last: int) -> list[Answered]:
        """Try some rows by themselves, and their halves if they fail."""
        for tries_left in reversed(range(TRIES_ALONE)):
            try:
                return [await self._call(blocks, first, last)]
            except FluemanError as error:
                if error.code not in LOST or not tries_left:
                    return await self._halves(blocks, first, last, error)
        raise AssertionError("there is at least one try")

    async def _halves(self, blocks: Sequence[Block], first: int, last: int, error: FluemanError) -> list[Answered]:
        if last - first == 1:
            self._deadly += error.code in LOST
            if self._deadly > MOST_DEADLY_ROWS:
                raise Unprocessable(f"the model's process ended at {self._deadly} rows", code="deadly_rows")
            return [Answered(first, last, error=error.message)]
        middle = (first + last) // 2
        return [
            *await self._again(blocks, first, middle),
            *await self._again(blocks, middle, last),
        ]

    async def _call(self, blocks: Sequence[Block], first: int, last: int) -> Answered:
        """Run some rows as one call, waiting while the process loads or is busy. Raises a FluemanError."""
        tensors = [block.tensor(first, last) for block in blocks]
        began, lost_since = perf_counter(), None
        while True:
            try:
                runner = await self.locate()
                result = await runner.submit(tensors, last - first, perf_counter() + self.deadline_s)
            except FluemanError as error:
                if error.code not in WAITS | LOADS | AWAY:
                    raise
                now = perf_counter()
                if now - began > self.patience_s:
                    raise AwayError(error.message) from error
                if error.code == "remote_lost":
                    lost_since = lost_since or now
                    if now - lost_since > LOST_S:
                        raise
                elif error.code in KNOWN_AWAY:
                    lost_since = None
                await asyncio.sleep(PAUSE_S)
                continue
            self._adapt(tensors, last - first, result)
            return Answered(first, last, result.outputs, run_ms=result.run_ms)

    def _adapt(self, tensors: Sequence[Any], rows: int, result: Result) -> None:
        """Let calls grow while they are quick, and shrink where they hold others up."""
        if result.run_ms > SLOW_MS:
            self.rows = max(1, min(self.rows, rows // 2))
        elif result.run_ms < QUICK_MS and rows >= self.rows:
            row_bytes = max(1, sum(len(tensor.payload) for tensor in tensors) // rows)
            self.rows = max(1, min(2 * self.rows, self.most_rows, MOST_BYTES // row_bytes))
