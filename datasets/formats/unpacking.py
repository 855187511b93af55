"""Files as they come: plain, in gzip, zstd or zip; what comes out is measured while it does. Pure."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from datasets.formats.facts import UnreadableError

MOST_MEMBERS = 10_000
MOST_RATIO = 200  # text seldom comes to 50
UNSUSPICIOUS_BYTES = 64 << 20
MOST_UNPACKED_BYTES = 1 << 40
MOST_IN_MEMORY_BYTES = 256 << 20
_ZSTD_PIECE = 2048  # a block of 4 bytes can stand for 128 KB
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_WORKBOOK = ("xl/workbook.xml", "xl/workbook.bin")
_IGNORED = ("__macosx/", ".ds_store", "thumbs.db")


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of rows within what was given; `open` may be called again and again."""

    name: str
    compression: str
    stream: BinaryIO
    member: zipfile.ZipInfo | None = None
    archive: zipfile.ZipFile | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the bytes of the file, unpacked."""
        self.stream.seek(0)
        with _told(self.name):
            yield self._unpacked()

    def _unpacked(self) -> BinaryIO:
        size = self.stream.seek(0, io.SEEK_END)
        self.stream.seek(0)
        if self.compression == "gzip":
            return _buffered(_Measured(gzip.GzipFile(fileobj=self.stream), size))
        if self.compression == "zstd":
            return _buffered(_Measured(_Zstd(self.stream), size))
        if self.archive is not None and self.member is not None:
            opened = self.archive.open(self.member)
            return _buffered(_Measured(opened, min(size, self.member.compress_size)))
        return self.stream

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Open the bytes of the file so that they can be read in any order. Raises UnreadableError for too many."""
        with self.open() as stream:
            if not self.compression:
                yield stream
                return
            whole = stream.read(MOST_IN_MEMORY_BYTES + 1)
            if len(whole) > MOST_IN_MEMORY_BYTES:
                raise UnreadableError("unpack_first", file=self.name, most=MOST_IN_MEMORY_BYTES)
            yield io.BytesIO(whole)


def files_in(stream: BinaryIO, name: str, *, is_bundle: bool = False) -> list[Packed]:
    """Give the files of rows in a file. A bundle is a zip of ours: each of its members may be packed itself."""
    if is_bundle:
        archive = zipfile.ZipFile(stream)
        return [one for info in archive.infolist() for one in files_in(_window(stream, archive, info), info.filename)]
    stream.seek(0)
    head = stream.read(8)
    if head.startswith(_EMPTY_ZIP):
        raise UnreadableError("empty_archive", file=name)
    for magic, kind in _OTHERS.items():
        if head.startswith(magic):
            raise UnreadableError("packed_otherwise", file=name, kind=kind)
    if head.startswith(_ZIP):
        return _members(stream, name)
    kind = "gzip" if head.startswith(_GZIP) else "zstd" if head.startswith(_ZSTD) else ""
    found = Packed(_bare(name) if kind else name, kind, stream)
    if kind:
        _refuse_nested(found, name)
    return [found]


def _members(stream: BinaryIO, name: str) -> list[Packed]:
    with _told(name):
        archive = zipfile.ZipFile(stream)
        infos = archive.infolist()
    if any(info.filename in _WORKBOOK for info in infos):
        return [Packed(name, "", stream)]
    kept = [info for info in infos if not info.is_dir() and not info.filename.lower().startswith(_IGNORED)]
    kept = [info for info in kept if not info.filename.lower().endswith(_IGNORED)]
    if not kept:
        raise UnreadableError("empty_archive", file=name)
    if len(kept) > MOST_MEMBERS:
        raise UnreadableError("too_many_members", file=name, most=MOST_MEMBERS)
    if any(info.flag_bits & 1 for info in kept):
        raise UnreadableError("encrypted", file=name)
    size = stream.seek(0, io.SEEK_END)
    if sum(info.compress_size for info in kept) > size:  # members that lie over each other
        raise UnreadableError("damaged_archive", file=name, why="overlapping members")
    found = [Packed(_member_name(info), "zip", stream, info, archive) for info in sorted(kept, key=_by_name)]
    for one in found:
        _refuse_nested(one, name)
    return found


def _by_name(info: zipfile.ZipInfo) -> str:
    return info.filename


def _member_name(info: zipfile.ZipInfo) -> str:
    """Give the name of a member; Korean Windows writes it in CP949 and does not say so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("cp949")
    except UnicodeError:
        return info.filename


def _refuse_nested(found: Packed, name: str) -> None:
    with found.open() as stream:
        head = stream.read(8)
    is_workbook = head.startswith(_ZIP) and found.name.lower().endswith((".xlsx", ".xlsm", ".xlsb", ".ods"))
    if not is_workbook and head.startswith((_GZIP, _ZSTD, _ZIP, *_OTHERS)):
        raise UnreadableError("nested", file=name, member=found.name)


def _bare(name: str) -> str:
    for ending in (".gz", ".gzip", ".zst", ".zstd"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


class _Measured(io.RawIOBase):
    """Counts what comes out of a packed file and stops where it is more than such a file holds."""

    def __init__(self, opened: Any, size: int) -> None:
        self._opened, self._size, self._given = opened, max(1, size), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._opened.read(min(len(buffer), 1 << 20))
        self._given += len(data)
        is_bomb = self._given > UNSUSPICIOUS_BYTES and self._given > MOST_RATIO * self._size
        if is_bomb or self._given > MOST_UNPACKED_BYTES:
            raise UnreadableError("bomb", given=self._given, size=self._size)
        buffer[: len(data)] = data
        return len(data)


class _Zstd:
    """zstd frames one after the other; says where the last one is cut off, as the library's own reader does not."""

    def __init__(self, stream: BinaryIO) -> None:
        import zstandard  # noqa: PLC0415 - loaded only where there is such a file

        self._stream, self._library = stream, zstandard
        self._frame: Any = None
        self._ready = memoryview(b"")
        self._rest = b""

    def read(self, size: int) -> bytes:
        while not self._ready:
            piece = self._rest or self._stream.read(_ZSTD_PIECE)
            self._rest = b""
            if not piece:
                if self._frame is not None:
                    raise EOFError
                return b""
            self._feed(piece)
        given, self._ready = bytes(self._ready[:size]), self._ready[size:]
        return given

    def _feed(self, piece: bytes) -> None:
        if self._frame is None:
            self._frame = self._library.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        try:
            self._ready = memoryview(self._frame.decompress(piece))
        except self._library.ZstdError as error:
            raise zlib.error(str(error)) from error
        if self._frame.eof:
            self._rest, self._frame = self._frame.unused_data, None


class _Window(io.RawIOBase):
    """Some bytes of a file as a file."""

    def __init__(self, stream: BinaryIO, start: int, length: int) -> None:
        self._stream, self._start, self._length, self._at = stream, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._stream.seek(self._start + self._at)
        data = self._stream.read(max(0, min(len(buffer), self._length - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _window(stream: BinaryIO, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    """Give the bytes of a member that was stored as it is, which can be read in any order."""
    stream.seek(info.header_offset + 26)
    lengths = stream.read(4)
    start = info.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    return _buffered(_Window(stream, start, info.file_size))


def _buffered(raw: io.RawIOBase) -> BinaryIO:
    return io.BufferedReader(raw, 1 << 20)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say of a damaged archive that it is one."""
    try:
        yield
    except UnreadableError as error:
        error.values.setdefault("file", name)
        raise
    except EOFError as error:
        raise UnreadableError("ends_early", file=name) from error
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UnreadableError("damaged_archive", file=name, why=str(error)[:200]) from error
