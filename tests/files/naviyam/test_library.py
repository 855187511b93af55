"""The media library of the back office: whose files it shows, and what it costs."""

from __future__ import annotations

import io

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from files.models import Upload
from files.services import add_file, remove_file
from tests.accounts.making import make_user
from tests.files.naviyam.making import put

pytestmark = pytest.mark.django_db
LIBRARY = "/admin/files/storedfile/library/"


@pytest.fixture
def operator():
    return make_user("operator")


@pytest.fixture
def browser(operator):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(operator)
    return client


def test_library_when_opened_then_ones_own_the_shelf_or_the_bin(operator, browser):
    add_file(stream=io.BytesIO(b"1"), name="mine.txt", owner=operator, folder="data")
    add_file(stream=io.BytesIO(b"2"), name="others.txt", owner=make_user("operator"))
    remove_file(stored=add_file(stream=io.BytesIO(b"3"), name="old.txt", owner=operator), actor=operator)
    public = put("public.txt", b"4")
    shown = {place: browser.get(LIBRARY, {"place": place}).content.decode() for place in ("mine", "shelf", "bin", "?")}
    assert "data" in shown["mine"]
    assert "mine.txt" in browser.get(LIBRARY, {"folder": "data"}).content.decode()
    assert "public.txt" in shown["shelf"]
    assert "old.txt" in shown["bin"]
    assert not any("others.txt" in page for page in shown.values())
    chosen = browser.get(LIBRARY, {"place": "shelf", "file": str(public.pk)}).content.decode()
    assert f"/admin/files/storedfile/{public.pk}/do/remove/" in chosen
    assert browser.get(LIBRARY, {"file": "none"}).status_code == 200
    assert browser.get(LIBRARY, {"cursor": "none"}).status_code == 200


def test_library_when_there_are_more_files_then_no_more_queries(browser):
    counts = []
    for some in (range(2), range(2, 12)):
        for number in some:
            put(f"{number}.txt", str(number).encode())
        browser.get(LIBRARY, {"place": "shelf"})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            browser.get(LIBRARY, {"place": "shelf"})
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_upload_when_meant_for_the_shelf_then_only_by_who_may(browser):
    body = {"data": '{"name": "a", "size_bytes": 0, "is_public": true}', "content_type": "application/json"}
    assert browser.post("/admin/files/storedfile/pieces/", **body).status_code == 201
    assert Upload.objects.get().file.shelf_path == "a"
    reviewer = Client()
    reviewer.force_login(make_user("reviewer"))
    assert reviewer.post("/admin/files/storedfile/pieces/", **body).status_code == 403
