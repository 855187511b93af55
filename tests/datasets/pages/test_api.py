"""`/api/v1/datasets` and the versions below it."""

from __future__ import annotations

import io
import unicodedata
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from django.test import Client

from datasets.models import Dataset
from datasets.services import begin_version, create_dataset, dataset_named, profile_version
from tests.accounts.making import make_client, patch, post
from tests.datasets.making import make_owner, make_version

pytestmark = pytest.mark.django_db
FRAME = pl.DataFrame({"글": [f"{n}번 손님" for n in range(50)], "값": [None, *range(49)]})


def make_caller(role: str = "operator") -> Client:
    return make_client(make_owner(role, role))


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def address(name: str, number: int, more: str = "") -> str:
    return f"/api/v1/datasets/{quote(name)}/versions/{number}{more}"


def test_datasets_when_made_changed_and_archived_are_told() -> None:
    caller = make_caller()
    words = {
        "name": "맛집 후기",
        "description": "모음",
        "licence": "MIT",
        "tags": ["음식", "국어"],
        "has_personal_data": None,
    }
    made = post(caller, "datasets", words)
    assert made.status_code == 201, made.content
    assert made.json()["tags"] == ["국어", "음식"]
    assert made.json()["has_personal_data"] is None
    where = f"datasets/{quote('맛집 후기')}"
    assert patch(caller, where, {"has_personal_data": True, "tags": []}).json()["tags"] == []
    assert caller.get(f"/api/v1/{where}").json()["has_personal_data"] is True
    assert post(caller, "datasets", words).status_code == 409
    assert post(caller, f"{where}/archive", {"reason": "낡음"}).json()["archived_at"]
    assert post(caller, f"{where}/archive").status_code == 409
    assert caller.get("/api/v1/datasets").json()["results"] == []
    assert len(caller.get("/api/v1/datasets?is_archived=true").json()["results"]) == 1
    assert post(caller, f"{where}/restore").json()["archived_at"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": "가" * 101}, "name"),
        ({"name": "\u202e뒤집힘"}, "name"),
        ({"name": "..."[:2]}, "name"),
        ({"name": "a", "tags": ["x" * 51]}, "tags[0]"),
        ({"name": "a", "tags": ["\u200b"]}, "tags"),
        ({"name": "a", "has_personal_data": "아마"}, "has_personal_data"),
        ({"description": "이름 없음"}, "name"),
    ],
)
def test_datasets_when_a_field_is_wrong_name_it(body: dict[str, Any], field: str) -> None:
    refused = post(make_caller(), "datasets", body)
    assert refused.status_code == 400
    assert field in refused.json()["error"]["fields"]
    assert not Dataset.objects.exists()


def test_datasets_when_searched_are_narrowed() -> None:
    create_dataset(name="하나", actor=None, tags=["음식", "음식점"])
    create_dataset(name="둘", actor=None, description="음식 이야기", has_personal_data=True)
    create_dataset(name="셋", actor=None)
    caller = make_caller("reviewer")

    def names(query: str) -> list[str]:
        return [one["name"] for one in caller.get(f"/api/v1/datasets?{query}").json()["results"]]

    assert names("q=음식") == ["둘", "하나"]
    assert names("tag=음식") == ["하나"]
    assert names("has_personal_data=true") == ["둘"]
    assert names(f"q={quote(unicodedata.normalize('NFD', '음식'))}") == ["둘", "하나"]


def test_versions_when_listed_say_what_made_them() -> None:
    first = make_version(FRAME, "후기")
    make_version(FRAME.head(3), "후기", parent=first, description="앞의 셋")
    begin_version(dataset=first.dataset, actor=None)
    caller = make_caller("auditor")
    found = caller.get(f"/api/v1/datasets/{quote('후기')}/versions").json()["results"]
    assert [(one["version"], one["state"], one["rows"], one["parent"]) for one in found] == [
        (3, "writing", 0, None),
        (2, "sealed", 3, "후기:1"),
        (1, "sealed", 50, None),
    ]
    detail = caller.get(address("후기", 1)).json()
    assert detail["columns"] == [{"name": "글", "type": "text"}, {"name": "값", "type": "integer"}]
    decomposed = address(unicodedata.normalize("NFD", "후기"), 1)
    assert caller.get(decomposed).json()["id"] == detail["id"]
    assert caller.get(address("후기", 9)).status_code == 404


def test_rows_when_paged_and_searched_go_on_by_the_address_they_give() -> None:
    make_version(FRAME, "후기", part_rows=20)
    caller = make_caller("reviewer")
    page = caller.get(address("후기", 1, "/rows?limit=30&columns=값")).json()
    assert page["columns"] == [{"name": "값", "type": "integer"}]
    assert page["rows"][:2] == [{"row": 0, "values": {"값": None}}, {"row": 1, "values": {"값": 0}}]
    assert [row["row"] for row in caller.get(page["next"]).json()["rows"]] == list(range(30, 50))
    found, url = [], address("후기", 1, f"/rows?q={quote('1번')}&limit=2")
    while url:
        answer = caller.get(url).json()
        found += [row["row"] for row in answer["rows"]]
        url = answer["next"]
    assert found == [1, 11, 21, 31, 41]
    refused = caller.get(address("후기", 1, "/rows?column=값&op=gt&value=많이"))
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["value"])


def test_rows_when_values_are_odd_are_still_json() -> None:
    frame = pl.DataFrame(
        {"수": [float("nan"), float("inf"), 1.5], "큰": [2**63 - 1, -(2**63), 0], "글": ["\u2028", "😀", "\x00"]}
    )
    make_version(frame, "odd")
    rows = make_caller().get(address("odd", 1, "/rows")).json()["rows"]
    assert [row["values"]["수"] for row in rows] == ["NaN", "Infinity", 1.5]
    assert rows[0]["values"]["큰"] == 2**63 - 1
    assert rows[2]["values"]["글"] == "\x00"


def test_rows_when_the_version_is_being_written_are_not_ready() -> None:
    begin_version(dataset=dataset_named(name="새것", actor=None), actor=None)
    caller = make_caller()
    assert caller.get(address("새것", 1, "/rows")).json()["error"]["code"] == "not_sealed"
    assert caller.get(address("새것", 1, "/profile")).status_code == 503


def test_profile_when_there_is_one_is_given_whole() -> None:
    version = make_version(FRAME, "후기")
    caller = make_caller()
    early = caller.get(address("후기", 1, "/profile"))
    assert (early.status_code, early.json()["error"]["code"]) == (503, "not_profiled")
    profile_version(version=version)
    found = caller.get(address("후기", 1, "/profile")).json()
    assert found["columns"][1]["missing"] == 1
    assert caller.get(address("후기", 1)).json()["is_profiled"] is True


def test_parts_when_fetched_are_the_rows(tmp_path: Any) -> None:
    rejects = tmp_path / "rejects"
    rejects.write_text("{}\n")
    make_version({"train": FRAME.head(30), "test": FRAME.tail(20)}, "후기", rejected_rows=1, rejects=rejects)
    caller = make_caller()
    parts = caller.get(address("후기", 1, "/parts")).json()
    assert [(one["split"], one["first_row"], one["rows"]) for one in parts] == [("train", 0, 30), ("test", 30, 20)]
    answer = caller.get(address("후기", 1, "/parts/1"), headers={"Range": "bytes=0-3"})
    assert (answer.status_code, content(answer)) == (206, b"PAR1")
    whole = caller.get(address("후기", 1, "/parts/1"))
    assert pl.read_parquet(io.BytesIO(content(whole))).equals(FRAME.tail(20))
    assert content(caller.get(address("후기", 1, "/rejects"))) == b"{}\n"
    assert caller.get(address("후기", 1, "/parts/2")).status_code == 404
    assert make_caller("reviewer").get(address("후기", 1, "/parts/1")).status_code == 403
    make_version(FRAME, "후기")
    assert caller.get(address("후기", 2, "/rejects")).status_code == 404


def test_lists_when_there_is_more_take_no_more_queries(django_assert_max_num_queries: Any) -> None:
    first = make_version(FRAME, "후기")
    for number in range(5):
        create_dataset(name=f"것{number}", actor=None, tags=["하나", "둘"])
        make_version(FRAME.head(number), "후기", parent=first)
    caller = make_caller()
    caller.get("/api/v1/datasets")
    with django_assert_max_num_queries(10):
        caller.get("/api/v1/datasets")
    with django_assert_max_num_queries(10):
        caller.get(f"/api/v1/datasets/{quote('후기')}/versions")
    with django_assert_max_num_queries(10):
        caller.get(address("후기", 1, f"/rows?q={quote('손님')}"))
