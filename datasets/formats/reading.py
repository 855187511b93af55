"""Asking what is in a file of rows, and its rows: the file is read by a process of its own (`read.py`)."""

from __future__ import annotations

import fcntl
import io
import json
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from django.utils.translation import gettext as _

from common import sandbox
from common.errors import Invalid, Unavailable
from datasets.formats.facts import DROP, Column, Found, Reading, Reject
from datasets.formats.read import HEAD
from datasets.formats.words import say

if TYPE_CHECKING:
    import polars as pl

LOOK_S = 30.0
STALL_S = 180.0  # from one message to the next
AT_ONCE = 2  # looks in this process
PIPE_BYTES = 1 << 20
MOST_MESSAGE_BYTES = 1 << 30
_room = threading.Semaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Source:
    """A local file to be read: a bundle holds several, one that is cut is only the beginning of what there is."""

    path: Path
    name: str
    is_bundle: bool = False
    is_cut: bool = False


@dataclass(slots=True)
class Look:
    """What is in a file, with its first rows as texts and those of them that would be set aside."""

    found: Found
    rows: list[list[str | None]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rejected: int = 0
    read: int = 0

    @property
    def kept_columns(self) -> list[Column]:
        """The columns that rows have."""
        return [column for column in self.found.columns if column.type and column.type != DROP]

    @property
    def warnings(self) -> list[str]:
        """What a person should know before the import."""
        return [say(code, values) for code, values in self.found.warnings]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows (`None`: all of them were set aside), what was set aside, and how far in the file we are."""

    rows: pl.DataFrame | None
    rejects: list[Reject]
    position: int


def look_into(source: Source, reading: Reading) -> Look:
    """Give what is in a file. Raises Invalid saying what is wrong, Unavailable if too many are looked into."""
    if not _room.acquire(timeout=LOOK_S):
        raise Unavailable(_("Too many files are being looked into."), retry_after_s=5)
    try:
        with Reader(source, reading, is_look=True, stall_s=LOOK_S) as reader:
            said = reader.said()
            rejects = [Reject(**one) for one in said.pop("rejects")]
            return Look(reader.found, rejects=rejects, **said)
    finally:
        _room.release()


class Reader:
    """The process that reads one file, and what it says. Raises Invalid for a file that cannot be read."""

    found: Found

    def __init__(self, source: Source, reading: Reading, *, is_look: bool = False, stall_s: float = STALL_S) -> None:
        self._source, self._stall_s = source, stall_s
        plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in asdict(reading).items()}
        self._question = {
            "name": source.name,
            "is_bundle": source.is_bundle,
            "is_cut": source.is_cut,
            "is_look": is_look,
            "reading": plain,
        }

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            sandbox.command("datasets.formats.read", "--file", str(self._source.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=sandbox.environment(threads=1),
            bufsize=0,
        )
        try:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            with suppress(OSError):  # a user may have so many of them
                fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            self._process.stdin.write(json.dumps(self._question).encode())
            self._process.stdin.close()
            found = self.said()["found"]
            found["columns"] = [Column(**column) for column in found["columns"]]
            self.found = Found(**found)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait()

    def batches(self) -> Iterator[Batch]:
        """Give all rows in order."""
        while "end" not in (said := self.said()):
            rejects = [Reject(**one) for one in said["rejects"]]
            rows = self._frame() if said["rows"] else None
            yield Batch(rows, rejects, said["position"])

    def said(self) -> dict[str, Any]:
        """Give the next thing it says. Raises Invalid if that is an error, or nothing more comes."""
        said = json.loads(self._message(b"j"))
        if "error" in said:
            raise unreadable(said["error"], said["values"])
        return dict(said)

    def _frame(self) -> pl.DataFrame:
        import polars as pl  # noqa: PLC0415 - loaded only where rows are read
        import pyarrow as pa  # noqa: PLC0415 - likewise

        from datasets.formats.values import dtype_of  # noqa: PLC0415 - likewise

        table = pa.ipc.open_stream(pa.py_buffer(self._message(b"f"))).read_all()
        table.validate(full=True)  # whoever broke the reader may have written it
        wanted = {one.name: dtype_of(one.type) for one in self.found.columns if one.type != DROP}
        frame = pl.DataFrame(pl.from_arrow(table))
        if frame.schema != wanted:
            raise self._broke()
        return frame

    def _message(self, wanted: bytes) -> bytearray:
        until = time.monotonic() + self._stall_s
        kind, size = HEAD.unpack(self._bytes(HEAD.size, until))
        if kind != wanted or size > MOST_MESSAGE_BYTES:
            raise self._broke()
        return self._bytes(size, until)

    def _bytes(self, size: int, until: float) -> bytearray:
        assert self._process.stdout is not None
        stream = cast(io.RawIOBase, self._process.stdout)
        found = bytearray(size)
        left = memoryview(found)
        while left:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([stream], [], [], left_s)[0]:
                raise unreadable("too_slow", {"file": self._source.name, "seconds": round(self._stall_s)})
            count = stream.readinto(left)
            if not count:
                raise self._broke()
            left = left[count:]
        return found

    def _broke(self) -> Invalid:
        self._process.kill()
        number = self._process.wait()
        how = signal.Signals(-number).name if number < 0 else str(number)
        return unreadable("reader_died", {"file": self._source.name, "how": how})


def unreadable(code: str, values: Mapping[str, Any]) -> Invalid:
    """Give the error of a file that cannot be read."""
    said = say(code, values)
    return Invalid(said, code=code, fields={_FIELDS.get(code, "file"): said})


_FIELDS = {
    "no_such_column": "types",
    "no_such_type": "types",
    "bytes_as": "types",
    "bytes_column": "types",
    "all_dropped": "types",
    "no_such_date_format": "date_formats",
    "no_sheet": "sheet",
}
