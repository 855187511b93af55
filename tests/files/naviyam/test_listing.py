"""`GET /files` and `GET /files/{name}`: what is found, under which name, by whom."""

from __future__ import annotations

import io
import unicodedata
from urllib.parse import quote

import pytest
from django.test import Client

from files.services import add_file, remove_file
from tests.accounts.making import bearer, make_key, make_user
from tests.files.naviyam.making import basic, make_client, put, whole

pytestmark = pytest.mark.django_db
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(100)


def test_list_when_files_of_many_kinds_then_narrowed_by_folder_type_and_name():
    put("사진.png", b"\x89PNG\r\n\x1a\n")
    put("자료.json", b"{}", folder="데이터/2026")
    put("영상.mp4", MP4, folder="데이터")
    client = make_client()
    told = client.get("/files").json()
    assert [one["path"] for one in told["files"]] == ["데이터/영상.mp4", "데이터/2026/자료.json", "사진.png"]
    assert [one["type"] for one in told["files"]] == ["video/mp4", "application/json", "image/png"]
    assert (told["folders"], told["next"]) == (["데이터"], None)

    def names(query: str) -> list[str]:
        return [one["name"] for one in client.get(f"/files?{query}").json()["files"]]

    assert names("folder=") == ["사진.png"]
    assert names("folder=데이터") == ["영상.mp4"]
    assert names("type=json") == ["자료.json"]
    assert names("type=video/mp4") == ["영상.mp4"]
    assert names("folder=데이터&type=json") == ["자료.json"]
    assert names("search=" + quote(unicodedata.normalize("NFD", "사진"))) == ["사진.png"]
    assert client.get("/files?folder=데이터").json()["folders"] == ["데이터/2026"]


def test_list_when_longer_than_a_page_then_every_file_once():
    for number in range(7):
        put(f"{number}.txt", str(number).encode())
    client, found, url = make_client(), [], "/files?page_size=3"
    while url:
        told = client.get(url).json()
        found += [one["name"] for one in told["files"]]
        url = told["next"]
    assert found == [f"{number}.txt" for number in reversed(range(7))]


@pytest.mark.parametrize("query", ["cursor=x", "page_size=0", "page_size=9999", "type=x", "folder=../x", "folder=%01"])
def test_list_when_asked_for_nonsense_then_400_in_json(query):
    answer = make_client().get(f"/files?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_file_when_its_korean_name_is_composed_or_not_then_found(form):
    put("한글 이름.txt", "안녕".encode(), folder="사진첩")
    path = quote(unicodedata.normalize(form, "사진첩/한글 이름.txt"))
    got = make_client().get(f"/files/{path}")
    assert (got.status_code, whole(got).decode(), got["Content-Type"]) == (200, "안녕", "text/plain; charset=utf-8")
    assert got["Content-Disposition"] == "inline; filename*=utf-8''" + quote("한글 이름.txt")


def test_file_when_asked_under_conditions_then_as_http_says():
    put("a.mp4", MP4)
    client = make_client()
    whole_one = client.get("/files/a.mp4")
    etag, date = whole_one["ETag"], whole_one["Last-Modified"]
    assert client.get("/files/a.mp4", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/files/a.mp4", headers={"If-Modified-Since": date}).status_code == 304
    assert client.get("/files/a.mp4", headers={"If-None-Match": '"x"', "If-Modified-Since": date}).status_code == 200
    some = client.get("/files/a.mp4", headers={"Range": "bytes=4-7", "If-Range": etag})
    assert (some.status_code, whole(some), some["Content-Range"]) == (206, b"ftyp", f"bytes 4-7/{len(MP4)}")
    assert client.get("/files/a.mp4", headers={"Range": "bytes=4-7", "If-Range": '"x"'}).status_code == 200
    many = client.get("/files/a.mp4", headers={"Range": "bytes=0-1,10-11"})
    assert many["Content-Type"].startswith("multipart/byteranges")
    head = client.head("/files/a.mp4")
    assert (head.status_code, head["Content-Length"], whole(head)) == (200, str(len(MP4)), b"")


def test_file_when_somebodys_own_or_in_the_bin_then_404():
    add_file(stream=io.BytesIO(b"mine"), name="mine.txt", owner=make_user("operator"))
    remove_file(stored=put("gone.txt"), actor=make_user("operator"))
    client = make_client()
    for name in ("mine.txt", "gone.txt", "none.txt"):
        answer = client.get(f"/files/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert client.get("/files").json()["files"] == []


@pytest.mark.parametrize("method", ["put", "delete", "patch", "post"])
def test_file_when_another_method_then_405_in_json(method):
    put("a.txt")
    answer = getattr(make_client(), method)("/files/a.txt")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_access_when_key_token_or_session_then_as_their_permissions_say():
    put("a.txt")
    operator, auditor, client_app = make_user("operator"), make_user("auditor"), make_user("client")
    for user, scopes, status in [
        (operator, ("files",), 200), (operator, ("predict",), 403), (auditor, ("read",), 200),
        (client_app, ("files",), 200)
    ]:  # fmt: skip
        key = make_key(user, *scopes)[1]
        assert Client(headers=bearer(key)).get("/files").status_code == status
        assert Client(headers=basic("x", key)).get("/files/a.txt").status_code == status
    browser = Client()
    browser.force_login(operator)
    assert browser.get("/files/a.txt").status_code == 200
    nobody = Client().get("/files")
    assert (nobody.status_code, nobody["WWW-Authenticate"][:5]) == (401, "Basic")


def test_access_when_the_environment_names_nobody_then_no_name_is_good(settings):
    settings.FILES_BASIC_USER = settings.FILES_BASIC_PASSWORD = ""
    for header in (basic("", ""), basic(":", ""), basic()):
        assert Client(headers=header).get("/files").status_code == 401


def test_access_when_the_password_is_guessed_then_locked_out(settings):
    settings.AXES_FAILURE_LIMIT = 3
    for _try in range(3):
        assert Client(headers=basic(password="wrong")).get("/files").status_code == 401
    locked = make_client().get("/files")
    assert (locked.status_code, locked.json()["error"]["code"]) == (429, "locked_out")
    assert int(locked["Retry-After"]) > 0


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + "A" * 9000, "Basic Og==", "Basic /////w=="])
def test_access_when_the_header_is_no_name_and_password_then_401(header):
    assert Client(headers={"Authorization": header}).get("/files").status_code == 401


def test_beginning_when_a_text_is_long_then_only_that_and_in_a_sandbox():
    put("long.txt", "가".encode() * 100_000)
    answer = make_client().get("/files/long.txt?beginning")
    assert len(answer.content) <= 256 * 1024
    assert set(answer.content.decode()) == {"가"}
    assert answer["Content-Security-Policy"].startswith("sandbox;")
