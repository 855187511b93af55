"""Events that left the database: read back from their sealed files, which the anchor keeps."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import IO, Any

import orjson
from django.db.models import Max
from django.utils.translation import gettext as _

from audit.anchor import Anchor
from audit.canonical import FIELDS, hash_row
from audit.chain import CHUNK, Broken, Row, rows
from audit.models import AuditCheckpoint
from audit.statements import SEAL
from common.errors import Conflict, NotFound, Unavailable

EVENTS = "events.jsonl"


def sealed_until() -> int:
    """Give the number of the last event under seal, 0 where there is none."""
    return AuditCheckpoint.objects.filter(kind=SEAL).aggregate(last=Max("sealed_until"))["last"] or 0


def sealed_rows(
    anchor: Anchor,
    on_away: Callable[[Mapping[str, Any]], None] | None = None,
    *,
    first: int = 1,
    last: int | None = None,
) -> Iterator[Row]:
    """Give the rows of sealed files in order, as `chain.rows` gives live ones; where the anchor is away `on_away` is
    told. Files in which nothing from `first` to `last` lies are not opened.

    Raises Broken, and Unavailable without `on_away`.
    """
    until = 0
    for seal in AuditCheckpoint.objects.filter(kind=SEAL).order_by("number"):
        try:
            if seal.details["last"] >= first and (last is None or seal.details["first"] <= last):
                yield from _rows_or_told(anchor, seal.details, on_away)
            until = seal.details["last"]
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise Broken(until + 1, "checkpoint_odd", checkpoint=seal.number) from error


def _rows_or_told(
    anchor: Anchor, details: Mapping[str, Any], on_away: Callable[[Mapping[str, Any]], None] | None
) -> Iterator[Row]:
    try:
        yield from _rows_of(anchor, details)
    except Unavailable:
        if on_away is None:
            raise
        on_away(details)


def _rows_of(anchor: Anchor, details: Mapping[str, Any]) -> Iterator[Row]:
    with (
        opened(anchor, details) as file,
        zipfile.ZipFile(file) as segment,
        segment.open(EVENTS) as lines,
    ):
        for chunk in _chunks(lines):
            _compare_with_live(chunk)
            yield from chunk


@contextmanager
def opened(anchor: Anchor, details: Mapping[str, Any]) -> Iterator[IO[bytes]]:
    """Give a local copy of a sealed file whose hash is the one that was signed. Raises Broken, Unavailable."""
    place = {name: details[name] for name in ("first", "last", "file")}
    with tempfile.TemporaryFile() as copy:
        digest = hashlib.sha256()
        try:
            with anchor.open(details["file"]) as source:
                while chunk := source.read(1024 * 1024):
                    digest.update(chunk)
                    copy.write(chunk)
        except NotFound:
            raise Broken(details["first"], "segment_missing", **place) from None
        if digest.hexdigest() != details["sha256"]:
            raise Broken(details["first"], "segment_changed", **place)
        copy.seek(0)
        yield copy


def demand_kept(anchor: Anchor, details: Mapping[str, Any]) -> None:
    """Raise Conflict unless the anchor gives a sealed file as it was signed, Unavailable if it is away."""
    try:
        with opened(anchor, details):
            return
    except Broken as broken:
        raise unreadable(anchor, broken) from broken


def unreadable(anchor: Anchor, broken: Broken) -> Conflict:
    """Give the refusal that names a sealed file which is not there or not the one that was signed."""
    said = _("The sealed events %(first)s to %(last)s cannot be read: %(file)s in %(anchor)s is missing or changed.")
    return Conflict(said % {**broken.params, "anchor": anchor.where}, code="segment_unreadable")


def _chunks(lines: IO[bytes]) -> Iterator[list[Row]]:
    while chunk := [_row(line) for line in islice(lines, CHUNK)]:
        yield chunk


def _row(line: bytes) -> Row:
    kept = orjson.loads(line)
    event = kept["event"]
    event["at"] = datetime.fromisoformat(event["at"])
    return (*(event[name] for name in FIELDS), kept["hash"])


def _compare_with_live(sealed: list[Row]) -> None:
    """Raise Broken if a row that has not been removed yet is another than the one under seal."""
    hashes = {row[0]: row[-1] for row in sealed}
    for row in rows(sealed[0][0] - 1, sealed[-1][0]):
        if len(row) == 1 or row[-1] != hashes[row[0]] or hash_row(row[:-1]) != row[-1]:
            raise Broken(row[0], "changed")
