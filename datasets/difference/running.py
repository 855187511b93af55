"""One attempt at finding what differs between two versions, in the job's own process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from django.utils import timezone
from django.utils.translation import gettext as _

from datasets.content import local_parts
from datasets.difference.columns import Columns
from datasets.difference.rows import Found, Side, compare, find_key
from datasets.difference.writing import Writer
from datasets.frames import frames_of
from datasets.models import DatasetVersion, VersionDifference
from datasets.workplace import work_folder
from files.models import Blob
from files.services import add_reference, adopt
from files.storage import incoming_folder
from jobs.runner import JobRun


def run_comparison(run: JobRun, difference: VersionDifference) -> None:
    """Find the difference and keep it. Raises a FluemanError."""
    if difference.found_at:
        return  # an attempt before this one got as far as the end
    before, after = _side(difference.before), _side(difference.after)
    columns = Columns.of(difference.before.columns, difference.after.columns)
    with work_folder(run) as folder:
        key = difference.key or find_key(before, after, columns)
        tell = _teller(run, _("The rows are compared"), 0, 70)
        found = compare(before, after, columns, key=key, folder=folder / "buckets", tell=tell)
        writer = Writer(before, after, found, columns)
        blob, examples = _written(writer, _teller(run, _("The differences are written"), 70, 100))
    summary = _summary(columns, found, key, before.rows, after.rows)
    with run.succeed():
        add_reference(blob=blob)
        own = VersionDifference.objects.filter(pk=difference.pk)
        own.update(summary=summary, examples=examples, blob=blob, found_at=timezone.now())


def _summary(columns: Columns, found: Found, key: str, rows_before: int, rows_after: int) -> dict[str, Any]:
    return {
        "key": key,
        "columns": columns.as_dict(),
        "rows_before": rows_before,
        "rows_after": rows_after,
        "added": len(found.added),
        "removed": len(found.removed),
        "changed": len(found.changed),
        "same": found.same,
        "by_column": dict(found.by_column.most_common()),
        "doubled_keys": found.doubled_keys if key else 0,
    }


def _side(version: DatasetVersion) -> Side:
    return Side(version.rows, partial(_frames, version))


def _frames(version: DatasetVersion, columns: Sequence[str] | None) -> Iterator[pl.DataFrame]:
    return frames_of(((part.path, part.first_row) for part in local_parts(version)), columns)


def _teller(run: JobRun, step: str, first: int, last: int) -> Callable[[float], None]:
    return lambda share: run.report(first + share * (last - first), step)


def _written(writer: Writer, tell: Callable[[float], None]) -> tuple[Blob, dict[str, Any]]:
    descriptor, name = tempfile.mkstemp(dir=incoming_folder())
    os.close(descriptor)
    try:
        examples = writer.write(Path(name), tell)
        return adopt(Path(name)), examples
    finally:
        Path(name).unlink(missing_ok=True)
