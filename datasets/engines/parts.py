"""Rows as the part files of a version: the same rows make the same bytes, however they arrive. No Django."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import polars as pl

from common.errors import StorageFull
from datasets.engines.table import ROW
from datasets.sealing import PartFile

PART_ROWS = 65_536
PART_BYTES = 64 << 20  # by `weight`
GROUP_ROWS = 8192  # what a page of a preview must read
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = tuple(f"(os error {number})" for number in _FULL)


class PartWriter:
    """Writes rows in order; where parts end depends on the rows alone.

    A part has `PART_ROWS` rows, or half of that and so on where these are heavier than `PART_BYTES`. One that is there
    already, from an attempt before this one, is not written again.
    """

    def __init__(self, folder: Path, *, split: str = "", schema: pl.Schema | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._split = folder, split
        self._empty = pl.DataFrame(schema=schema) if schema is not None else None
        self._held: list[pl.DataFrame] = []
        self._rows = self._weight = 0
        self.parts: list[PartFile] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows. Raises StorageFull."""
        frame = frame.drop(ROW, strict=False)
        self._empty = frame.clear() if self._empty is None else self._empty
        self._held.append(frame)
        self._rows += len(frame)
        self._weight += weight(frame)
        while self._rows >= PART_ROWS or (self._weight > PART_BYTES and self._rows > 1):
            self._cut()

    def finish(self) -> list[PartFile]:
        """Write what is left, and give the parts: at least one, if need be without rows. Raises StorageFull."""
        if self._rows or (not self.parts and self._empty is not None):
            self._write(pl.concat(self._held) if self._held else self._empty)  # type: ignore[arg-type]
        self._held = []
        return self.parts

    def _cut(self) -> None:
        held = pl.concat(self._held)
        rows = PART_ROWS
        while rows > 1 and weight(held.head(rows)) > PART_BYTES:
            rows //= 2
        self._write(held.head(rows))
        rest = held.slice(rows)
        self._held, self._rows, self._weight = [rest], len(rest), weight(rest)

    def _write(self, frame: pl.DataFrame) -> None:
        path = self._folder / f"{self._split or 'part'}-{len(self.parts):06d}.parquet"
        if not path.exists():
            written(path, lambda target: write_parquet(frame, target))
        self.parts.append(PartFile(path, len(frame), self._split))


def write_parquet(frame: pl.DataFrame, target: Path) -> None:
    """Write rows as every part of a version is written."""
    frame.rechunk().write_parquet(target, compression="zstd", compression_level=3, row_group_size=GROUP_ROWS)


def written(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written that is there whole or not at all. Raises StorageFull."""
    fresh = path.with_name(f".{uuid4().hex}")
    try:
        write(fresh)
        fresh.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise told_when_full(error) from error
    finally:
        fresh.unlink(missing_ok=True)


def told_when_full(error: Exception) -> Exception:
    """Give StorageFull where an error says that no room is left, else the error itself."""
    is_full = getattr(error, "errno", None) in _FULL or any(word in str(error) for word in _FULL_WORDS)
    return StorageFull(f"no room is left on the disk: {os.strerror(errno.ENOSPC)}") if is_full else error


class Stored:
    """Brings columns into the few types that versions hold."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._columns = [pl.col(name).cast(_stored(kind)) for name, kind in schema.items()]

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(ROW, *self._columns)


def _stored(kind: pl.DataType) -> pl.DataType:
    if isinstance(kind, pl.List):
        return pl.List(_stored(kind.inner))  # type: ignore[arg-type]
    if kind.is_integer():
        return pl.UInt64() if kind == pl.UInt64 else pl.Int64()
    if kind.is_numeric():
        return pl.Float64()
    if isinstance(kind, pl.Datetime):
        return pl.Datetime("us", "UTC")
    if isinstance(kind, pl.Duration):
        return pl.Duration("us")
    return kind if kind in (pl.Boolean, pl.Date) else pl.String()


def weight(frame: pl.DataFrame) -> int:
    """Give about how many bytes rows are; the sum over pieces is that of the whole."""
    return sum(_weight(frame[name]) for name in frame.columns)


def _weight(column: pl.Series) -> int:
    own = 8 * len(column)
    if column.dtype == pl.String:
        return own + int(column.str.len_bytes().sum() or 0)
    if isinstance(column.dtype, pl.List):
        return own + _weight(column.drop_nulls().explode(empty_as_null=False))
    return own
