"""Pages of datasets and versions: what they say, to whom, and in how many queries."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from datasets.models import Dataset, DatasetVersion
from datasets.services import archive_dataset, begin_version, create_dataset, dataset_named, profile_version
from files.services import store
from tests.admin.making import log_in
from tests.datasets.making import make_owner, make_version

pytestmark = pytest.mark.django_db
LIST = reverse("admin:datasets_dataset_changelist")
ROWS = 60
FRAME = pl.DataFrame(
    {
        "번호": range(ROWS),
        "후기": [f"{n}번째 손님: 국물이 진하고 고기가 많아요" for n in range(ROWS)],
        "별점": [None if n % 4 == 0 else n % 5 + 1 for n in range(ROWS)],
        "날짜": [date(2026, 1, 1) + timedelta(days=n) for n in range(ROWS)],
        "낱말": [["국물", "고기"][: n % 3] for n in range(ROWS)],
        "가게": ["한 집"] * ROWS,
    }
)


def page(row: Dataset | DatasetVersion, role: str = "operator", query: str = "", language: str = "en") -> str:
    url = reverse(f"admin:datasets_{row._meta.model_name}_change", args=[row.pk])
    return log_in(role, f"{role}-{row.pk}-{query}"[-100:], language).get(f"{url}{query}").content.decode()


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def of(version: DatasetVersion, name: str, *more: Any) -> str:
    return reverse(f"admin:datasets_datasetversion_{name}", args=[version.pk, *more])


def make_profiled(frame: pl.DataFrame = FRAME, **more: Any) -> DatasetVersion:
    version = make_version(frame, **more)
    profile_version(version=version)
    return version


def test_list_when_there_are_datasets_shows_what_they_hold() -> None:
    make_profiled(dataset="맛집 후기")
    create_dataset(name="빈 것", actor=None, description="아직 없음", tags=["국어", "연습"], licence="CC-BY-4.0")
    create_dataset(name="사람들", actor=None, has_personal_data=True)
    html = log_in("operator").get(LIST).content.decode()
    assert "3 datasets" in html
    for said in ("맛집 후기", ">60<", "3 warnings", "아직 없음", "국어", "CC-BY-4.0", "personal data", "no rows yet"):
        assert said in html, said


def test_list_when_searched_and_filtered_narrows() -> None:
    create_dataset(name="하나", actor=None, tags=["후기", "음식"])
    create_dataset(name="둘", actor=None, description="음식 이야기")
    archived = archive_dataset(dataset=create_dataset(name="셋", actor=None), actor=None)
    client = log_in("operator")
    text = client.get(f"{LIST}?q=음식").content.decode()
    assert "하나" in text
    assert "둘" in text
    assert "둘" not in client.get(f"{LIST}?tag=후기").content.decode()
    assert archived.name not in client.get(LIST).content.decode().split("result_list")[1]
    assert archived.name in client.get(f"{LIST}?archived=1").content.decode()


def test_list_when_empty_says_how_to_begin() -> None:
    html = log_in("operator").get(LIST).content.decode()
    assert "import_dataset reviews.csv --name reviews" in html


def test_dataset_when_made_described_archived_and_restored_keeps_what_was_said() -> None:
    client = log_in("operator")
    words = {
        "name": "후기",
        "description": "모은 글",
        "tags": "국어, 후기",
        "licence": "MIT",
        "has_personal_data": "no",
    }
    assert client.post(reverse("admin:datasets_dataset_add"), words).status_code == 302
    dataset = Dataset.objects.get(name="후기")
    assert (dataset.licence, dataset.has_personal_data) == ("MIT", False)
    assert [str(tag) for tag in dataset.tags.all()] == ["국어", "후기"]
    verb = {
        one: reverse("admin:datasets_dataset_do", args=[dataset.pk, one]) for one in ("describe", "archive", "restore")
    }
    assert "모은 글" in client.get(verb["describe"]).content.decode()
    assert client.post(verb["describe"], words | {"tags": "국어", "has_personal_data": ""}).status_code == 302
    assert client.post(verb["archive"], {"reason": "낡음"}).status_code == 302
    dataset.refresh_from_db()
    assert dataset.archived_at
    assert dataset.has_personal_data is None
    assert "is archived" in page(dataset)
    assert client.post(verb["restore"], {"reason": "다시"}).status_code == 302
    assert "There is a dataset" in client.post(reverse("admin:datasets_dataset_add"), words).content.decode()


def test_dataset_page_when_there_are_versions_shows_what_made_them() -> None:
    first = make_profiled(dataset="후기")
    make_version(FRAME.head(10), "후기", parent=first)
    html = page(first.dataset)
    assert "후기 v2: 10 rows, 6 columns" in html
    assert of(first, "change") in html


def test_version_page_when_profiled_answers_what_is_in_here() -> None:
    html = page(make_profiled())
    assert "문장 v1: 60 rows, 6 columns, 3 warnings" in html
    assert "25\u00a0% of “별점” is missing." in html
    assert "“번호” names the rows" in html
    assert "1 column is the same in every row: 가게." in html
    assert "1번째 손님: 국물이 진하고" in html
    assert "dt-null" in html
    assert '<span class="fm-chip">국물</span>' in html


def test_version_page_when_not_profiled_yet_follows_the_job() -> None:
    version = make_version(FRAME)
    html = page(version)
    assert f'data-live="{of(version, "profile")}"' in html
    assert "1번째 손님" in html
    client = log_in("operator")
    assert "X-Live-Done" not in client.get(of(version, "profile")).headers
    profile_version(version=version)
    response = client.get(of(version, "profile"))
    assert response.headers["X-Live-Done"] == "1"
    assert "별점" in response.content.decode()


def test_version_page_when_being_written_or_failed_says_so() -> None:
    version = begin_version(dataset=dataset_named(name="새것", actor=None), actor=None)
    assert "is being made" in page(version)
    DatasetVersion.objects.filter(pk=version.pk).update(state="failed")
    assert "was not made" in page(version, "reviewer")


def test_version_page_when_rows_are_searched_shows_what_fits() -> None:
    version = make_profiled()
    html = page(version, query="?q=17번째")
    assert "<b data-count>1</b>" in html
    assert "all 60 rows searched" in html
    assert of(version, "row", 18) in html
    assert "No row fits." in page(version, query="?q=없는말")
    assert "26 to 50 of 60" in page(version, query="?offset=25")
    assert "51 to 60 of 60" in page(version, query="?row=51")
    assert "pattern cannot be read" in page(version, query="?q=(&mode=regex")
    assert "There are no rows from there on." in page(version, query="?row=999")


def test_search_when_gone_on_with_gives_the_next_lines() -> None:
    version = make_profiled(FRAME, part_rows=20)
    told = log_in("operator").get(of(version, "rows") + "?q=손님&offset=30").json()
    assert told["html"].count("<tr>") == 25
    assert told["next"] == "?q=%EC%86%90%EB%8B%98&offset=55"
    assert told["said"] == "55 of 60 rows searched"
    wrong = log_in("reviewer").get(of(version, "rows") + "?column=없는")
    assert (wrong.status_code, "error" in wrong.json()) == (400, True)


def test_version_page_when_wide_shows_some_columns_and_the_way_to_others() -> None:
    version = make_profiled(pl.DataFrame({f"열{n}": [n, n + 1] for n in range(600)}))
    html = page(version)
    assert "588 more columns are not shown" in html
    assert "1 to 25 of 600" in html
    assert "열599" in page(version, query="?columns=열599")
    assert "26 to 50 of 600" in page(version, query="?from_column=25")
    assert len(html) < 400_000


def test_row_page_when_opened_shows_the_row_whole() -> None:
    version = make_version(pl.DataFrame({"글": ["가" * 5000, "<script>alert(1)</script>"], "값": [None, 1.5]}))
    client = log_in("operator")
    html = client.get(of(version, "row", 1)).content.decode()
    assert "가" * 5000 in html
    assert "missing" in html
    assert "&lt;script&gt;alert(1)" in client.get(of(version, "row", 2)).content.decode()
    assert client.get(of(version, "row", 3)).status_code == 404


def test_column_page_when_opened_says_what_the_values_are_like() -> None:
    version = make_profiled()
    client = log_in("operator")
    for place, said in ((1, "Hangul"), (2, "25 %"), (3, "2026-03-01"), (4, "Entries"), (5, "한 집")):
        html = client.get(of(version, "column", place)).content.decode()
        assert said in html, (place, said)
        assert log_in("auditor", f"ko-{place}", "ko").get(of(version, "column", place)).status_code == 200
    assert client.get(of(version, "column", 6)).status_code == 404


def test_downloads_when_asked_for_are_parts_and_rejects(tmp_path: Any) -> None:
    rejects = tmp_path / "rejects"
    rejects.write_text('{"line": 3}\n')
    version = make_version(FRAME, "맛집", rejected_rows=1, rejects=rejects)
    client = log_in("operator")
    part = client.get(of(version, "part", 0))
    assert pl.read_parquet(io.BytesIO(content(part))).equals(FRAME)
    assert "attachment" in part.headers["Content-Disposition"]
    assert content(client.get(of(version, "rejects"))) == b'{"line": 3}\n'
    assert client.get(of(version, "part", 7)).status_code == 404
    assert log_in("reviewer").get(of(version, "part", 0)).status_code == 403


def test_pages_when_somebody_may_not_see_data_are_refused() -> None:
    version = make_profiled()
    client = Client()
    client.force_login(make_owner("아무개", "client"))
    for url in (of(version, "rows"), of(version, "row", 1), of(version, "column", 0), of(version, "profile")):
        assert client.get(url).status_code in (302, 403)
    assert log_in("reviewer").get(of(version, "row", 1)).status_code == 200


def test_pages_when_there_is_more_take_no_more_queries(django_assert_max_num_queries: Any) -> None:
    client = log_in("operator")
    for number in range(6):
        version = make_profiled(dataset="후기", part_rows=5)
        create_dataset(name=f"것{number}", actor=None, tags=["하나", f"둘{number}"])
    for url in (LIST, of(version, "change"), reverse("admin:datasets_dataset_change", args=[version.dataset_id])):
        client.get(url)
        with django_assert_max_num_queries(24):
            assert client.get(url).status_code == 200


def test_profile_when_the_blob_is_replaced_leaves_one_reference() -> None:
    version = make_profiled()
    first = version.profile
    profile_version(version=version)
    assert first
    assert version.profile
    version.profile.refresh_from_db()
    assert version.profile.references == 1
    assert store(io.BytesIO(b"other")).references == 0


def test_pages_when_names_and_values_are_hostile_show_them_as_text() -> None:
    evil = "\"><script>alert(1)</script>'{{7*7}}&=#?/../"
    frame = pl.DataFrame({evil: [evil, f"javascript:{evil}"] * 15, "목록": [[evil], []] * 15})
    version = make_profiled(frame, dataset="악의")
    client = log_in("operator")
    urls = [of(version, "change"), of(version, "column", 0), of(version, "row", 1)]
    urls.append(of(version, "change") + f"?{urlencode({'q': evil, 'column': evil, 'value': evil, 'columns': evil})}")
    for url in urls:
        html = client.get(url).content.decode()
        assert "<script>alert(1)" not in html, url
        assert "&lt;script&gt;alert(1)" in html, url
    told = client.get(of(version, "rows") + f"?{urlencode({'columns': evil})}").json()
    assert "<script>" not in told["html"]


def test_pages_when_the_address_is_nonsense_are_no_error_of_ours() -> None:
    version = make_profiled()
    client = log_in("operator")
    client.raise_request_exception = False
    for more in ("columns/('Hangul', 0.9)", "rows/x/", "parts/-1/", "columns/99999999999999999999/", "rows/0/"):
        answer = client.get(of(version, "change").replace("change/", more), follow=True)
        assert answer.status_code in (200, 404), more
