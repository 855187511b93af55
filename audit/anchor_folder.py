"""An anchor in a folder: one file of lines, only ever appended to, and the sealed segments beside it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from audit.anchor import NAMES
from audit.statements import Statement, read_line
from common.durable import sync_folder
from common.errors import Conflict, NotFound, Unavailable

TAIL_BYTES = 64 * 1024


class FolderAnchor:
    """Statements in `statements.jsonl`, mode 0600; `chattr +a` on it keeps even its owner from rewriting it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "statements.jsonl"
        self.where = str(folder)

    def known(self, after: int = 0) -> Iterator[tuple[int, str]]:
        """Give number and hash of each statement past a number; a line torn by a crash is passed over."""
        for statement in self._read(after):
            if statement.number > after:
                yield statement.number, statement.hash

    def fetch(self, number: int, digest: str) -> Statement:
        """Give a statement that is known."""
        for statement in self._read(number - 1):
            if (statement.number, statement.hash) == (number, digest):
                return statement
        raise NotFound(f"the anchor lacks statement {number}")

    def append(self, statement: Statement) -> None:
        """Add a line and wait until it is on the disk."""
        with self._told(), self._locked() as descriptor:
            there = dict(self.known(statement.number - 1))
            if statement.number in there:
                if there[statement.number] != statement.hash:
                    raise Conflict(f"the anchor holds another statement {statement.number}", code="anchor_differs")
                return
            size = os.fstat(descriptor).st_size
            is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            text = (b"\n" if is_torn else b"") + statement.line + b"\n"
            if os.write(descriptor, text) != len(text):
                raise Unavailable("the anchor took only a part of a statement")
            os.fsync(descriptor)
            if not size:
                sync_folder(self.folder)

    def put(self, name: str, source: Path, *, is_sealed: bool = False) -> None:
        """Copy a file, durably."""
        target = self._path(name)
        draft = target.with_suffix(".new")
        with self._told():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with source.open("rb") as read, open(descriptor, "wb") as written:
                shutil.copyfileobj(read, written, 1024 * 1024)
                written.flush()
                os.fsync(written.fileno())
            if is_sealed:
                draft.chmod(0o400)
            draft.rename(target)
            sync_folder(target.parent)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Give the bytes of a file that was put."""
        try:
            file = self._path(name).open("rb")
        except FileNotFoundError:
            raise NotFound(f"the anchor lacks {name}") from None
        except OSError as error:
            raise Unavailable(f"the audit anchor does not answer: {error}") from error
        with file:
            yield file

    def names(self, folder: str) -> list[str]:
        """Give the names of what was put in a folder."""
        with self._told():
            here = self.folder / folder
            return sorted(f"{folder}/{path.name}" for path in here.glob("*.zip")) if here.exists() else []

    def remove(self, name: str) -> None:
        """Take a file away."""
        with self._told():
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not NAMES.fullmatch(name):
            raise NotFound(f"nothing in the anchor is called {name}")
        return self.folder / name

    def _read(self, after: int) -> Iterator[Statement]:
        """Give the statements from the file's end if these reach back to `after`, else from its beginning."""
        with self._told():
            if not self.file.exists():
                return
            with self.file.open("rb") as file:
                if after and (start := os.fstat(file.fileno()).st_size - TAIL_BYTES) > 0:
                    file.seek(start)
                    file.readline()
                    first = next(_statements(file), None)
                    if first is not None and first.number <= after + 1:
                        yield first
                    else:
                        file.seek(0)
                yield from _statements(file)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"the audit anchor does not answer: {error}", code="anchor_away") from error


def _statements(file: BinaryIO) -> Iterator[Statement]:
    for line in iter(file.readline, b""):
        with suppress(ValueError):
            yield read_line(line)
