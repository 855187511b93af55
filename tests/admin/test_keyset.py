"""Lists paged by key: every row once, in both directions, never a count."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.services import record
from tests.admin.making import log_in, make_person, make_session

LIST = "admin:accounts_session_changelist"
LINK = re.compile(r'href="([^"]+)" rel="(next|prev)"')


def links(html: str) -> dict[str, str]:
    return {rel: url.replace("&amp;", "&") for url, rel in LINK.findall(html)}


def rows(html: str) -> list[str]:
    return re.findall(r"10\.\d+\.\d+\.\d+", html)


def make_sessions(count: int) -> list[str]:
    user = make_person("operator", "somebody")
    made = [f"10.0.{number // 250}.{number % 250}" for number in range(count)]
    for address in made:
        make_session(user, address=address)
    return made[::-1]


@pytest.mark.django_db
def test_keyset_list_when_walked_shows_every_row_once_in_both_directions() -> None:
    wanted = make_sessions(130)
    client, url = log_in("administrator"), reverse(LIST)
    seen, pages = [], []
    html = client.get(url).content.decode()
    while True:
        seen += rows(html)
        pages.append(rows(html))
        if "next" not in links(html):
            break
        html = client.get(url + links(html)["next"]).content.decode()
    assert seen == wanted
    back = []
    while "prev" in links(html):
        html = client.get(url + links(html)["prev"]).content.decode()
        back.append(rows(html))
    assert back == pages[-2::-1]


@pytest.mark.django_db
def test_keyset_list_when_opened_never_counts_and_never_skips() -> None:
    make_sessions(60)
    client = log_in("administrator")
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse(LIST))
    said = [query["sql"].upper() for query in captured]
    counted = [sql for sql in said if "COUNT(" in sql]  # one's own sessions, and in the sidebar what waits, at most
    assert all("USER_ID" in sql or "REGISTRY_APPROVALREQUEST" in sql for sql in counted)
    assert not any("OFFSET" in sql for sql in said)


@pytest.mark.django_db
def test_keyset_list_when_filtered_keeps_the_filter_on_the_next_page() -> None:
    user = make_person("operator", "other")
    make_sessions(60)
    for _ in range(60):
        make_session(user, address="10.9.9.9")
    client, url = log_in("administrator"), reverse(LIST)
    html = client.get(f"{url}?user__id__exact={user.pk}").content.decode()
    second = client.get(url + links(html)["next"]).content.decode()
    assert set(rows(html)) == set(rows(second)) == {"10.9.9.9"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "cursor", ["older-nonsense", "newer-1", "older-", "7", "older-00000000-0000-0000-0000-000000000000"]
)
def test_keyset_list_when_the_cursor_is_nonsense_still_answers(cursor: str) -> None:
    make_sessions(2)
    response = log_in("administrator").get(reverse(LIST), {"p": cursor}, follow=True)
    assert response.status_code == 200


@pytest.mark.django_db
def test_audit_list_when_it_is_long_reads_one_page() -> None:
    make_person("operator", "x")
    for _ in range(150):
        record(action="files.file_added", actor="somebody")
    client = log_in("auditor")
    with CaptureQueriesContext(connection) as captured:
        html = client.get(reverse("admin:audit_auditevent_changelist")).content.decode()
    assert html.count('class="data-row') == 50
    assert len(captured) <= 13
