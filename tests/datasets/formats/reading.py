"""Files read in the process of the test, as the reader's own process reads them."""

from __future__ import annotations

import io
from typing import Any

import polars as pl

from datasets.formats import fitting, unpacking
from datasets.formats.facts import Found, Reading, Reject, UnreadableError


def read(
    name: str, data: bytes | str, *, is_bundle: bool = False, **reading: Any
) -> tuple[pl.DataFrame, list[Reject], Found]:
    """Give the rows of a file, those set aside, and what it turned out to be."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    how = Reading(**{"time_zone": "Asia/Seoul", **reading})
    files = unpacking.files_in(stream, name, is_bundle=is_bundle)
    found = fitting.survey(files, how)
    frames = list(fitting.frames(files, found, how))
    rows = pl.concat([frame.rows for frame in frames]) if frames else pl.DataFrame()
    return rows, [reject for frame in frames for reject in frame.rejects], found


def refused(name: str, data: bytes | str, **reading: Any) -> UnreadableError:
    """Give why a file cannot be read at all."""
    try:
        rows, rejects, _found = read(name, data, **reading)
    except UnreadableError as error:
        return error
    raise AssertionError(f"it was read: {rows}, {rejects}")


def told(rejects: list[Reject]) -> list[tuple[int, str, str]]:
    """Give line, reason and column of rows that were set aside."""
    return [(one.line, one.code, one.column) for one in rejects]


def types(found: Found) -> dict[str, str]:
    """Give the types of the columns."""
    return {column.name: column.type for column in found.columns}
