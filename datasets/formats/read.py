"""A file of rows read in a process with walls around it: `python -m datasets.formats.read --file PATH`.

Reads one JSON question from standard input. Answers on standard output in messages, a letter and a length before each:
`j` JSON (what was found, rows set aside, an error), `f` a frame as an Arrow stream. No Django.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import datasets  # noqa: F401 - what is imported when the walls are built can be read behind them
from common import sandbox

if TYPE_CHECKING:
    from datasets.formats.facts import Found, Reading
    from datasets.formats.unpacking import Packed

MEMORY_BYTES = 4 << 30  # addresses, of which a quarter is ever used
HEAD = struct.Struct(">cQ")
SHOWN_ROWS = 20
LOOKED_ROWS = 1000


def main() -> None:
    """Build the walls, then read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    question = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    os.environ.update(ARROW_DEFAULT_MEMORY_POOL="system", OMP_NUM_THREADS="1", POLARS_MAX_THREADS="1")
    with options.file.open("rb") as stream:
        sandbox.confine(parent=options.parent, readable=[], memory_bytes=MEMORY_BYTES)
        for kind, content in _answers(stream, question):
            for piece in (HEAD.pack(kind, len(content)), content):
                left = memoryview(piece)
                while left:
                    left = left[answers.write(left) :]


def _answers(stream: BinaryIO, question: dict[str, Any]) -> Iterator[tuple[bytes, bytes | memoryview]]:
    from datasets.formats.facts import Reading, UnreadableError  # noqa: PLC0415 - the walls must precede what begins threads

    try:
        reading = Reading(**question["reading"])
        for kind, content in _told(stream, question, reading):
            yield kind, json.dumps(content).encode() if kind == b"j" else content
    except UnreadableError as error:
        yield b"j", json.dumps({"error": error.code, "values": error.values}, default=str).encode()
    except MemoryError:
        yield b"j", json.dumps({"error": "no_memory", "values": {"file": question["name"]}}).encode()
    except (OSError, ValueError, TypeError, KeyError, IndexError, ArithmeticError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}"[:300]
        yield b"j", json.dumps({"error": "reader_broke", "values": {"file": question["name"], "why": why}}).encode()


def _told(stream: BinaryIO, question: dict[str, Any], reading: Reading) -> Iterator[tuple[bytes, Any]]:
    from datasets.formats import fitting, unpacking  # noqa: PLC0415 - as above

    files = unpacking.files_in(stream, question["name"], is_bundle=question["is_bundle"])
    if not files:
        raise _empty(question["name"])
    found = fitting.survey(files, reading)
    yield b"j", {"found": asdict(found)}
    if question["is_look"]:
        yield b"j", _first_rows(files, found, reading, is_cut=question["is_cut"])
        return
    for frame in fitting.frames(files, found, reading):
        position = os.lseek(stream.fileno(), 0, os.SEEK_CUR)
        rejects = [asdict(one) for one in frame.rejects]
        yield b"j", {"rejects": rejects, "position": position, "rows": len(frame.rows)}
        if len(frame.rows):
            yield b"f", _arrow(frame.rows)
    yield b"j", {"end": True}


def _empty(name: str) -> Exception:
    from datasets.formats.facts import UnreadableError  # noqa: PLC0415 - as above

    return UnreadableError("empty", file=name)


def _arrow(rows: Any) -> memoryview:
    from polars import CompatLevel  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    rows.write_ipc_stream(buffer, compat_level=CompatLevel.oldest())
    return buffer.getbuffer()


def _first_rows(files: Sequence[Packed], found: Found, reading: Reading, *, is_cut: bool) -> dict[str, Any]:
    """Give the rows at the beginning of the first file, as texts. Of a file that is cut the end says nothing."""
    from datasets.formats import fitting  # noqa: PLC0415 - as above
    from datasets.formats.facts import UnreadableError, cut  # noqa: PLC0415 - as above

    if any(not column.type for column in found.columns):
        return {"rows": [], "rejects": [], "read": 0}
    try:
        frame = next(fitting.frames(files[:1], found, reading, LOOKED_ROWS), None)
    except UnreadableError as error:
        if not is_cut or error.code != "ends_early":
            raise
        frame = None
    if frame is None:
        return {"rows": [], "rejects": [], "read": 0}
    head = frame.rows.head(SHOWN_ROWS).rows()
    shown = [[None if value is None else cut(str(value))[:300] for value in row[:200]] for row in head]
    rejects = [asdict(one) for one in frame.rejects[: -1 if is_cut and frame.rejects else None]]
    return {"rows": shown, "rejects": rejects[:SHOWN_ROWS], "rejected": len(rejects), "read": len(frame.rows)}


if __name__ == "__main__":
    main()
