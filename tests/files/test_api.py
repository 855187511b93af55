import io
import unicodedata

import pytest

from files.models import Blob, StoredFile
from tests.accounts.making import make_client, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return make_client(make_user("operator"))


def send(client, sent_as, content=b"hello", **form):
    stream = io.BytesIO(content)
    stream.name = sent_as
    return client.post("/api/v1/files", {"file": stream, **form})


def test_file_when_sent_then_listed_fetched_and_removed(operator):
    made = send(operator, "보고서 1.txt", "안녕".encode())
    assert made.status_code == 201, made.content
    file = made.json()
    assert (file["name"], file["size_bytes"]) == ("보고서 1.txt", 6)
    assert [one["id"] for one in operator.get("/api/v1/files").json()["results"]] == [file["id"]]
    got = operator.get(f"/api/v1/files/{file['id']}/content")
    assert b"".join(got.streaming_content).decode() == "안녕"
    assert got["Content-Disposition"] == ("attachment; filename*=utf-8''%EB%B3%B4%EA%B3%A0%EC%84%9C%201.txt")
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert operator.delete(f"/api/v1/files/{file['id']}").status_code == 204
    assert operator.get(f"/api/v1/files/{file['id']}/content").status_code == 404
    assert operator.get("/api/v1/files").json()["results"] == []
    assert operator.get("/api/v1/files?is_deleted=true").json()["results"][0]["deleted_at"]
    assert operator.post(f"/api/v1/files/{file['id']}/restore").json()["deleted_at"] is None
    assert operator.post(f"/api/v1/files/{file['id']}/restore").status_code == 409
    assert Blob.objects.get().references == 1


def test_file_when_named_in_decomposed_korean_then_composed(operator):
    assert send(operator, unicodedata.normalize("NFD", "가나다.png")).json()["name"] == "가나다.png"


@pytest.mark.parametrize("name", ["..", "a\u202etxt.exe", "a\u0007b", "가" * 86, "a/b"])
def test_file_when_the_name_deceives_then_400_with_the_field(operator, name):
    answer = send(operator, "good.txt", name=name)
    assert answer.status_code == 400
    assert "name" in answer.json()["error"]["fields"]
    assert not StoredFile.objects.exists()


def test_file_when_html_then_never_shown_in_the_browser(operator):
    stream = io.BytesIO(b"<script>alert(1)</script>")
    stream.name = "x.html"
    file = operator.post("/api/v1/files", {"file": stream}).json()
    got = operator.get(f"/api/v1/files/{file['id']}/content")
    assert got["Content-Disposition"].startswith("attachment")
    assert "sandbox" in got["Content-Security-Policy"]


def test_file_when_somebody_elses_then_404(operator):
    file = send(make_client(make_user("operator")), "mine.txt").json()
    assert operator.get(f"/api/v1/files/{file['id']}").status_code == 404
    assert operator.get(f"/api/v1/files/{file['id']}/content").status_code == 404
    assert operator.delete(f"/api/v1/files/{file['id']}").status_code == 404
    assert operator.get("/api/v1/files").json()["results"] == []


def test_file_when_larger_than_allowed_then_413(operator, settings):
    settings.MAX_UPLOAD_BYTES = 10
    assert send(operator, "a.txt", bytes(1000)).status_code == 413
    assert not Blob.objects.exists()


def test_file_when_no_file_or_no_permission_then_typed(operator):
    assert "file" in operator.post("/api/v1/files", {"x": "y"}).json()["error"]["fields"]
    assert send(make_client(make_user("reviewer")), "a.txt").status_code == 403
    assert operator.post("/api/v1/files", "{}", content_type="application/json").status_code == 415


def test_file_when_its_bytes_are_lost_then_404_and_not_html(operator, settings):
    file = send(operator, "a.txt", b"to be lost").json()
    from django.core.files.storage import default_storage

    default_storage.delete(Blob.objects.get().storage_key)
    answer = operator.get(f"/api/v1/files/{file['id']}/content")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "blob_missing")
