"""What a version answered, part by part in the job's folder, until all of it is one Parquet blob.

A part lies under its own name only once it is whole and flushed; the next attempt goes on behind the last.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from files.models import Blob
from files.services import adopt
from files.storage import incoming_folder, told_when_full

CHUNK_ROWS = 65_536  # of the whole: rows are found by their place


class Parts:
    """The parts of one evaluation in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.rows = sum(rows for _, rows in self._whole())

    def keep(self, table: pa.Table) -> None:
        """Keep the next rows. Raises StorageFull."""
        fresh = self._folder / "fresh"
        with told_when_full(), fresh.open("wb") as target:
            with pa.ipc.new_stream(target, table.schema) as writer:
                writer.write_table(table)
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(self._folder / f"{self.rows:015d}-{table.num_rows}")
        self.rows += table.num_rows

    def chunks(self) -> Iterator[pa.Table]:
        """Give all rows in order, in tables of `CHUNK_ROWS` and a shorter last one, however they were kept."""
        waiting: list[pa.Table] = []
        for path, _ in self._whole():
            with path.open("rb") as source, pa.ipc.open_stream(source) as reader:
                waiting.append(reader.read_all())
            while sum(one.num_rows for one in waiting) >= CHUNK_ROWS:
                table = pa.concat_tables(waiting)
                yield table.slice(0, CHUNK_ROWS).combine_chunks()
                waiting = [table.slice(CHUNK_ROWS)]
        if waiting and (rest := pa.concat_tables(waiting)).num_rows:
            yield rest.combine_chunks()

    def _whole(self) -> list[tuple[Path, int]]:
        """Give the parts that follow each other from the first row on."""
        found, at = [], 0
        for path in sorted(self._folder.glob("*-*")):
            first, _, rows = path.name.partition("-")
            if int(first) != at:
                break
            found.append((path, int(rows)))
            at += int(rows)
        return found


def stored(chunks: Iterator[pa.Table]) -> Blob:
    """Keep tables of one schema, of which there is at least one, as one Parquet blob, a row group each.

    The blob is safe for an hour, and longer with a reference. Raises StorageFull.
    """
    descriptor, name = tempfile.mkstemp(dir=incoming_folder())
    os.close(descriptor)
    writer: pq.ParquetWriter | None = None
    try:
        with told_when_full():
            for table in chunks:
                writer = writer or pq.ParquetWriter(name, table.schema)
                writer.write_table(table, row_group_size=CHUNK_ROWS)
            if writer:
                writer.close()
        return adopt(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)
