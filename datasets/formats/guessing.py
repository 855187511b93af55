"""What a file of rows is, found out from its first bytes: format, encoding, delimiter, quoting. Pure."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from datasets.formats.facts import UnreadableError

SAMPLE_BYTES = 1 << 20
ASCII_BYTES = 256 << 20  # so far the first letter that is none of ASCII is looked for
TRIED_LINES = 200
_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_DELIMITERS = ",\t;|"
_BINARY = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"PK\x03\x04": "excel",
    b"\xd0\xcf\x11\xe0": "excel",
}
_NONE = {
    b"FEA1": "Feather 1", b"%PDF": "PDF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF",
    b"\x7fELF": "ELF", b"MZ": "EXE", b"Obj\x01": "Avro", b"ORC": "ORC", b"SQLite format": "SQLite",
    b"\x89HDF": "HDF5", b"\x80\x04": "pickle", b"\x80\x02": "pickle", b"\x80\x05": "pickle",
}  # fmt: skip
_ENDINGS = {
    "csv": "csv", "txt": "csv", "tsv": "tsv", "tab": "tsv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "json",
    "parquet": "parquet", "pq": "parquet", "arrow": "arrow", "feather": "arrow", "ipc": "arrow",
    "xlsx": "excel", "xlsm": "excel", "xlsb": "excel", "xls": "excel", "ods": "excel",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells of a line are told apart; an empty quote is none."""

    delimiter: str
    quote: str = '"'


def format_of(name: str, head: bytes) -> str:
    """Give the format of a file by its first bytes, and of texts by its name too. Raises UnreadableError."""
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise UnreadableError("empty", file=name)
    for magic, kind in _NONE.items():
        if head.startswith(magic):
            raise UnreadableError("no_rows_format", file=name, kind=kind)
    for magic, kind in _BINARY.items():
        if head.startswith(magic):
            return kind
    named = _ENDINGS.get(name.lower().rpartition(".")[2], "")
    if named in _BINARY.values():
        raise UnreadableError("not_what_it_says", file=name, kind=named)
    text = head.decode(encoding_of(name, head)[0], "replace").lstrip("\ufeff").lstrip()
    if named in ("jsonl", "json") or (not named and text[:1] in ("{", "[")):
        return _json_kind(text, named)
    return named or "csv"


def _json_kind(text: str, named: str) -> str:
    """Tell JSON Lines, where the first line is a whole object, from one JSON value over the whole file.

    A file that is named JSON Lines may have a broken first line, if the second is whole.
    """
    if not text.startswith("{"):
        return "json"
    first, _, rest = text.partition("\n")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        is_cut = named == "jsonl" and _is_object(rest.partition("\n")[0])
        return "json" if _opens_more(first) and not is_cut else "jsonl"
    is_columns = isinstance(value, dict) and not rest.strip() and any(isinstance(v, list) for v in value.values())
    return "json" if is_columns and len({len(v) for v in value.values() if isinstance(v, list)}) == 1 else "jsonl"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _opens_more(line: str) -> bool:
    """Say whether a line looks like the beginning of a value that goes on, and not like a broken one."""
    return line.count("{") + line.count("[") > line.count("}") + line.count("]") and len(line.strip()) < 1000


def encoding_of(name: str, sample: bytes) -> tuple[str, bool]:
    """Give the encoding of a text and whether some of its lines are in another. Raises UnreadableError."""
    for mark, found in _MARKS.items():
        if sample.startswith(mark):
            if found == "utf-32":
                raise UnreadableError("unknown_encoding", file=name)
            return found, False
    if wide := _wide(sample):
        return wide, False
    lines = sample.split(b"\n")
    lines = lines[:-1] if len(lines) > 1 else lines  # the last one may be cut
    lines = [line for line in lines if not line.isascii()] or lines[:1]
    good = {one: sum(_decodes(line, one) for line in lines) for one in ("utf-8", "cp949")}
    best = "cp949" if good["cp949"] > good["utf-8"] else "utf-8"
    if len(lines) == 1 and not good[best]:
        best = "utf-8" if _decodes(lines[0][:-3], "utf-8") else best
        good[best] = 1
    if good[best] * 2 < len(lines):
        raise UnreadableError("unknown_encoding", file=name)
    return best, good[best] < len(lines)


def _wide(sample: bytes) -> str:
    """Tell UTF-16 without a mark: every second byte of blanks, digits and Latin letters is zero."""
    head = sample[: 1 << 16]
    if head.count(0) * 10 < len(head):
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < 5 * max(1, min(even, odd)):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def text_sample(stream: BinaryIO) -> bytes:
    """Give the beginning of a text; of one that begins in ASCII also the lines around the first other letter."""
    head = stream.read(SAMPLE_BYTES)
    read = len(head)
    if not head.isascii():
        return head
    while read < ASCII_BYTES and (block := stream.read(SAMPLE_BYTES)):
        read += len(block)
        if not block.isascii():
            lines = block.split(b"\n")[1:]
            return head[: head.rfind(b"\n") + 1] + b"".join(line + b"\n" for line in lines if not line.isascii())
    return head


def dialect_of(text: str, delimiters: str = "", quote: str = "") -> Dialect:
    """Give how the cells of a text are told apart: the way in which most lines come to the same number of cells."""
    quotes = [quote] if quote else ['"', *(["'"] if _is_quoted_singly(text) else []), ""]
    quotes = [""] if quote == "none" else quotes
    tried = {
        Dialect(mark, one): _score(text, Dialect(mark, one)) for one in quotes for mark in delimiters or _DELIMITERS
    }
    best = max(tried, key=lambda dialect: tried[dialect])
    if best.quote or len(quotes) == 1:
        return best
    # Quotes mean something unless most lines then come to nothing: one that is not closed is a mistake.
    quoted = max((dialect for dialect in tried if dialect.quote), key=lambda dialect: tried[dialect])
    return quoted if tried[quoted][0] * 2 >= tried[best][0] else best


def _is_quoted_singly(text: str) -> bool:
    return len(re.findall(r"(?m)(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", text[:10_000])) > 3


def _score(text: str, dialect: Dialect) -> tuple[float, int]:
    """Give the share of lines with the commonest number of cells, and that number; one cell is no way of telling."""
    counts: Counter[int] = Counter()
    lines, trouble = text.splitlines()[: TRIED_LINES + 1], 0
    lines = lines[:-1] if len(lines) > TRIED_LINES else lines
    reader = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            trouble += 1
            continue
        if row:
            counts[len(row)] += 1
    if not counts:
        return 0.0, 0
    cells, same = max(counts.items(), key=lambda item: (item[1], item[0]))
    share = same / (sum(counts.values()) + trouble)
    return (share if cells > 1 else share * 0.1), cells
