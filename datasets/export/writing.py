"""A version as files of a format. No Django."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow.parquet as pq

from datasets.export.card import Split, card
from datasets.export.places import Place
from datasets.export.rows import plain_type, write_csv, write_jsonl, write_parquet
from datasets.frames import frames_of

HUGGINGFACE, PARTS = "huggingface", "parquet_parts"
ENDINGS = {"csv": "csv", "jsonl": "jsonl", "parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Options:
    """How rows are written. `split` is one split, empty for all; the rest is for CSV."""

    format: str
    split: str = ""
    is_guarded: bool = True
    has_bom: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of some rows."""

    path: Path
    split: str
    first_row: int
    rows: int


@dataclass(frozen=True, slots=True)
class Content:
    """What is exported: its splits with their rows, a reader of the pieces of one, and facts for the card."""

    splits: Mapping[str, int]
    pieces: Callable[[str], Iterator[Piece]]
    facts: Mapping[str, Any]

    def chosen(self, options: Options) -> list[str]:
        """Give the splits that are wanted."""
        return [options.split] if options.split else list(self.splits)


def is_one_file(content: Content, options: Options) -> bool:
    """Tell whether the export is a single file; else it is a folder, or an archive."""
    return options.format in ENDINGS and len(content.chosen(options)) == 1


def write_one(content: Content, options: Options, stream: BinaryIO, tell: Callable[[int], None]) -> None:
    """Write an export that is a single file."""
    _write_split(content, options, content.chosen(options)[0], tell, stream)


def write_all(content: Content, options: Options, place: Place, tell: Callable[[int], None]) -> None:
    """Write an export of several files; `tell` is told how many rows are done."""
    if options.format in ENDINGS:
        for split in content.chosen(options):
            write = partial(_write_split, content, options, split, tell)
            place.put(f"{split or 'data'}.{ENDINGS[options.format]}", write)
        return
    is_hub = options.format == HUGGINGFACE
    splits = [_put_parts(content, split, place, tell, is_hub) for split in content.chosen(options)]
    if is_hub:
        schema = _schema(content, options)
        text = card(schema=schema, splits=splits, **content.facts)
        place.put("README.md", lambda stream: _write_text(stream, text))


def _write_split(content: Content, options: Options, split: str, tell: Callable[[int], None], stream: BinaryIO) -> None:
    frames = _counted(content, split, tell)
    if options.format == "csv":
        write_csv(frames, stream, is_guarded=options.is_guarded, has_bom=options.has_bom)
    elif options.format == "jsonl":
        write_jsonl(frames, stream)
    else:
        write_parquet(frames, stream)


def _counted(content: Content, split: str, tell: Callable[[int], None]) -> Iterator[pl.DataFrame]:
    for frame in frames_of((piece.path, piece.first_row) for piece in content.pieces(split)):
        yield frame
        tell(len(frame))


def _put_parts(content: Content, split: str, place: Place, tell: Callable[[int], None], is_hub: bool) -> Split:
    """Put the parts of a split as they are."""
    pieces = list(content.pieces(split))
    name = split or ("train" if is_hub else "data")
    for number, piece in enumerate(pieces):
        file = f"{name}-{number:05}-of-{len(pieces):05}.parquet"
        place.put(f"data/{file}" if is_hub else file, partial(_copy, piece.path))
        tell(piece.rows)
    return Split(name, sum(piece.rows for piece in pieces), sum(piece.path.stat().st_size for piece in pieces))


def _schema(content: Content, options: Options) -> Any:
    first = next(content.pieces(content.chosen(options)[0]))
    schema = pq.read_schema(first.path)
    for place, one in enumerate(schema):
        schema = schema.set(place, one.with_type(plain_type(one.type)))
    return schema


def _copy(path: Path, stream: BinaryIO) -> None:
    with path.open("rb") as source:
        shutil.copyfileobj(source, stream, 1 << 20)


def _write_text(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode())


def rows_of(content: Content, options: Options) -> int:
    """Give how many rows an export has."""
    return sum(content.splits[split] for split in content.chosen(options))
