"""One attempt at a batch run, in the job's own process: read, predict, keep part by part, put together.

A part's results are in the store and its row is committed before it counts as done; the next attempt begins behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any, BinaryIO

import uvloop
from django.conf import settings
from django.db import close_old_connections, connections
from django.utils.translation import gettext as _

from common.display import thousands
from common.errors import Unavailable, Unprocessable
from files.services import open_blob
from inference.batches import parts, reading
from inference.batches.calls import AwayError, Calls
from inference.batches.columns import convert
from inference.batches.reading import Piece
from inference.batches.results import schema_of, table_of
from inference.models import BatchRun
from inference.runners import Runners
from inference.snapshot import target_of
from inference.transport import Runner
from jobs.runner import JobRun
from registry.models import ModelVersion

PIECES_UNDER_WAY = 2  # one is kept while the next is predicted
LOOK_EVERY_S = 0.3
FIRST_ROWS, LEAST_ROWS, PART_MS = 512, 16, 2000  # of a piece
ENOUGH_ROWS = 100  # to judge the share of wrong ones
ASSEMBLY_PERCENT = 95
LOADING_S = 60.0  # beyond the time that loading itself may take


def run_batch(run: JobRun, batch: BatchRun) -> None:
    """Go on with a run where it stopped, and make its result. Raises a FluemanError."""
    with open_blob(batch.blob) as stream:
        attempt = _Attempt(run, batch, stream)
        try:
            uvloop.run(attempt.predict())
        except AwayError as error:
            raise Unavailable(_("The version cannot be reached: %(why)s") % {"why": error}) from error
    run.report(ASSEMBLY_PERCENT, _("The result is put together"))
    parts.assemble(run=run, batch=batch, schema=attempt.schema)


class _Attempt:
    def __init__(self, run: JobRun, batch: BatchRun, stream: BinaryIO) -> None:
        self._run, self._batch, self._stream = run, batch, stream
        self._signature = batch.version.parsed_signature()
        types = reading.column_types(stream, batch.format)
        self._columns = {spec.name: batch.columns[spec.name] for spec in self._signature.inputs}
        self._wanted = [*self._columns.values(), *filter(None, [batch.id_column])]
        if missing := [name for name in self._wanted if name not in types]:
            raise Unprocessable(_("The file has no column “%(name)s”.") % {"name": missing[0]}, code="unknown_column")
        self.schema = schema_of(self._signature, batch.id_column, types.get(batch.id_column))
        self._total = reading.count_rows(stream, batch.format)
        self._last = parts.last_of(batch)
        self._place = _Place(batch.version_id)
        # One thread reads, one keeps: each does its work in the order of the file.
        self._reader, self._keeper = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._kept_at = monotonic()
        self._piece_rows = FIRST_ROWS

    async def predict(self) -> None:
        """Do all parts that are not done."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._keeper, parts.set_total, self._batch, self._total)
            await self._predict()
            await loop.run_in_executor(self._keeper, parts.set_total, self._batch, self._last.row)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._place.close()
            for pool in (self._keeper, self._place.thread):
                await loop.run_in_executor(pool, connections.close_all)
            for pool in (self._reader, self._keeper, self._place.thread):
                pool.shutdown(wait=False)

    async def _predict(self) -> None:
        loop = asyncio.get_running_loop()
        patience_s = settings.RUNNER["CHECK_DEADLINE_S"] + LOADING_S
        calls = Calls(self._place.runner, settings.RUNNER["BATCH_DEADLINE_S"], patience_s)
        start = reading.Start(self._last.row, self._last.position)
        wanted = (self._batch.format, self._wanted, start)
        pieces = reading.read_pieces(self._stream, *wanted, most_rows=lambda: self._piece_rows)
        under_way: deque[asyncio.Task[tuple[Piece, parts.Done]]] = deque()
        async with asyncio.TaskGroup() as group:
            while piece := await loop.run_in_executor(self._reader, next, pieces, None):
                under_way.append(group.create_task(self._one(calls, piece)))
                if len(under_way) >= PIECES_UNDER_WAY:
                    await self._keep(*await under_way.popleft())
            while under_way:
                await self._keep(*await under_way.popleft())

    async def _one(self, calls: Calls, piece: Piece) -> tuple[Piece, parts.Done]:
        """Give what the rows of a piece got."""
        loop = asyncio.get_running_loop()
        columns = reading.cells(self._signature, self._batch.format, self._columns, piece.columns)
        blocks, is_good, wrong = await loop.run_in_executor(
            self._reader, convert, self._signature, columns, self._columns, piece.rows
        )
        answered = await calls.run(blocks, int(is_good.sum()))
        ids = piece.columns[self._batch.id_column] if self._batch.id_column else None
        wrong |= piece.broken
        make = partial(table_of, self.schema, self._signature, ids, piece.first_row, is_good, answered, wrong)
        table, errors = await loop.run_in_executor(self._keeper, make)
        return piece, parts.Done(table, errors)

    async def _keep(self, piece: Piece, done: parts.Done) -> None:
        await asyncio.get_running_loop().run_in_executor(self._keeper, self._write, piece, done)

    def _write(self, piece: Piece, done: parts.Done) -> None:
        now = monotonic()
        worked_ms, self._kept_at = round((now - self._kept_at) * 1000), now
        self._last = parts.keep(
            run=self._run, batch=self._batch, last=self._last, piece=piece, done=done, worked_ms=worked_ms
        )
        self._piece_rows = _paced(piece.rows, worked_ms)
        self._judge()
        share = self._last.row / max(self._total, self._last.row, 1)
        told = _("%(rows)s of %(total)s rows") % {"rows": thousands(self._last.row), "total": thousands(self._total)}
        self._run.report(share * ASSEMBLY_PERCENT, told)

    def _judge(self) -> None:
        """Stop where too many rows are wrong. Raises Unprocessable."""
        wrong, rows = self._last.wrong, self._last.row
        is_enough = rows >= min(ENOUGH_ROWS, self._total)
        if is_enough and wrong * 100 > rows * self._batch.wrong_limit:
            said = _("%(wrong)s of %(rows)s rows are wrong, more than %(limit)d %%.")
            numbers = {"wrong": thousands(wrong), "rows": thousands(rows), "limit": self._batch.wrong_limit}
            raise Unprocessable(said % numbers, code="too_many_wrong")


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
