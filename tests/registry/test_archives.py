import stat
import zipfile
from io import BytesIO

import pytest

from common.errors import FluemanError, Invalid, TooLarge
from registry.archives import MAX_ENTRIES, unpack

LIMIT = 64 * 1024 * 1024


def make_zip(path, entries, *, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def make_link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_unpack_when_plain_then_all_files_in_their_folders(tmp_path, target):
    unpack(make_zip(tmp_path / "a.zip", [("m/flueman.json", b"{}"), ("m/라벨.json", b"[]")]), target, max_bytes=LIMIT)
    assert (target / "m" / "flueman.json").read_bytes() == b"{}"
    assert (target / "m" / "라벨.json").read_bytes() == b"[]"


def test_unpack_when_named_by_korean_windows_then_the_name_is_read(tmp_path, target):
    name = "라벨.json".encode("cp949").decode("cp437")
    path = make_zip(tmp_path / "a.zip", [("x" * len(name), b"[]")])
    raw = path.read_bytes().replace(b"x" * len(name), "라벨.json".encode("cp949"))
    path.write_bytes(raw)
    unpack(path, target, max_bytes=LIMIT)
    assert [file.name for file in target.iterdir()] == ["라벨.json"]


@pytest.mark.parametrize(
    "entries",
    [
        [("../outside", b"x")],
        [("/etc/outside", b"x")],
        [("a/../../outside", b"x")],
        [("..\\outside", b"x")],
        [(make_link("link"), b"/etc/passwd")],
        [("a", b"1"), ("A", b"2")],
        [("a\u202eb", b"x")],
        [("/".join("abcdefghij"), b"x")],
        [(f"{n}", b"") for n in range(MAX_ENTRIES + 1)],
        [],
    ],
    ids=["up", "absolute", "up inside", "backslash", "link", "twice", "bidirectional", "deep", "many", "none"],
)
def test_unpack_when_hostile_then_refused_and_nothing_written(tmp_path, target, entries):
    with pytest.raises(Invalid) as caught:
        unpack(make_zip(tmp_path / "a.zip", entries), target, max_bytes=LIMIT)
    assert caught.value.fields
    assert not list(target.iterdir())
    assert not (tmp_path / "outside").exists()


def test_unpack_when_a_bomb_then_refused_before_it_is_opened(tmp_path, target):
    path = make_zip(tmp_path / "a.zip", [("zeros", bytes(32 * 1024 * 1024))], compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(Invalid, match="unpacks to more than"):
        unpack(path, target, max_bytes=LIMIT)


def test_unpack_when_larger_than_allowed_then_too_large(tmp_path, target):
    with pytest.raises(TooLarge):
        unpack(make_zip(tmp_path / "a.zip", [("a", b"12345"), ("b", b"12345")]), target, max_bytes=9)


def test_unpack_when_the_directory_lies_about_sizes_then_stopped(tmp_path, target):
    path = make_zip(tmp_path / "a.zip", [("a", b"z" * 100_000)], compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    path.write_bytes(raw.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(FluemanError):
        unpack(path, target, max_bytes=1000)


@pytest.mark.parametrize("cut", [10, 60, -30])
def test_unpack_when_damaged_then_told(tmp_path, target, cut):
    path = make_zip(tmp_path / "a.zip", [("a", b"12345" * 50)])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Invalid, match="damaged"):
        unpack(path, target, max_bytes=LIMIT)


def test_unpack_when_content_differs_from_its_checksum_then_told(tmp_path, target):
    stream = BytesIO(
        make_zip(tmp_path / "a.zip", [("a", b"12345" * 50)]).read_bytes().replace(b"12345123", b"99999999", 1)
    )
    (tmp_path / "b.zip").write_bytes(stream.getvalue())
    with pytest.raises(Invalid, match="damaged"):
        unpack(tmp_path / "b.zip", target, max_bytes=LIMIT)
