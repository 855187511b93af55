"""Rows of Parquet files as frames of bounded size. No Django."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from datasets.engines.table import ROW

FRAME_ROWS = 65_536


def frames_of(parts: Iterable[tuple[Path, int]], columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """Give the rows of files in order, each file with the number of its first row; rows carry theirs as `ROW`.

    A file without rows gives a frame without rows, so that its columns are known.
    """
    for path, first_row in parts:
        at = first_row
        with pq.ParquetFile(path) as file:
            wanted = list(columns) if columns is not None else None
            batches = file.iter_batches(FRAME_ROWS, columns=wanted) if file.metadata.num_rows else [file.read(wanted)]
            for batch in batches:
                numbers = pl.int_range(at, at + batch.num_rows, dtype=pl.Int64, eager=True).alias(ROW)
                yield pl.DataFrame(pl.from_arrow(batch)).with_columns(numbers)
                at += batch.num_rows
