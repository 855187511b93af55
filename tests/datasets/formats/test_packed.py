"""What is wrong with packed files of rows: bombs, lies, nests, early ends."""

import gzip
import io
import struct
import zipfile
import zlib

import pytest
import zstandard

from datasets.formats import unpacking
from tests.datasets.formats.reading import read, refused


def packed(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


def test_zip_when_it_is_a_bomb_stops_early(monkeypatch):
    monkeypatch.setattr(unpacking, "UNSUSPICIOUS_BYTES", 1 << 20)
    zeros = b"a,b\n" + b"0,0\n" * 4_000_000
    for name, data in (
        ("a.zip", packed(a_csv=zeros)),
        ("a.csv.gz", gzip.compress(zeros)),
        ("a.csv.zst", zstandard.compress(zeros)),
    ):
        assert refused(name, data).code == "bomb"


def test_zip_when_it_lies_about_sizes_or_overlaps_is_refused():
    data = bytearray(packed(a_csv="a,b\n1,2\n", b_csv="a,b\n3,4\n"))
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 20, 0x7FFFFFFF)
    assert refused("a.zip", bytes(data)).code == "damaged_archive"


def test_zip_when_nested_is_refused_and_several_files_are_one():
    inner = packed(a_csv="a,b\n1,2\n")
    assert refused("a.zip", packed(b_zip=inner)).code == "nested"
    assert refused("a.csv.gz", gzip.compress(inner)).code == "nested"
    assert refused("a.zip", packed(b_gz=gzip.compress(b"a\n1\n"))).code == "nested"
    rows, rejects, found = read("a.zip", packed(a_csv="a,b\n1,2\n", b_csv="b,a\n9\n4,3\n"))
    assert (rows.rows(), found.files) == ([(1, 2), (3, 4)], ["a.csv", "b.csv"])
    assert [(one.file, one.line) for one in rejects] == [("b.csv", 2)]
    assert refused("a.zip", packed(a_csv="a,b\n1,2\n", b_csv="a,c\n4,3\n")).code in ("lacks_column", "strange_column")


@pytest.mark.parametrize(("name", "pack"), [("a.csv.gz", gzip.compress), ("a.csv.zst", zstandard.compress)])
def test_packed_file_when_it_ends_early_or_is_damaged_says_so(name, pack):
    data = pack(("n,t\n" + "".join(f"{n},{zlib.crc32(str(n).encode())}\n" for n in range(50_000))).encode())
    assert refused(name, data[: len(data) // 2]).code == "ends_early"
    broken = bytearray(data)
    broken[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    assert refused(name, bytes(broken)).code in ("damaged_archive", "ends_early")


def test_bundle_when_its_members_are_packed_are_read_each_by_itself():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("1.csv.gz", gzip.compress(b"a,b\n1,2\n"))
        archive.writestr("2.csv", b"a,b\n3,4\n")
    rows, _, found = read("x", buffer.getvalue(), is_bundle=True)
    assert (rows.rows(), found.files) == ([(1, 2), (3, 4)], ["1.csv", "2.csv"])
