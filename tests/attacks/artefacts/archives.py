"""Archives that unpack where they must not, to more than there is room for, or to other things than they say."""

from __future__ import annotations

import io
import struct
import tarfile
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.attacks.artefacts.pickles import DOOR, PASSES, Canary, Case
from tests.runner.making import make_folder

Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


def good(folder: Path) -> Entries:
    """Give the files of a good version."""
    make_folder(folder)
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def deliver(folder: Path, data: bytes, name: str = "model.zip") -> None:
    """Leave nothing in the folder but the archive."""
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(data)


def zipped(entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Give a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def of_entries(*more: tuple[str | zipfile.ZipInfo, bytes], verdict: str = DOOR) -> Case:
    """Give a good version with more entries."""
    return Case(lambda folder, canary: deliver(folder, zipped([*good(folder), *more])), verdict)


def of_bytes(make: Callable[[bytes], bytes], verdict: str = DOOR) -> Case:
    """Give a good archive whose bytes were changed."""
    return Case(lambda folder, canary: deliver(folder, make(zipped(good(folder)))), verdict)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    """Give an entry of a kind: link, device, pipe."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, mode << 16
    return entry


def flagged(data: bytes) -> bytes:
    """Say of every entry that it is encrypted."""
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(magic)
        while place >= 0:
            data = data[: place + at] + bytes([data[place + at] | 1]) + data[place + at + 1 :]
            place = data.find(magic, place + 4)
    return data


def directory_of(count: int) -> bytes:
    """Give an archive with so many entries of one and the same few bytes."""
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * count
    most = min(count, 0xFFFF)
    return local + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, most, most, len(directory), len(local), 0)


def overlapping(count: int, size: int) -> bytes:
    """Give an archive whose entries all unpack the same bytes, in the manner of 42.zip without its nesting."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(size)) + packer.flush()
    crc = zlib.crc32(bytes(size))
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), size, 1, 0) + b"a" + packed
    directory = b""
    for n in range(count):
        name = f"{n:06}".encode()
        numbers = (crc, len(packed), size, len(name), 0, 0, 0, 0, 0, 0)
        directory += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, *numbers) + name
    return local + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(local), 0)


def lying(data: bytes) -> bytes:
    """Say in the directory that each entry unpacks to 10 bytes."""
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data = data[: place + 24] + struct.pack("<I", 10) + data[place + 28 :]
        place = data.find(b"PK\x01\x02", place + 4)
    return data


def _nested(folder: Path, canary: Canary) -> None:
    bomb = zipped([("a", bytes(50_000_000))])
    for _ in range(3):
        bomb = zipped([(f"{n}.zip", bomb) for n in range(8)])
    deliver(folder, zipped([*good(folder), ("bomb.zip", bomb)]))


def tarred(info: tarfile.TarInfo) -> bytes:
    """Give a tar archive of one entry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(info)
    return buffer.getvalue()


def _tar(kind: bytes, link: str = "") -> Case:
    info = tarfile.TarInfo("../../x")
    info.type, info.linkname = kind, link
    return Case(lambda folder, canary: (make_folder(folder), deliver(folder, tarred(info), "model.tar")))


def _link_in_folder(folder: Path, canary: Canary) -> None:
    """Has the same archive twice, one a link: what `rglob` gives of it is the file it points at."""
    entries = good(folder)
    deliver(folder, zipped([*entries, (special("model.link", 0o120777), str(canary.path).encode())]))


KOREAN = "모델.txt"
CASES: dict[str, Case] = {
    **{
        f"entry named {label}": of_entries((name, b"x"))
        for label, name in {
            "../x": "../x",
            "a/../../x": "a/../../x",
            "/etc/x": "/etc/x",
            "C:\\x": "C:\\x",
            "..\\x": "..\\x",
            "//host/x": "//host/x",
            "with a control character": "a\x01b",
            "with a right-to-left override": "a\u202egnp.exe",
            "of 300 bytes": "가" * 100,
            "of 2,000 characters": "/".join(["a" * 200] * 10),
            "nine folders deep": "a/" * 9 + "x",
            "of spaces": " / ",
            "of a folder that is a file": "flueman.json/x",
            "twice, in another case": "FLUEMAN.JSON",
        }.items()
    },
    "entry named with NUL": of_bytes(lambda data: data.replace(b"model.safetensors", b"model.safe\0ensors"), DOOR),
    "two entries of one Korean name, composed and not": of_entries(
        (KOREAN, b"a"), (unicodedata.normalize("NFD", KOREAN), b"b")
    ),
    "two entries of one name": of_entries(("flueman.json", b"{}")),
    "symbolic link": Case(_link_in_folder),
    "device": of_entries((special("disk", 0o060666), b"")),
    "named pipe": of_entries((special("pipe", 0o010666), b"")),
    "socket": of_entries((special("socket", 0o140666), b"")),
    "encrypted entries": of_bytes(flagged),
    "501 entries": of_entries(*[(f"f{n}", b"") for n in range(501)]),
    "4,000,000 entries": Case(lambda folder, canary: (make_folder(folder), deliver(folder, directory_of(4_000_000)))),
    "300 MB of zeros": of_entries(("zeros", bytes(300_000_000))),
    "overlapping entries of 1 PB": Case(
        lambda folder, canary: (make_folder(folder), deliver(folder, overlapping(60_000, 1 << 24)))
    ),
    "400 overlapping entries of 10 MB": Case(
        lambda folder, canary: (make_folder(folder), deliver(folder, overlapping(400, 10_000_000)))
    ),
    "bombs in bombs": Case(_nested, PASSES),
    "sizes that are lies": of_bytes(lying),
    "compressed by LZMA": Case(lambda folder, canary: deliver(folder, zipped(good(folder), zipfile.ZIP_LZMA))),
    "cut short": of_bytes(lambda data: data[:-30]),
    "cut in the middle": of_bytes(lambda data: data[: len(data) // 2]),
    "bits turned over": of_bytes(lambda data: data[:60] + bytes(b ^ 0xFF for b in data[60:90]) + data[90:]),
    "bytes before it": of_bytes(lambda data: b"#!/bin/sh\ntouch x\n" + data),
    "bytes after it": of_bytes(lambda data: data + bytes(100), PASSES),
    "comment of 60 KB": of_bytes(lambda data: data[:-2] + struct.pack("<H", 60_000) + b"x" * 60_000, PASSES),
    "tar with a device": _tar(tarfile.CHRTYPE),
    "tar with a hard link": _tar(tarfile.LNKTYPE, "/etc/passwd"),
    "tar with a symbolic link": _tar(tarfile.SYMTYPE, "/etc/passwd"),
    "tar that is compressed": Case(
        lambda folder, canary: (
            make_folder(folder),
            deliver(folder, zlib.compress(tarred(tarfile.TarInfo("a"))), "model.tgz"),
        )
    ),
}
