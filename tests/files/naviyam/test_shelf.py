"""The shelf: one file a place, the page for people, uploads in pieces, settings that would open it."""

from __future__ import annotations

import io
import json

import pytest
from django.test import Client

from common.errors import Conflict
from files.models import StoredFile
from files.services import add_file, change_file, publish_file, remove_file, restore_file, shelf
from files.services.shelf import numbered
from flueman.checks import check_files_password
from tests.accounts.making import make_user
from tests.files.naviyam.making import PASSWORD, basic, make_client, put

pytestmark = pytest.mark.django_db(transaction=True)


def test_change_when_the_place_is_taken_then_conflict_and_when_free_then_found_there():
    actor, first, second = make_user("operator"), put("a.txt", b"1"), put("b.txt", b"2")
    with pytest.raises(Conflict):
        change_file(stored=second, actor=actor, name="a.txt")
    change_file(stored=second, actor=actor, folder="새 폴더")
    assert make_client().get("/files/새 폴더/b.txt").status_code == 200
    assert make_client().get("/files/b.txt").status_code == 404
    assert change_file(stored=first, actor=actor, name="a.json").content_type == "application/json"


def test_restore_when_the_name_was_taken_in_the_meantime_then_numbered():
    actor, first = make_user("operator"), put("a.txt", b"1")
    remove_file(stored=first, actor=actor)
    put("a.txt", b"2")
    assert restore_file(stored=first, actor=actor).shelf_path == "a (2).txt"


def test_publish_when_somebodys_own_then_a_copy_of_the_name_only():
    owner = make_user("operator")
    own = add_file(stream=io.BytesIO(b"mine"), name="a.txt", owner=owner, folder="내 것")
    public = publish_file(stored=own, actor=owner)
    assert (public.shelf_path, public.owner, public.blob_id) == ("내 것/a.txt", shelf(), own.blob_id)
    own.refresh_from_db()
    assert (own.shelf_path, own.owner) == (None, owner)


@pytest.mark.parametrize(
    ("name", "second"), [("a.txt", "a (2).txt"), ("a", "a (2)"), (".env", ".env (2)"), ("a.tar.gz", "a.tar (2).gz")]
)
def test_numbered_when_a_name_has_an_ending_then_before_it(name, second):
    assert numbered(name, 2) == second


def test_page_when_opened_then_shows_folders_files_and_the_tree_of_json():
    put("가게.json", '{"이름": "<b>행복</b>", "빈 것": []}'.encode(), folder="보기")
    put("x.html", b"<script>alert(1)</script>")
    client = make_client()
    top = client.get("/files_html").content.decode()
    assert "보기" in top
    assert "x.html" in top
    assert "media-src 'self'" in client.get("/files_html")["Content-Security-Policy"]
    one = client.get("/files_html", {"file": "보기/가게.json"}).content.decode()
    assert "&lt;b&gt;행복&lt;/b&gt;" in one
    viewer = client.get("/files_html", {"file": "x.html"}).content.decode()
    assert '<iframe sandbox=""' in viewer
    assert "alert(1)" not in viewer
    assert client.get("/files_html", {"file": "none"}).status_code == 404
    assert client.get("/files_html", {"cursor": "x"}).status_code == 400


def test_page_when_nobody_is_known_then_asks_or_leads_to_the_log_in(settings):
    asked = Client().get("/files_html?folder=a")
    assert (asked.status_code, asked["WWW-Authenticate"][:5]) == (401, "Basic")
    settings.FILES_BASIC_PASSWORD = ""
    led = Client().get("/files_html?folder=a")
    assert (led.status_code, led["Location"]) == (302, "/admin/login/?next=%2Ffiles_html%3Ffolder%3Da")


def test_pieces_when_sent_from_the_page_then_on_the_shelf_and_only_with_the_token_of_forms():
    client = Client(enforce_csrf_checks=True, headers=basic())
    told = {"name": "큰.bin", "size_bytes": 4, "folder": "올린 것", "is_temporary": True}
    body = {"data": json.dumps(told), "content_type": "application/json"}
    assert client.post("/files_html/uploads/", **body).status_code == 403
    client.get("/files_html")
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    begun = client.post("/files_html/uploads/", **body, headers=token).json()
    piece = {"content_type": "application/offset+octet-stream", "headers": token | {"Upload-Offset": "0"}}
    done = client.patch(begun["url"], b"1234", **piece).json()
    assert (done["state"], StoredFile.objects.get().shelf_path) == ("done", "올린 것/큰.bin")
    stranger = Client(headers=basic(password="x"))
    assert stranger.get(begun["url"]).status_code == 401
    browser = Client()
    browser.force_login(make_user("reviewer"))
    assert browser.get(begun["url"]).status_code == 403


@pytest.mark.parametrize(
    ("user", "password", "is_production", "ids"),
    [("", "", True, []), ("a", "", False, ["flueman.E040"]), ("a:b", "x" * 20, False, ["flueman.E040"]),
     ("a", "short", False, []), ("a", "short", True, ["flueman.E041"]),
     ("a", "please change me now!", True, ["flueman.E041"]),
     ("a", PASSWORD, True, [])],
)  # fmt: skip
def test_check_when_the_password_is_weak_then_production_does_not_start(settings, user, password, is_production, ids):
    settings.FILES_BASIC_USER, settings.FILES_BASIC_PASSWORD, settings.IS_PRODUCTION = user, password, is_production
    assert [found.id for found in check_files_password()] == ids
