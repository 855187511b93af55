"""The store on Google Cloud Storage, against a real server of its protocol: one installation, all that files do."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator

import pytest

from tests.files.conftest import Served
from tests.files.google_server import BUCKET, GoogleServer


@pytest.fixture(scope="module")
def on_google() -> Iterator[tuple[Served, GoogleServer]]:
    """Give an installation whose blobs lie there."""
    served = Served(on_s3=False)
    google = GoogleServer(served.site.folder / "google")
    try:
        google.start()
        served.site.environment |= google.environment
        served.start()
        yield served, google
    finally:
        served.end()
        google.end()


def test_files_when_on_google_then_kept_resumed_read_in_ranges_and_removed(
    on_google: tuple[Served, GoogleServer],
) -> None:
    served, google = on_google
    caller, content = served.caller, os.urandom(20_000_000)
    path = caller.begin("큰 자료.bin", len(content), sha256=hashlib.sha256(content).hexdigest(), way="multipart")
    assert caller.patch(path, 0, content[:9_000_000]).status == 204
    assert caller.patch(path, 0, b"x").status == 409
    assert caller.patch(path, 9_000_000, content[9_000_000:]).status == 204
    shown = caller.call("GET", path).json
    assert (shown["state"], shown["way"]) == ("done", "tus")
    file = f"files/{shown['file']}/content"
    assert caller.call("GET", file).body == content
    some = caller.call("GET", file, Range="bytes=5-9,15000000-15000004")
    assert some.status == 206
    assert content[5:10] in some.body
    assert content[15_000_000:15_000_005] in some.body
    mark = "--m\r\nContent-Disposition: form-data; name=f; filename=a.txt\r\n\r\nshelf\r\n--m--\r\n"
    put = caller.call("POST", "/uploadfile", mark.encode(), **{"Content-Type": "multipart/form-data; boundary=m"})
    assert (put.status, caller.call("GET", "/files/a.txt").body) == (201, b"shelf")
    said = served.site.manage("verify_blobs")
    assert "2" in said
    kept = {one.name for one in (google.folder / BUCKET).rglob("*") if one.is_file()}
    assert kept == {hashlib.sha256(content).hexdigest(), hashlib.sha256(b"shelf").hexdigest()}


def test_files_when_google_is_away_then_typed_and_back_when_it_is(on_google: tuple[Served, GoogleServer]) -> None:
    served, google = on_google
    google.end()
    started = time.monotonic()
    away = served.caller.call("GET", "/files/a.txt")
    assert time.monotonic() - started < 30
    assert (away.status, away.json["error"]["code"]) == (503, "storage_unavailable")
    google.start()
    assert served.caller.call("GET", "/files/a.txt").status == 200
