"""Zip archives of a version's files: measured before they are opened, and counted again while they are unpacked."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, NoReturn

from common.errors import Invalid, TooLarge
from registry.naming import clashes, file_path

MAX_ENTRIES = 500
MAX_RATIO = 200  # weights compress by a factor of 1 to 3, vocabularies by 10; beyond lies only padding
_RATIO_FREE_BYTES = 10 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_DIRECTORY_BYTES = 4 * 1024 * 1024  # some 40,000 entries
# What `zipfile` raises for archives that were damaged or made to hurt.
DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, OverflowError, RuntimeError)


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Open an archive whose directory is of a size to hold in memory. Raises one of DAMAGED if there is none such."""
    opened = zipfile.ZipFile(_Measured(file))  # type: ignore[arg-type]  # it reads, seeks and tells: no more is asked
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in opened.infolist()):
        raise zipfile.BadZipFile("only stored and deflated entries are read")
    return opened


class _Measured:
    """A file that refuses to be read in great pieces: `zipfile` reads a directory at once, however large it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.tell, self.seekable, self.close = file.tell, file.seekable, file.close

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place. Raises BadZipFile for one before the beginning."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError) as error:
            raise zipfile.BadZipFile("it points outside itself") from error

    def read(self, size: int = -1) -> bytes:
        """Read. Raises BadZipFile for too much."""
        left = os.fstat(self._file.fileno()).st_size - self._file.tell()
        if (left if size is None or size < 0 else min(size, left)) > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is larger than that of any model")
        return self._file.read(size)


def unpack(archive: Path, folder: Path, *, max_bytes: int) -> None:
    """Unpack a zip archive into an empty folder. Raises Invalid naming the entry, TooLarge past `max_bytes`."""
    try:
        with archive.open("rb") as file, open_zip(file) as opened:
            left = max_bytes
            for path, entry in measure(opened, max_bytes=max_bytes).items():
                left -= _write(opened, entry, folder / path, left)
    except DAMAGED as error:
        raise Invalid(f"the archive is damaged: {error}", fields={"archive": "damaged"}) from error


def measure(opened: zipfile.ZipFile, *, max_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Give an archive's files by their path, judged from its directory alone. Raises Invalid or TooLarge."""
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    if not 1 <= len(entries) <= MAX_ENTRIES:
        _refuse(f"must hold 1 to {MAX_ENTRIES} files, it holds {len(entries)}")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        path = _judge(entry)
        if clashes(path, found):
            _refuse(f"names {path} twice")
        found[path] = entry
    if (total := sum(entry.file_size for entry in entries)) > max_bytes:
        raise TooLarge(f"the archive unpacks to {total:,} bytes, more than {max_bytes:,}")
    return found


def entry_name(entry: zipfile.ZipInfo) -> str:
    """Give an entry's name; without the UTF-8 flag macOS writes UTF-8 and Korean Windows cp949 all the same."""
    if entry.flag_bits & 0x800:
        return entry.filename
    raw = entry.filename.encode("cp437", errors="replace")
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return entry.filename


def _judge(entry: zipfile.ZipInfo) -> str:
    name = entry_name(entry)
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        _refuse(f"holds {name[:200]!r}, which is a link or a special file")
    if entry.flag_bits & 0x1:
        _refuse(f"holds {name[:200]!r}, which is encrypted")
    if entry.file_size > _RATIO_FREE_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        _refuse(f"holds {name[:200]!r}, which unpacks to more than {MAX_RATIO} times its size")
    return file_path(name)


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack one entry and give its bytes; what the directory said of its size is not believed."""
    written = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(entry) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > left:
                raise TooLarge("the archive unpacks to more than it says, and more than is allowed")
            file.write(chunk)
    return written


def _refuse(what: str) -> NoReturn:
    raise Invalid(f"the archive {what}", fields={"archive": f"the archive {what}"})
