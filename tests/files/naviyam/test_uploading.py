"""`POST /uploadfile`: several files, told of one by one."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import AuditEvent
from files.models import Blob, Quota, StoredFile
from files.services import shelf
from files.storage import incoming_folder
from tests.accounts.making import bearer, make_key, make_user
from tests.files.naviyam.making import form, make_client, put, whole

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "multipart/form-data; boundary=b"


def test_upload_when_several_files_then_each_is_told_and_found():
    content = "한글".encode()
    files = [SimpleUploadedFile("메모.txt", content), SimpleUploadedFile("b.bin", b"\x00\x01")]
    answer = make_client().post("/uploadfile", {"files": files, "folder": "올린 것"})
    assert answer.status_code == 201
    first, second = answer.json()["files"]
    assert (first["path"], first["size"], first["sha256"]) == (
        "올린 것/메모.txt", len(content), hashlib.sha256(content).hexdigest()
    )  # fmt: skip
    assert whole(make_client().get(first["url"])) == content
    assert second["type"] == "application/octet-stream"
    assert AuditEvent.objects.filter(action="files.file_added", actor__startswith="basic:").count() == 2
    assert list(incoming_folder().iterdir()) == []


def test_upload_when_the_name_is_taken_then_numbered_and_the_same_bytes_stay_one():
    put("a.txt", b"1")
    client = make_client()

    def send(content: bytes) -> str:
        return client.post("/uploadfile", **form(("file", "a.txt", content))).json()["files"][0]["name"]

    assert [send(b"2"), send(b"3"), send(b"1"), send(b"2")] == ["a (2).txt", "a (3).txt", "a.txt", "a (4).txt"]
    assert StoredFile.objects.count() == 4
    long = "가" * 83 + ".tar.gz"  # 256 bytes
    assert client.post("/uploadfile", **form(("f", long, b"x"))).status_code == 400
    names = [
        client.post("/uploadfile", **form(("f", "가" * 83 + ".txt", c))).json()["files"][0]["name"]
        for c in (b"1", b"2")
    ]
    assert names[1].endswith(" (2).txt")
    assert len(names[1].encode()) <= 255


def test_upload_when_one_file_cannot_be_kept_then_the_others_are_and_each_is_told(settings):
    settings.MAX_UPLOAD_BYTES = 10
    sent = form(
        ("f", "good.txt", b"1"), ("f", "large.txt", b"1" * 11), ("f", "bad\u202etxt", b"2"), ("f", "also.txt", b"3")
    )
    answer = make_client().post("/uploadfile", **sent)
    assert answer.status_code == 207
    told = answer.json()["files"]
    assert [one.get("error", {}).get("code") for one in told] == [None, "too_large", "invalid", None]
    assert set(StoredFile.objects.values_list("name", flat=True)) == {"good.txt", "also.txt"}
    assert list(incoming_folder().iterdir()) == []


def test_upload_when_no_file_can_be_kept_then_the_error_is_the_answers(settings):
    settings.MAX_UPLOAD_BYTES = 1
    answer = make_client().post("/uploadfile", **form(("f", "a", b"12")))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert answer.json()["files"][0]["name"] == "a"


def test_upload_when_the_shelf_is_full_then_413_before_the_bytes_and_for_those_over_it():
    Quota.objects.create(user=shelf(), max_bytes=1000)
    answer = make_client().post("/uploadfile", **form(("f", "a", b"1" * 2000)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "quota_exceeded")
    put("there", b"1" * 700)
    answer = make_client().post("/uploadfile", **form(("f", "a", b"1" * 50), ("f", "b", b"2" * 290)))
    assert answer.status_code == 413  # the form alone is larger than what is left


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd", "passwd"), ("C:\\temp\\a.txt", "a.txt"), ("/abs.txt", "abs.txt"),
     (unicodedata.normalize("NFD", "한글.txt"), "한글.txt"), ('a\\"b.txt', 'a"b.txt'), ("a;b.txt", "a;b.txt")],
)  # fmt: skip
def test_upload_when_the_name_is_a_path_or_odd_then_a_plain_name(name, kept):
    answer = make_client().post("/uploadfile", **form(("f", name, b"x")))
    assert (answer.status_code, answer.json()["files"][0]["name"]) == (201, kept)
    assert "\n" not in make_client().get(answer.json()["files"][0]["url"])["Content-Disposition"]


@pytest.mark.parametrize("name", ["..", ".", "a\u202eb", "a\u200bb", "  ", "a/", "가" * 86, "a%00b\x00"])
def test_upload_when_the_name_deceives_then_refused(name):
    answer = make_client().post("/uploadfile", **form(("f", name, b"x")))
    assert (answer.status_code, StoredFile.objects.count()) == (400, 0)


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"x", "content_type": "text/plain"},
        {"data": b"x", "content_type": "multipart/form-data"},
        {"data": b"x", "content_type": "multipart/form-data; boundary=" + "b" * 71},
        {"data": b"", "content_type": FORM},
        {"data": b"--b--\r\n", "content_type": FORM},
        {"data": b"--b\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nhalf", "content_type": FORM},
        {"data": b"--b\r\nX: y\r\n\r\nno disposition\r\n--b--", "content_type": FORM},
        {"data": b"--b\r\n" + b"X: y\r\n" * 9 + b"\r\n--b--", "content_type": FORM},
        {"data": b"--b\r\nX: " + b"y" * 9000, "content_type": FORM},
        {"data": b"--b\r\nContent-Disposition: form-data; name=\xff\r\n\r\n\r\n--b--", "content_type": FORM},
        form(("folder", None, b"x")),
        form(("f", "", b"")),
        form(("f", "a", b"x"), ("folder", None, b"../up")),
        form(("f", "a", b"x"), ("folder", None, b"\xff")),
        form(("f", "a", b"x"), ("folder", None, b"f" * 5000)),
        form(*[("f", None, b"")] * 1100),
    ],
)  # fmt: skip
def test_upload_when_the_form_is_none_or_a_bomb_then_typed_and_nothing_is_kept(sent):
    answer = make_client().post("/uploadfile", **sent)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["code"] in ("malformed", "invalid", "form_too_large")
    assert (StoredFile.objects.count(), list(incoming_folder().iterdir())) == (0, [])


def test_upload_when_repeated_with_its_key_then_one_effect_and_the_same_answer():
    client = make_client(**{"Idempotency-Key": "k1"})
    first, again = (client.post("/uploadfile", **form(("f", "a", b"x"))) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again["Idempotency-Replayed"] == "true"
    assert client.post("/uploadfile", **form(("f", "a", b"other"))).status_code == 422
    assert StoredFile.objects.count() == 1


def test_upload_when_a_key_may_only_look_then_403_and_a_key_of_the_scope_may():
    user = make_user("operator")
    looking, adding = make_key(user, "read")[1], make_key(user, "files")[1]
    assert Client(headers=bearer(looking)).post("/uploadfile", **form(("f", "a", b"x"))).status_code == 403
    assert Client(headers=bearer(adding)).post("/uploadfile", **form(("f", "a", b"x"))).status_code == 201
    assert StoredFile.objects.get().owner == shelf()


def test_upload_when_from_a_page_of_another_site_or_by_a_cookie_then_refused():
    for origin in ("https://evil.example", "null", "http://testserver.evil.example", "http://["):
        answer = make_client(Origin=origin).post("/uploadfile", **form(("f", "a", b"x")))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "other_site")
    assert make_client(Origin="http://testserver").post("/uploadfile", **form(("f", "a", b"x"))).status_code == 201
    browser = Client()
    browser.force_login(make_user("administrator"))
    assert browser.post("/uploadfile", **form(("f", "b", b"x"))).status_code == 401
    assert Blob.objects.count() == 1
