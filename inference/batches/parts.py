"""What a run has done so far, in rows and blobs: each part once, whoever is killed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from django.db import close_old_connections
from django.db.models import Sum

from common.errors import Conflict
from common.transactions import transactional
from files.models import Blob
from files.services import add_reference, adopt, name_blob, open_blob
from files.storage import incoming_folder, told_when_full
from inference.batches.columns import Wrong
from inference.batches.reading import Piece
from inference.batches.results import open_result, printable, read_part, shown, write_part
from inference.batches.services import forget_parts
from inference.models import BatchPart, BatchRun
from jobs.runner import JobRun
from notify.services import publish

SHOWN_ROWS = 10
SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Done:
    """The results of a piece, and what went wrong by row."""

    table: pa.Table
    errors: Wrong


@dataclass(frozen=True, slots=True)
class Last:
    """How far a run is: parts, rows, wrong rows, and where the file goes on."""

    parts: int = 0
    row: int = 0
    wrong: int = 0
    position: int = 0


def last_of(batch: BatchRun) -> Last:
    """Give how far a run is by its parts."""
    last = batch.parts.order_by("-number").first()
    if last is None:
        return Last()
    rows = batch.parts.aggregate(rows=Sum("rows"))["rows"]
    return Last(last.number + 1, rows, batch.rows_wrong, last.position)


def set_total(batch: BatchRun, rows: int) -> None:
    """Say how many rows there are to do."""
    close_old_connections()
    BatchRun.objects.filter(pk=batch.pk).update(rows_total=rows)


def keep(*, run: JobRun, batch: BatchRun, last: Last, piece: Piece, done: Done, worked_ms: int) -> Last:
    """Keep the results of a piece as the next part. Raises ClaimLostError if another attempt has taken over."""
    close_old_connections()
    blob = _stored(lambda target: write_part(done.table, target))
    now = Last(last.parts + 1, last.row + piece.rows, last.wrong + len(done.errors), piece.next.position)
    _commit(run, batch, now, BatchPart(run=batch, number=last.parts, rows=piece.rows, position=now.position, blob=blob))
    changes: dict[str, Any] = {}
    if not last.parts:
        changes["sample"] = shown(done.table, SHOWN_ROWS)
    if done.errors and len(batch.problems) < SHOWN_PROBLEMS:
        batch.problems += _problems(piece, done)[: SHOWN_PROBLEMS - len(batch.problems)]
        changes["problems"] = batch.problems
    batch.worked_ms += worked_ms
    BatchRun.objects.filter(pk=batch.pk).update(worked_ms=batch.worked_ms, **changes)
    return now


@transactional
def _commit(run: JobRun, batch: BatchRun, now: Last, part: BatchPart) -> None:
    run.attempt.beat()  # first: while its row is held, no other attempt can count the same rows
    part.save(force_insert=True)
    add_reference(blob=part.blob)
    BatchRun.objects.filter(pk=batch.pk).update(rows_done=now.row, rows_wrong=now.wrong)


def assemble(*, run: JobRun, batch: BatchRun, schema: pa.Schema) -> None:
    """Put the parts together as one Parquet file of the run's owner, and end the job with it."""
    if batch.created_by is None:
        raise Conflict("the owner of the run has gone")
    blob = _stored(lambda target: _write_all(batch, schema, target))
    with run.succeed():
        stored = name_blob(blob=blob, name=batch.result_name, owner=batch.created_by)
        BatchRun.objects.filter(pk=batch.pk).update(result=stored, result_sha256=blob.pk)
        forget_parts(batch)
        batch.refresh_from_db()
        told = {"run": str(batch.pk), "version": str(batch.version), "file": batch.file_name}
        publish(
            event="batch.finished", payload=told | {"rows": batch.rows_done, "wrong": batch.rows_wrong}, target=batch
        )


def _write_all(batch: BatchRun, schema: pa.Schema, target: BinaryIO) -> None:
    with open_result(target, schema) as writer:
        for part in batch.parts.select_related("blob").order_by("number"):
            with open_blob(part.blob) as source:
                writer.write_table(read_part(source))


def _stored(write: Callable[[BinaryIO], None]) -> Blob:
    """Keep what `write` writes; it is safe for an hour, and longer with a reference."""
    with _temporary() as path:
        with told_when_full(), path.open("wb") as target:
            write(target)
        return adopt(path)


@contextmanager
def _temporary() -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(dir=incoming_folder())
    path = Path(name)
    open(descriptor, "wb").close()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _problems(piece: Piece, done: Done) -> list[dict[str, Any]]:
    ids = done.table.column(0)
    rows = sorted(done.errors)[:SHOWN_PROBLEMS]
    return [
        {
            "row": piece.first_row + row,
            "id": printable(str(ids[row].as_py())[:100]),
            "error": printable(done.errors[row][:300]),
        }
        for row in rows
    ]
