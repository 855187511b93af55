"""Uploads by tus 1.0.0 and by JSON, through Django without a server."""

from __future__ import annotations

import hashlib
import io
import os
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from audit.models import AuditEvent
from common.errors import NotFound
from files.models import Blob, StoredFile, Upload
from files.reception import Reception
from files.services import add_file, begin_upload, expire_uploads, finish_upload, open_blob
from files.storage import incoming_folder, list_keys
from tests.accounts.making import make_client, make_user, post
from tests.admin.making import log_in

pytestmark = pytest.mark.django_db
TYPE = "application/offset+octet-stream"


@pytest.fixture(autouse=True)
def own_store(settings, tmp_path):
    disk = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path / "blobs")}}
    settings.STORAGES = {**settings.STORAGES, "default": disk}


@pytest.fixture
def operator():
    return make_client(make_user("operator"))


def begin(client, name="a.bin", size_bytes=10, **more):
    made = post(client, "uploads", {"name": name, "size_bytes": size_bytes, **more})
    assert made.status_code == 201, made.content
    return made.headers["Location"].partition("testserver")[2]


def patch(client, path, offset, body, **headers):
    sent = {"Upload-Offset": str(offset), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.patch(path, body, content_type=TYPE, headers=sent)


def nothing_is_left():
    return not list(incoming_folder().iterdir())


def test_upload_when_sent_in_pieces_then_a_file_with_its_hash(operator):
    content = os.urandom(1000)
    path = begin(operator, "보고서.bin", 1000, sha256=hashlib.sha256(content).hexdigest(), folder="가/나")
    assert patch(operator, path, 0, content[:400]).headers["Upload-Offset"] == "400"
    head = operator.head(path)
    assert (head["Upload-Offset"], head["Upload-Length"], head["Cache-Control"]) == ("400", "1000", "no-store")
    done = patch(operator, path, 400, content[400:])
    assert (done.status_code, done["Upload-Offset"]) == (204, "1000")
    file = operator.get(done["Content-Location"]).json()
    assert (file["name"], file["folder"], file["size_bytes"]) == ("보고서.bin", "가/나", 1000)
    stored = StoredFile.objects.get()
    assert open_blob(stored.blob).read() == content
    assert stored.blob.references == 1
    assert nothing_is_left()
    shown = operator.get(path).json()
    assert (shown["state"], shown["file"]) == ("done", file["id"])


def test_upload_when_begun_by_tus_headers_then_named_as_its_metadata_says(operator):
    name = b64encode("가.txt".encode()).decode()
    headers = {"Upload-Length": "0", "Upload-Metadata": f"filename {name},folder", "Tus-Resumable": "1.0.0"}
    made = operator.post("/api/v1/uploads", content_type="application/x-www-form-urlencoded", headers=headers)
    assert made.status_code == 201, made.content
    assert made["Tus-Resumable"] == "1.0.0"
    assert StoredFile.objects.get().name == "가.txt"
    assert StoredFile.objects.get().blob.size_bytes == 0
    options = operator.options("/api/v1/uploads")
    assert (options.status_code, options["Tus-Extension"]) == (204, "creation,checksum,expiration,termination")


def test_upload_when_the_checksum_is_wrong_then_460_and_the_offset_stays(operator):
    path = begin(operator)
    good = b64encode(hashlib.sha1(b"12345").digest()).decode()
    answer = patch(operator, path, 0, b"12346", Upload_Checksum=f"sha1 {good}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (460, "wrong_checksum")
    assert operator.head(path)["Upload-Offset"] == "0"
    assert patch(operator, path, 0, b"12345", Upload_Checksum=f"sha1 {good}").status_code == 204
    assert patch(operator, path, 5, b"xxxxx", Upload_Checksum=f"sha1 {good}").status_code == 460
    assert patch(operator, path, 5, b"12345", Upload_Checksum=f"sha1 {good}").status_code == 204
    assert open_blob(StoredFile.objects.get().blob).read() == b"1234512345"


@pytest.mark.parametrize("offset", [0, 4, 6, 10, 11])
def test_upload_when_the_offset_is_another_then_409(operator, offset):
    path = begin(operator)
    patch(operator, path, 0, b"12345")
    assert patch(operator, path, offset, b"1").status_code == 409
    assert operator.head(path)["Upload-Offset"] == "5"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Offset": "x"}, 400),
        ({"Upload-Offset": "-1"}, 400),
        ({"Upload-Offset": "9" * 30}, 400),
        ({}, 400),
        ({"Upload-Offset": "0", "Tus-Resumable": "0.2.2"}, 412),
        ({"Upload-Offset": "0", "Upload-Checksum": "md5 xx"}, 400),
        ({"Upload-Offset": "0", "Upload-Checksum": "sha1 ***"}, 400),
    ],
)
def test_upload_when_a_header_is_wrong_then_typed(operator, headers, status):
    path = begin(operator)
    answer = operator.patch(path, b"1", content_type=TYPE, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["code"]


def test_upload_when_of_another_type_then_415(operator):
    path = begin(operator)
    answer = operator.patch(path, b"1", content_type="application/json", headers={"Upload-Offset": "0"})
    assert answer.status_code == 415


def test_upload_when_more_comes_than_was_announced_then_413_and_no_file(operator):
    path = begin(operator, size_bytes=5)
    assert patch(operator, path, 0, b"123456").status_code == 413
    assert operator.head(path)["Upload-Offset"] == "0"
    assert not StoredFile.objects.exists()


def test_upload_when_the_whole_hash_is_wrong_then_refused_and_nothing_kept(operator):
    path = begin(operator, size_bytes=5, sha256="0" * 64)
    answer = patch(operator, path, 0, b"12345")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "wrong_hash")
    assert operator.get(path).json()["state"] == "refused"
    assert operator.post(f"{path}/complete").status_code == 422
    assert not Blob.objects.exists()
    assert nothing_is_left()
    assert AuditEvent.objects.filter(action="files.upload_refused", outcome="refused").exists()


def test_upload_when_completed_again_then_the_same_file(operator):
    path = begin(operator, size_bytes=3)
    assert operator.post(f"{path}/complete").status_code == 409
    patch(operator, path, 0, b"abc")
    first, second = (operator.post(f"{path}/complete").json()["file"] for _ in range(2))
    assert first == second
    assert StoredFile.objects.count() == 1


def test_upload_when_cancelled_then_gone_with_its_bytes_and_the_file_stays(operator):
    path = begin(operator)
    patch(operator, path, 0, b"123")
    assert operator.delete(path).status_code == 204
    assert operator.head(path).status_code == 404
    assert nothing_is_left()
    path = begin(operator, size_bytes=1)
    patch(operator, path, 0, b"1")
    assert operator.delete(path).status_code == 204
    assert StoredFile.objects.count() == 1


def test_upload_when_abandoned_then_expires_with_its_bytes(operator):
    path = begin(operator)
    patch(operator, path, 0, b"123")
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert operator.head(path).status_code == 404
    assert patch(operator, path, 3, b"4").status_code == 404
    assert expire_uploads() == 1
    assert nothing_is_left()
    assert not Upload.objects.exists()


def test_upload_when_its_check_was_broken_off_then_finished_by_housekeeping(operator):
    path = begin(operator, size_bytes=3)
    patch(operator, path, 0, b"ab")
    upload = Upload.objects.get()
    folder = incoming_folder() / str(upload.pk)
    with (folder / upload.parts[0]["name"]).open("ab") as segment:
        segment.write(b"c")
    parts = [{**upload.parts[0], "size": 3}]
    soon = timezone.now() + timedelta(hours=1)
    Upload.objects.update(received_bytes=3, parts=parts, state=Upload.State.CHECKING, expires_at=soon)
    assert expire_uploads() == 0
    assert open_blob(StoredFile.objects.get().blob).read() == b"abc"


def test_expire_uploads_when_one_cannot_be_finished_then_the_others_go_on(operator, caplog):
    soon, past = timezone.now() + timedelta(hours=1), timezone.now() - timedelta(seconds=1)
    user = User.objects.get()
    broken, whole, old = (begin_upload(name=name, size_bytes=3, owner=user) for name in ("a", "b", "c"))
    for upload in (broken, whole):
        folder = incoming_folder() / str(upload.pk)
        (folder / "00000001").write_bytes(b"abc")
    checked = {"state": Upload.State.CHECKING, "expires_at": soon, "parts": [{"name": "00000001", "size": 3}]}
    Upload.objects.filter(pk=broken.pk).update(**checked, received_bytes=2)
    Upload.objects.filter(pk=whole.pk).update(**checked, received_bytes=3)
    Upload.objects.filter(pk=old.pk).update(expires_at=past)
    assert expire_uploads() == 1
    assert {upload.pk: upload.state for upload in Upload.objects.all()} == {broken.pk: "checking", whole.pk: "done"}
    assert str(broken.pk) in caplog.text


def test_finish_upload_when_joining_fails_then_no_partial_file_is_left():
    upload = begin_upload(name="a", size_bytes=6, owner=make_user("operator"))
    folder = incoming_folder() / str(upload.pk)
    (folder / "00000001").write_bytes(b"abc")
    upload.received_bytes, upload.parts = 6, [{"name": f"0000000{number}", "size": 3} for number in (1, 2)]
    upload.save()
    for _try in range(2):
        with pytest.raises(NotFound):
            finish_upload(upload=upload)
    assert [path.name for path in folder.iterdir()] == ["00000001"]


def test_upload_when_a_later_request_takes_over_then_the_earlier_one_changes_nothing(operator):
    upload = begin_upload(name="a", size_bytes=6, owner=make_user("operator"))
    first = Reception(Upload.objects.get(), offset=0, checksum=None, answer=lambda _upload: None)
    first.write(b"wro")
    second = Reception(Upload.objects.get(), offset=0, checksum=None, answer=lambda upload: upload)
    second.write(b"rig")
    first.write(b"ng!")
    with pytest.raises(Exception, match="taken this upload over"):
        first.end(is_whole=True)
    first.close()
    second.write(b"ht!")
    assert second.end(is_whole=True).state == "done"
    upload.refresh_from_db()
    assert open_blob(upload.file.blob).read() == b"right!"
    assert nothing_is_left()


def test_upload_when_taken_over_twice_then_joined_from_what_was_counted():
    upload = begin_upload(name="a", size_bytes=6, owner=make_user("operator"))
    for offset, text in enumerate((b"ab", b"cd", b"ef")):
        reception = Reception(Upload.objects.get(), offset=2 * offset, checksum=None, answer=lambda upload: upload)
        reception.write(text)
        if offset < 2:
            reception._commit(claim=reception._claim)  # and then its process is killed
            reception.write(b"not counted"[: 6 - 2 * offset - 2])
    assert reception.end(is_whole=True).state == "done"
    upload.refresh_from_db()
    assert open_blob(upload.file.blob).read() == b"abcdef"
    assert len(list(list_keys())) == 1


def test_upload_when_temporary_then_no_file_and_its_blob_goes_with_it(operator):
    path = begin(operator, size_bytes=2, is_temporary=True)
    patch(operator, path, 0, b"hi")
    assert not StoredFile.objects.exists()
    assert Upload.objects.get().blob.references == 1
    assert operator.delete(path).status_code == 204
    assert Blob.objects.get().references == 0


def test_upload_when_somebody_elses_then_404(operator):
    path = begin(make_client(make_user("operator")))
    for method in (operator.get, operator.head, operator.delete):
        assert method(path).status_code == 404
    assert patch(operator, path, 0, b"1").status_code == 404
    assert operator.post(f"{path}/complete").status_code == 404
    assert operator.get("/api/v1/uploads").json()["results"] == []


def test_upload_when_the_proxy_lets_only_post_through_then_the_method_that_is_meant(operator):
    path = begin(operator, size_bytes=2)
    headers = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert operator.post(path, b"hi", content_type=TYPE, headers=headers).status_code == 204
    assert StoredFile.objects.count() == 1


def test_upload_when_straight_to_s3_is_asked_on_disk_then_tus_it_is(operator):
    path = begin(operator, way="multipart")
    assert operator.get(path).json()["way"] == "tus"
    assert operator.get(f"{path}/parts").status_code == 409


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "../../etc/passwd", "C:\\x", "a\0b", "a\r\nSet-Cookie: x=1", "a\u202etxt.exe", "가" * 86]
)
def test_upload_when_the_name_deceives_then_400_with_the_field(operator, name):
    answer = post(operator, "uploads", {"name": name, "size_bytes": 1})
    assert answer.status_code == 400
    assert "name" in answer.json()["error"]["fields"]
    answer = post(operator, "uploads", {"name": "a", "size_bytes": 1, "folder": f"x/{name}/y" if name else "a/../b"})
    assert answer.status_code == 400 if name != "a/b" else 201
    assert not Upload.objects.exclude(folder="x/a/b/y").exists()


@pytest.mark.parametrize("size", [-1, 2**70, 1.5, "x", None])
def test_upload_when_the_size_is_none_then_400(operator, size):
    assert post(operator, "uploads", {"name": "a", "size_bytes": size}).status_code in (400, 413)
    assert not Upload.objects.exists()


def test_upload_when_past_a_quota_then_typed_and_room_is_free_again_after_it_goes(operator, settings):
    settings.FILES_USER_QUOTA_BYTES = 10
    path = begin(operator, size_bytes=8)
    refused = post(operator, "uploads", {"name": "b", "size_bytes": 3})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "quota_exceeded")
    operator.delete(path)
    settings.FILES_USER_QUOTA_BYTES, settings.FILES_QUOTA_BYTES = 0, 5
    refused = post(operator, "uploads", {"name": "b", "size_bytes": 6})
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "quota_exceeded")
    assert nothing_is_left()


def test_upload_when_its_bytes_are_lost_then_typed_and_no_file(operator):
    path = begin(operator, size_bytes=4)
    patch(operator, path, 0, b"ab")
    for segment in Path(incoming_folder()).rglob("*"):
        if segment.is_file():
            segment.unlink()
    Upload.objects.update(received_bytes=4, parts=[{"name": "00000001", "size": 4}])
    answer = operator.post(f"{path}/complete")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "upload_lost")
    assert not StoredFile.objects.exists()
    assert not default_storage.exists("whole")


def test_finish_upload_when_two_files_hold_the_same_then_one_blob_counted_twice(operator):
    for name in ("a", "b"):
        patch(operator, begin(operator, name, 4), 0, b"same")
    assert Blob.objects.get().references == 2
    for upload in Upload.objects.all():
        finish_upload(upload=upload)
    assert Blob.objects.get().references == 2


def test_upload_when_a_person_has_begun_too_many_then_429(operator, monkeypatch):
    monkeypatch.setattr("files.services.uploads.MOST_WAITING", 2)
    for _upload in range(2):
        begin(operator)
    refused = post(operator, "uploads", {"name": "a", "size_bytes": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many")
    assert len(list(incoming_folder().iterdir())) == 2


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"[" * 100_000, b'{"name": "a\\u0000", "size_bytes": 1}', b'{"name": "a"}']
)
def test_upload_in_the_back_office_when_the_body_is_wrong_then_400(body):
    client = log_in("operator")
    answer = client.post(reverse("admin:files_storedfile_begin"), body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert not Upload.objects.exists()


def test_upload_in_the_back_office_when_sent_in_pieces_then_a_file_of_mine_alone():
    client, other = log_in("operator"), log_in("operator", "other")
    said = {"name": "a.txt", "size_bytes": 6}
    begun = client.post(reverse("admin:files_storedfile_begin"), said, content_type="application/json").json()
    for offset, piece in ((0, b"abc"), (3, b"def")):
        got = client.patch(begun["url"], piece, content_type=TYPE, headers={"Upload-Offset": str(offset)})
        assert got.status_code == 200, got.content
    assert client.get(got.json()["file"]).status_code == 200
    for path in (begun["url"], got.json()["file"].replace("/change/", "/content/")):
        assert other.get(path).status_code == 404
    wrong = client.patch(begun["url"], b"x", content_type=TYPE, headers={"Upload-Offset": "x"})
    assert wrong.status_code == 409
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(StoredFile.objects.get().owner)
    assert stranger.patch(begun["url"], b"x", content_type=TYPE, headers={"Upload-Offset": "0"}).status_code == 403


def test_preview_when_of_anything_else_than_text_and_images_then_404():
    client = log_in("operator")
    owner = User.objects.get()
    shown = {
        "x.html": (b"<script>a()</script>", 200),
        "x.svg": (b"<svg onload=a()>", 200),
        "x.pdf": (b"%PDF-1.7", 404),
        "x.bin": (b"\0\1", 404),
        "x.gif": (b"GIF89a", 200),
    }
    for name, (content, status) in shown.items():
        stored = add_file(stream=io.BytesIO(content), name=name, owner=owner)
        got = client.get(reverse("admin:files_storedfile_preview", args=[stored.pk]))
        assert got.status_code == status, name
        if status == 200:
            assert got["Content-Type"].split(";")[0] in {"text/plain", "image/gif"}
            assert got["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
            assert got["X-Content-Type-Options"] == "nosniff"
