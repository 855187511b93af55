"""A few rows of a sealed version, the same ones each time: its first rows, then some from elsewhere in it."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from datasets.content import local_path
from datasets.models import DatasetVersion

if TYPE_CHECKING:
    import polars as pl

ROWS = 200
FIRST_ROWS = 100
_PLACES = 5  # where the other rows are taken from, several in a row at each
MOST_COLUMNS = 200
MOST_BYTES = 8 << 20
OTHER_ROWS = 20_000


def sample_of(version: DatasetVersion, columns: Sequence[str]) -> bytes:
    """Give rows as an Arrow file, numbered as in the version."""
    return _sample(str(version.pk), tuple(columns))


def first_rows(version: DatasetVersion) -> bytes:
    """Give the first rows of a version that another is joined with, as an Arrow file without numbers."""
    frame = _taken(version, [(0, min(version.rows, OTHER_ROWS))], [one["name"] for one in version.columns])
    return _as_file(_bounded(frame).drop("__row"))


@lru_cache(maxsize=8)
def _sample(key: str, columns: tuple[str, ...]) -> bytes:
    version = DatasetVersion.objects.get(pk=key)
    return _as_file(_bounded(_taken(version, _spans(version), columns)))


def _spans(version: DatasetVersion) -> list[tuple[int, int]]:
    """Give first row and number of rows of what is taken, by a seed of the version's own."""
    if version.rows <= ROWS:
        return [(0, version.rows)]
    length = (ROWS - FIRST_ROWS) // _PLACES
    chance = random.Random(version.digest)  # noqa: S311 - a sample, and no secret
    free = range(FIRST_ROWS, version.rows - length, length)
    starts = sorted(chance.sample(free, min(_PLACES, len(free))))
    return [(0, FIRST_ROWS), *((start, length) for start in starts)]


def _taken(version: DatasetVersion, spans: Sequence[tuple[int, int]], columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - web loads frames only when it is asked for rows

    from datasets.planning import schema_of  # noqa: PLC0415 - as above

    names = list(columns)
    types = schema_of([one for one in version.columns if one["name"] in set(names)])
    pieces = [pl.DataFrame(schema={**types, "__row": pl.Int64()}).select(*names, "__row")]
    for first, rows in spans:
        inside = version.parts.filter(first_row__lt=first + rows).select_related("blob").order_by("-first_row")
        for part in inside:
            if part.first_row + part.rows <= first:
                break
            start, end = max(first, part.first_row), min(first + rows, part.first_row + part.rows)
            read = pl.scan_parquet(local_path(part.blob), glob=False).select(names)
            piece = read.slice(start - part.first_row, end - start).collect()
            pieces.append(piece.with_columns(pl.int_range(start, end, dtype=pl.Int64).alias("__row")))
    return pl.concat(pieces, how="vertical_relaxed").sort("__row")


def _bounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Leave out the last rows where the cells are so large that few rows fill what a preview may hold."""
    while len(frame) > 1 and frame.estimated_size() > MOST_BYTES:
        frame = frame.head(len(frame) // 2)
    return frame


def _as_file(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_ipc(stream)
    return stream.getvalue()
