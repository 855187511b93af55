"""Pieces of rows through a version's process: read, predicted and handed on in their order, two under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
import uvloop
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils.translation import gettext as _

from common.errors import Unavailable
from inference.batches import reading
from inference.batches.calls import MOST_ROWS, AwayError, Calls
from inference.batches.columns import Wrong, convert
from inference.batches.reading import Piece
from inference.batches.results import Answered
from inference.remote.places import place_of
from inference.runners import Runners
from inference.snapshot import target_of
from inference.transport import Runner
from registry.models import ModelVersion

PIECES_UNDER_WAY = 2  # one is kept while the next is predicted
LOOK_EVERY_S = 0.3
FIRST_ROWS, LEAST_ROWS, PART_MS = 512, 16, 2000  # of a piece
LOADING_S = 60.0  # beyond the time that loading itself may take


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the rows of a piece got: `answered` speaks of those that `is_good` marks, `wrong` of the others."""

    piece: Piece
    is_good: np.ndarray
    answered: list[Answered]
    wrong: Wrong


Keep = Callable[[Predicted, int], None]


class Predictor:
    """A version at work on rows; `rows` is how many the next piece shall have, so that each takes some seconds."""

    def __init__(self, version: ModelVersion, kind: str, columns: Mapping[str, str]) -> None:
        self._kind, self._columns, self._signature = kind, columns, version.parsed_signature()
        self._place, self._most_rows = _Place(version.pk), most_rows(version)
        # One thread reads, one keeps: each does its work in the order of the rows.
        self._reader, self._keeper = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._kept_at = monotonic()
        self.rows = FIRST_ROWS

    def run(self, pieces: Iterator[Piece], keep: Keep) -> None:
        """Predict all pieces; `keep` gets each in its order, and the milliseconds since the one before.

        Raises Unavailable if the version's process cannot be had, whatever `pieces` and `keep` raise.
        """
        try:
            uvloop.run(self._run(pieces, keep))
        except AwayError as error:
            raise Unavailable(_("The version cannot be reached: %(why)s") % {"why": error}) from error

    async def _run(self, pieces: Iterator[Piece], keep: Keep) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._predict(pieces, keep)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._place.close()
            for pool in (self._keeper, self._reader, self._place.thread):
                await loop.run_in_executor(pool, connections.close_all)
                pool.shutdown(wait=False)

    async def _predict(self, pieces: Iterator[Piece], keep: Keep) -> None:
        loop = asyncio.get_running_loop()
        patience_s = settings.RUNNER["CHECK_DEADLINE_S"] + LOADING_S
        calls = Calls(self._place.runner, settings.RUNNER["BATCH_DEADLINE_S"], patience_s, self._most_rows)
        under_way: deque[asyncio.Task[Predicted]] = deque()
        async with asyncio.TaskGroup() as group:
            while piece := await loop.run_in_executor(self._reader, next, pieces, None):
                under_way.append(group.create_task(self._one(calls, piece)))
                if len(under_way) >= PIECES_UNDER_WAY:
                    await loop.run_in_executor(self._keeper, self._keep, await under_way.popleft(), keep)
            while under_way:
                await loop.run_in_executor(self._keeper, self._keep, await under_way.popleft(), keep)

    async def _one(self, calls: Calls, piece: Piece) -> Predicted:
        """Give what the rows of a piece got."""
        columns = reading.cells(self._signature, self._kind, self._columns, piece.columns)
        blocks, is_good, wrong = await asyncio.get_running_loop().run_in_executor(
            self._reader, convert, self._signature, columns, self._columns, piece.rows
        )
        answered = await calls.run(blocks, int(is_good.sum()))
        return Predicted(piece, is_good, answered, wrong | piece.broken)

    def _keep(self, predicted: Predicted, keep: Keep) -> None:
        worked_ms, self._kept_at = round((monotonic() - self._kept_at) * 1000), monotonic()
        keep(predicted, worked_ms)
        self.rows = _paced(predicted.piece.rows, worked_ms)


def most_rows(version: ModelVersion) -> int:
    """Give how many rows may go in one call: a process here divides what is too much, a server elsewhere does not.

    Elsewhere more rows may even change each other's answers: the version's check has looked at no more.
    """
    place = place_of(version)
    return min(MOST_ROWS, place.most_rows) if place else MOST_ROWS


def _paced(rows: int, worked_ms: int) -> int:
    """Give how many rows the next pieces have, so that each takes some seconds: what a kill can cost."""
    return max(LEAST_ROWS, min(rows * PART_MS // max(1, worked_ms), 4 * rows, reading.MOST_ROWS))


class _Place:
    """Where the version is served; asked anew now and then, for processes die and come back elsewhere."""

    def __init__(self, version_id: Any) -> None:
        self._version_id = version_id
        self._runners = Runners()
        self._target: Any = None
        self._looked_at = 0.0
        self._looking = asyncio.Lock()
        self.thread = ThreadPoolExecutor(1)

    async def runner(self) -> Runner:
        """Give the way to a process of the version. Raises NotReady."""
        if monotonic() - self._looked_at > LOOK_EVERY_S:
            async with self._looking:
                if monotonic() - self._looked_at > LOOK_EVERY_S:
                    self._target = await asyncio.get_running_loop().run_in_executor(self.thread, self._look)
                    self._looked_at = monotonic()
        return self._runners.get(self._target)

    def _look(self) -> Any:
        close_old_connections()
        version = ModelVersion.objects.select_related("model", "runner").prefetch_related("replicas")
        return target_of(version.get(pk=self._version_id))

    def close(self) -> None:
        """Hang up."""
        self._runners.close()
