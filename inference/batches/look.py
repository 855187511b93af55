"""A look into a file, in a process with walls around it: the file may be made to break its reader.

Reads one JSON question from standard input, writes one JSON answer: the fields of `Look`, or `error`. No Django.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import registry  # noqa: F401 - what is imported when the walls are built can be read behind them
from common import sandbox

if TYPE_CHECKING:
    from inference.batches.looks import Look

MEMORY_BYTES = 4 << 30
TRIED_ROWS = 3
MOST_COUNTED_BYTES = 1 << 30


def main() -> None:
    """Build the walls, then look."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    question = json.load(sys.stdin)
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    os.environ["OMP_NUM_THREADS"] = "1"
    with options.file.open("rb") as stream:
        sandbox.confine(parent=options.parent, readable=[], memory_bytes=MEMORY_BYTES)
        json.dump(_answer(stream, question), sys.stdout)


def _answer(stream: BinaryIO, question: dict[str, Any]) -> dict[str, Any]:
    from common.errors import Invalid  # noqa: PLC0415 - numpy and Arrow begin threads, which walls must precede

    try:
        return asdict(_look(stream, question))
    except Invalid as error:
        return {"error": {"message": error.message, "fields": error.fields}}
    except (MemoryError, OSError, ValueError) as error:
        message = f"the file cannot be read: {str(error)[:300] or type(error).__name__}"
        return {"error": {"message": message, "fields": {"file": message}}}


def _look(stream: BinaryIO, question: dict[str, Any]) -> Look:
    from inference.batches import guessing, looks, reading  # noqa: PLC0415 - as above
    from inference.batches.columns import convert  # noqa: PLC0415 - as above
    from inference.batches.results import plain  # noqa: PLC0415 - as above
    from registry.signature import parse_signature  # noqa: PLC0415 - as above

    signature = parse_signature(question["signature"])
    head = stream.read(64)
    stream.seek(0)
    kind = reading.format_of(question["name"], head)
    types = reading.column_types(stream, kind)
    size = os.fstat(stream.fileno()).st_size
    rows = reading.count_rows(stream, kind) if kind == "parquet" or size < MOST_COUNTED_BYTES else None
    columns, missing = guessing.guess_columns(signature, types, question["columns"])
    id_column = question["id_column"]
    known = [name for name in (*columns.values(), id_column) if name in types]
    pieces = reading.read_pieces(stream, kind, known, reading.Start(), most_rows=lambda: TRIED_ROWS)
    piece = next(pieces, None) if known else None
    errors: dict[int, str] = {}
    if piece and not missing and all(name in types for name in columns.values()):
        values = reading.cells(signature, kind, columns, piece.columns)
        _, _, errors = convert(signature, values, columns, piece.rows)
        errors |= piece.broken
    return looks.Look(
        format=kind,
        rows=rows,
        file_columns=[looks.FileColumn(name, str(type_ or "")[:100]) for name, type_ in types.items()],
        columns=columns,
        id_column=guessing.guess_id(types, columns),
        missing=missing,
        sample=plain(piece.columns, piece.rows) if piece else [],
        tried=piece.rows if piece else 0,
        errors={str(row): text for row, text in errors.items()},
    )


if __name__ == "__main__":
    main()
