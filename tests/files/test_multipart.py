"""Uploads straight to a real S3 server, and one that lies."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from common.errors import Unavailable
from files.models import Blob, StoredFile, Upload
from files.services import cancel_upload, expire_uploads, open_blob, store
from files.storage import list_keys
from tests.accounts.making import make_client, make_user, post
from tests.files.s3_server import BUCKET, KEYS, S3Server, lying_proxy

pytestmark = pytest.mark.django_db
MIB = 2**20
SIZE = 20 * MIB  # three parts
CONTENT = os.urandom(SIZE)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    server = S3Server(Path(tempfile.mkdtemp(prefix="s3-")))
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture
def operator(server: S3Server, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    use(settings, monkeypatch, server.port)
    return make_client(make_user("operator"))


def use(settings: Any, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Have files kept at the server of a port."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    address = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1", "signature_version": "s3v4"}
    options = {"bucket_name": BUCKET, "location": f"blobs-{os.urandom(4).hex()}", "file_overwrite": True, **address}
    s3 = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": s3}


def waiting(server: S3Server) -> list[str]:
    """Give what lies on its way in, in the store of this test."""
    own = default_storage.location
    return [key for key in server.all_keys() if key.startswith(f"{own}/.incoming")]


def begin(client: Client, **more: Any) -> dict[str, Any]:
    announced = {"name": "큰 파일", "size_bytes": SIZE, "way": "multipart", **more}
    made = post(client, "uploads", announced)
    assert made.status_code == 201, made.content
    assert (made.json()["way"], made.json()["part_count"], made.json()["part_bytes"]) == ("multipart", 3, 8 * MIB)
    return {**made.json(), "path": f"/api/v1/uploads/{made.json()['id']}"}


def put(client: Client, upload: dict[str, Any], *numbers: int, content: bytes = CONTENT) -> None:
    found = client.post(f"{upload['path']}/addresses", {"numbers": list(numbers)}, content_type="application/json")
    for one in found.json():
        start = (one["number"] - 1) * 8 * MIB
        request = urllib.request.Request(one["url"], data=content[start : start + one["size_bytes"]], method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200


def test_multipart_when_resumed_and_completed_then_a_file_once(operator: Client, server: S3Server) -> None:
    upload = begin(operator, sha256=hashlib.sha256(CONTENT).hexdigest())
    put(operator, upload, 1, 3)
    there = operator.get(f"{upload['path']}/parts").json()
    assert [(part["number"], part["size_bytes"]) for part in there] == [(1, 8 * MIB), (3, 4 * MIB)]
    early = operator.post(f"{upload['path']}/complete")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not_complete")
    put(operator, upload, 2)
    done = [operator.post(f"{upload['path']}/complete").json() for _ in range(2)]
    assert done[0]["state"] == "done"
    assert done[0]["file"] == done[1]["file"]
    stored = StoredFile.objects.get()
    assert (stored.blob_id, stored.blob.references) == (hashlib.sha256(CONTENT).hexdigest(), 1)
    assert open_blob(stored.blob).read() == CONTENT
    assert not waiting(server)


def test_multipart_when_the_bytes_are_not_those_announced_then_refused_and_nothing_kept(
    operator: Client, server: S3Server
) -> None:
    upload = begin(operator, sha256="0" * 64)
    put(operator, upload, 1, 2, 3)
    answer = operator.post(f"{upload['path']}/complete")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "wrong_hash")
    assert not StoredFile.objects.exists()
    assert not waiting(server)
    assert not list(list_keys())


def test_multipart_when_a_part_is_of_another_size_then_s3_refuses_it(operator: Client) -> None:
    upload = begin(operator)
    found = operator.post(f"{upload['path']}/addresses", {"numbers": [1]}, content_type="application/json").json()
    assert "content-length" in parse_qs(urlsplit(found[0]["url"]).query)["X-Amz-SignedHeaders"][0]
    request = urllib.request.Request(found[0]["url"], data=b"x" * 100, method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=60)


def test_multipart_when_cancelled_then_s3_forgets_it(operator: Client, server: S3Server) -> None:
    upload = begin(operator)
    put(operator, upload, 1)
    row = Upload.objects.get()
    cancel_upload(upload=row)
    pending = server.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert row.multipart_id not in {one["UploadId"] for one in pending}


def test_multipart_when_cancelled_while_s3_is_away_then_the_housekeeping_goes_on(
    operator: Client, server: S3Server, settings: Any
) -> None:
    put(operator, begin(operator), 1)
    row, there = Upload.objects.get(), settings.STORAGES
    s3 = there["default"]
    away = {**s3, "OPTIONS": {**s3["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}}
    settings.STORAGES = {**there, "default": away}
    with pytest.raises(Unavailable):
        cancel_upload(upload=row)
    settings.STORAGES = there
    assert expire_uploads() == 1
    pending = server.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert row.multipart_id not in {one["UploadId"] for one in pending}
    assert not Upload.objects.exists()


@pytest.mark.parametrize("numbers", [[0], [-1], [4], [10**9], [], ["x"], list(range(1, 200))])
def test_addresses_when_of_no_part_then_400(operator: Client, numbers: list[Any]) -> None:
    upload = begin(operator)
    answer = operator.post(f"{upload['path']}/addresses", {"numbers": numbers}, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("lie", ["truncated", "wrong bytes", "gone", "error 500"])
def test_complete_when_s3_lies_then_no_file(
    server: S3Server, settings: Any, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    def change(method: str, path: str, status: int, body: bytes) -> tuple[int, bytes] | None:
        if method != "GET" or "whole" not in path or "uploadId" in path:
            return None
        other = bytes([body[0] ^ 1]) if body else b""
        wrong = {"truncated": (200, body[:-1]), "wrong bytes": (200, other + body[1:]), "gone": (404, b""),
                 "error 500": (500, b"")}  # fmt: skip
        return wrong[lie]

    with lying_proxy(server.port, change) as port:
        use(settings, monkeypatch, port)
        operator = make_client(make_user("operator"))
        upload = begin(operator, sha256=hashlib.sha256(CONTENT).hexdigest())
        put(operator, upload, 1, 2, 3)
        answer = operator.post(f"{upload['path']}/complete")
        assert answer.status_code in {404, 422, 503}, answer.content
        assert answer.json()["error"]["code"] in {"wrong_hash", "upload_lost", "storage_unavailable"}
        assert not StoredFile.objects.exists()
        assert not Blob.objects.exists()


def test_store_when_the_object_is_damaged_at_the_same_size_then_replaced(operator: Client, server: S3Server) -> None:
    blob = store(io.BytesIO(b"precious"))
    (key,) = (key for key in server.all_keys() if key.endswith(blob.sha256))
    server.client().put_object(Bucket=BUCKET, Key=key, Body=b"Precious")
    assert open_blob(store(io.BytesIO(b"precious"))).read() == b"precious"


def test_tus_when_on_s3_in_small_pieces_then_parts_of_one_size(operator: Client, server: S3Server) -> None:
    made = post(operator, "uploads", {"name": "a", "size_bytes": SIZE, "sha256": hashlib.sha256(CONTENT).hexdigest()})
    path = f"/api/v1/uploads/{made.json()['id']}"
    steps = [0, 3 * MIB, 3 * MIB + 1, 10 * MIB, 19 * MIB, SIZE]
    for start, stop in pairwise(steps):
        answer = operator.patch(
            path,
            CONTENT[start:stop],
            content_type="application/offset+octet-stream",
            headers={"Upload-Offset": str(start)},
        )
        assert (answer.status_code, answer["Upload-Offset"]) == (204, str(stop)), answer.content
    stored = StoredFile.objects.get()
    assert open_blob(stored.blob).read() == CONTENT
    got = operator.get(f"/api/v1/files/{stored.pk}/content", headers={"Range": "bytes=5-10,9000000-9000010"})
    assert got.status_code == 206
    body = b"".join(got.streaming_content)
    assert CONTENT[5:11] in body
    assert CONTENT[9000000:9000011] in body
    assert not waiting(server)


def test_content_when_redirects_are_set_then_a_presigned_address_of_an_attachment(
    operator: Client, settings: Any
) -> None:
    stream = io.BytesIO(b"hello")
    stream.name = "가.txt"
    file = operator.post("/api/v1/files", {"file": stream}).json()
    settings.FILES_REDIRECT = True
    answer = operator.get(f"/api/v1/files/{file['id']}/content")
    assert answer.status_code == 307
    with urllib.request.urlopen(answer["Location"], timeout=30) as got:
        assert got.read() == b"hello"
        assert got.headers["Content-Disposition"] == "attachment; filename*=utf-8''%EA%B0%80.txt"
