"""Facts about rows in buckets on disk: rows of one key lie in one bucket, and one bucket fits in memory. No Django."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa

BUCKET_BYTES = 64 << 20
MOST_BUCKETS = 256


def buckets_for(rows: int, row_bytes: int) -> int:
    """Give how many buckets keep each one small."""
    return min(MOST_BUCKETS, 1 + rows * row_bytes // BUCKET_BYTES)


class Spill:
    """Writes frames into buckets by their column `low`, and gives each bucket back in the order it was written."""

    def __init__(self, folder: Path, buckets: int) -> None:
        folder.mkdir(parents=True)
        self._folder, self.buckets = folder, buckets
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self._empty: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Write some rows."""
        self._empty = frame.clear()
        numbered = frame.with_columns((pl.col("low") % self.buckets).cast(pl.UInt16).alias("bucket"))
        for (bucket,), piece in numbered.partition_by("bucket", as_dict=True, include_key=False).items():
            table = piece.to_arrow()
            if bucket not in self._writers:
                self._writers[int(bucket)] = pa.ipc.new_stream(self._path(int(bucket)), table.schema)
            self._writers[int(bucket)].write_table(table)

    def finish(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def bucket(self, number: int) -> pl.DataFrame | None:
        """Give the rows of a bucket and delete its file; `None` if nothing was ever written."""
        if number not in self._writers:
            return self._empty
        path = self._path(number)
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            frame = pl.DataFrame(pl.from_arrow(stream.read_all()))
        path.unlink()
        return frame

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:03}.arrow"
