"""Downloads: ranges, conditions and headers as RFC 9110 and RFC 6266 say."""

from __future__ import annotations

import io

import pytest

from files.content import HEAD_BYTES, sniff
from files.models import Blob
from files.ranges import wanted_spans
from files.services import add_file
from tests.accounts.making import make_client, make_user

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 4


@pytest.fixture
def owner():
    return make_user("operator")


@pytest.fixture
def get(owner):
    client, stored = make_client(owner), add_file(stream=io.BytesIO(CONTENT), name="자료 1.bin", owner=owner)

    def call(method="get", **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = getattr(client, method)(f"/api/v1/files/{stored.pk}/content", headers=sent)
        answer.bytes = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer

    return call


def test_content_when_whole_then_attachment_that_no_browser_runs(get):
    got = get()
    assert (got.status_code, got.bytes, got["Content-Length"]) == (200, CONTENT, "1024")
    assert got["Content-Disposition"] == "attachment; filename*=utf-8''%EC%9E%90%EB%A3%8C%201.bin"
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert got["ETag"] == f'"{Blob.objects.get().sha256}"'
    assert got["Accept-Ranges"] == "bytes"


def test_content_when_only_the_head_is_asked_then_no_bytes(get):
    got = get("head", Range="bytes=0-1")
    assert (got.status_code, got.bytes, got["Content-Length"]) == (200, b"", "1024")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=1000-", 1000, 1023), ("bytes=-24", 1000, 1023), ("bytes=5-99999", 5, 1023),
     ("bytes=-99999", 0, 1023), ("BYTES = 3-4", 3, 4), ("bytes=0-4,3-9", 0, 9), ("bytes=0-4, 5-9,", 0, 9)],
)  # fmt: skip
def test_content_when_one_range_then_206(get, wanted, first, last):
    got = get(Range=wanted)
    assert (got.status_code, got.bytes) == (206, CONTENT[first : last + 1])
    assert got["Content-Range"] == f"bytes {first}-{last}/1024"
    assert got["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=9999-99999", "bytes=-0"])
def test_content_when_no_such_bytes_then_416(get, wanted):
    got = get(Range=wanted)
    assert (got.status_code, got["Content-Range"], got.bytes) == (416, "bytes */1024", b"")


@pytest.mark.parametrize(
    "wanted", ["lines=1-2", "bytes=", "bytes=a-b", "bytes=5-3", "bytes=-", "bytes=1-2-3", "bytes=" + "9" * 30 + "-",
               "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2000, 2)), "bytes=0-1,x", "bytes=١-٢"],
)  # fmt: skip
def test_content_when_the_range_is_no_range_or_a_bomb_then_whole(get, wanted):
    if not wanted.isascii():
        assert wanted_spans(wanted, 1024) is None
        return
    got = get(Range=wanted)
    assert (got.status_code, got.bytes) == (200, CONTENT)


def test_content_when_many_ranges_then_each_with_its_place(get):
    got = get(Range="bytes=100-199,0-9,-5")
    assert got.status_code == 206
    assert got["Content-Length"] == str(len(got.bytes))
    kind, _, boundary = got["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    first, *middle, last = got.bytes.split(b"\r\n--" + boundary.encode())
    assert (first, last) == (b"", b"--\r\n")
    parts = {}
    for part in middle:
        head, _, body = part.partition(b"\r\n\r\n")
        parts[head.decode().rpartition("Content-Range: ")[2]] = body
    assert parts == {
        "bytes 0-9/1024": CONTENT[:10],
        "bytes 100-199/1024": CONTENT[100:200],
        "bytes 1019-1023/1024": CONTENT[-5:],
    }


def test_content_when_it_has_not_changed_then_304(get):
    etag = get()["ETag"]
    for header in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        got = get(If_None_Match=header)
        assert (got.status_code, got.bytes, got["ETag"]) == (304, b"", etag)
    assert get(If_None_Match='"x"').status_code == 200


def test_content_when_if_range_names_another_then_whole(get):
    etag = get()["ETag"]
    assert get(Range="bytes=0-1", If_Range=etag).status_code == 206
    for other in ('"x"', f"W/{etag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert get(Range="bytes=0-1", If_Range=other).status_code == 200


def test_content_when_empty_then_any_range_is_416(owner):
    stored = add_file(stream=io.BytesIO(b""), name="empty", owner=owner)
    client = make_client(owner)
    assert b"".join(client.get(f"/api/v1/files/{stored.pk}/content").streaming_content) == b""
    answer = client.get(f"/api/v1/files/{stored.pk}/content", headers={"Range": "bytes=0-"})
    assert answer.status_code == 416


@pytest.mark.parametrize("name", ['a".exe', "a;b.txt", "a'b", "a%0d%0aSet-Cookie: x", "é.txt"])
def test_content_when_the_name_has_signs_of_headers_then_one_header_of_one_file(owner, name):
    stored = add_file(stream=io.BytesIO(b"x"), name=name, owner=owner)
    got = make_client(owner).get(f"/api/v1/files/{stored.pk}/content")
    assert got["Content-Disposition"].startswith("attachment")
    assert not {"\r", "\n"} & set(got["Content-Disposition"])
    assert "Set-Cookie" not in got.headers


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"\x89PNG\r\n\x1a\nxx", "image/png"), (b"GIF89a", "image/gif"), (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
     (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"%PDF-1.7", "application/pdf"), (b"<svg onload=alert(1)>", "text/plain"),
     (b"<!DOCTYPE html><script>", "text/plain"), ("한글".encode(), "text/plain"), (b"", "application/octet-stream"),
     (b"a\0b", "application/octet-stream"), (b"\xff\xfe", "application/octet-stream"),
     (b"a" * (HEAD_BYTES - 1) + "가".encode()[:1], "text/plain"), ("a가".encode()[:2], "application/octet-stream")],
)  # fmt: skip
def test_sniff_when_given_the_first_bytes_then_what_they_are(head, kind):
    assert sniff(head) == kind


def test_file_when_its_type_is_a_lie_then_told_by_its_content(owner):
    stream = io.BytesIO(b"<script>alert(1)</script>")
    stream.name, stream.content_type = "x.png", "image/png"
    made = make_client(owner).post("/api/v1/files", {"file": stream}).json()
    assert made["content_type"] == "text/plain"
