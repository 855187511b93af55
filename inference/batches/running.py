"""One attempt at a batch run, in the job's own process: read, predict, keep part by part, put together.

A part's results are in the store and its row is committed before it counts as done; the next attempt begins behind it.
"""

from __future__ import annotations

from typing import BinaryIO

from django.utils.translation import gettext as _

from common.display import thousands
from common.errors import Unprocessable
from files.services import open_blob
from inference.batches import parts, reading
from inference.batches.predicting import Predicted, Predictor
from inference.batches.results import schema_of, table_of
from inference.models import BatchRun
from jobs.runner import JobRun

ENOUGH_ROWS = 100  # to judge the share of wrong ones
ASSEMBLY_PERCENT = 95


def run_batch(run: JobRun, batch: BatchRun) -> None:
    """Go on with a run where it stopped, and make its result. Raises a FluemanError."""
    with open_blob(batch.blob) as stream:
        attempt = _Attempt(run, batch, stream)
        attempt.predict()
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

    def predict(self) -> None:
        """Do all parts that are not done."""
        parts.set_total(self._batch, self._total)
        predictor = Predictor(self._batch.version, self._batch.format, self._columns)
        start = reading.Start(self._last.row, self._last.position)
        wanted = (self._batch.format, self._wanted, start)
        predictor.run(reading.read_pieces(self._stream, *wanted, most_rows=lambda: predictor.rows), self._keep)
        self._total = self._last.row  # known only now: lines of a text are no rows
        parts.set_total(self._batch, self._total)
        self._judge()

    def _keep(self, predicted: Predicted, worked_ms: int) -> None:
        piece = predicted.piece
        ids = piece.columns[self._batch.id_column] if self._batch.id_column else None
        got = (predicted.is_good, predicted.answered, predicted.wrong)
        done = parts.Done(*table_of(self.schema, self._signature, ids, piece.first_row, *got))
        self._last = parts.keep(
            run=self._run, batch=self._batch, last=self._last, piece=piece, done=done, worked_ms=worked_ms
        )
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
