"""Rows of a version by their place, and search in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from django.http import QueryDict
from django.utils.http import urlencode

from common.errors import Invalid, NotReady
from datasets.browsing.asking import Asked, Usual, ask
from datasets.browsing.searching import Found
from datasets.models import DatasetVersion
from datasets.services import begin_version, dataset_named
from tests.datasets.making import make_version

pytestmark = pytest.mark.django_db
ROWS = 100
FRAME = pl.DataFrame(
    {
        "번호": range(ROWS),
        "글": [None if n % 10 == 9 else f"{n}번째 한글 문장, Word {n * 7}" for n in range(ROWS)],
        "점수": [n / 4 for n in range(ROWS)],
        "참": [n % 2 == 0 for n in range(ROWS)],
        "때": [datetime(2026, 1, 1 + n // 24, n % 24, tzinfo=UTC) for n in range(ROWS)],
        "목록": [["가", "나" * 100][: n % 3] for n in range(ROWS)],
    }
)


def asked(version: DatasetVersion, usual: Usual | None = None, **query: Any) -> Asked:
    return ask(version, QueryDict(urlencode(query, doseq=True)), usual or Usual())


def answer(version: DatasetVersion, **query: Any) -> Found:
    return asked(version, **query).answer()


def numbers(found: Found) -> list[int]:
    return [row["row"] for row in found.rows]


def everything(version: DatasetVersion, **query: Any) -> list[int]:
    """Search to the end, a stretch at a time."""
    found: list[int] = []
    place: int | None = 0
    while place is not None:
        step = answer(version, offset=place, **query)
        found += numbers(step)
        place = step.next_place
    return found


@pytest.mark.parametrize("part_rows", [1, 7, 0])
def test_page_when_asked_for_at_any_place_gives_the_rows_there(part_rows: int) -> None:
    version = make_version(FRAME, part_rows=part_rows)
    for place in (0, 5, 6, 7, 93, 99):
        found = answer(version, offset=place, limit=9)
        assert numbers(found) == list(range(place, min(place + 9, ROWS)))
        assert [row["values"]["번호"] for row in found.rows] == numbers(found)
        assert found.next_place == (place + 9 if place + 9 < ROWS else None)
    assert numbers(answer(version, row=100)) == [99]
    assert numbers(answer(version, offset=1000)) == []


def test_page_when_of_a_split_counts_within_it_and_keeps_the_numbers() -> None:
    version = make_version({"train": FRAME.head(80), "test": FRAME.tail(20)}, part_rows=15)
    found = answer(version, split="test", offset=5, limit=3)
    assert (numbers(found), found.total) == ([85, 86, 87], 20)
    assert [row["values"]["번호"] for row in found.rows] == [85, 86, 87]


def test_page_when_texts_are_long_cuts_them() -> None:
    version = make_version(pl.DataFrame({"글": ["가" * 10_000], "목록": [["나" * 500] * 200]}))
    row = answer(version, max_chars=20).rows[0]["values"]
    assert row["글"] == "가" * 21
    assert len(row["목록"]) == 51
    assert row["목록"][0] == "나" * 21


def test_page_when_columns_are_chosen_gives_these_alone_in_that_order() -> None:
    version = make_version(FRAME)
    row = answer(version, columns=["점수", "번호"]).rows[0]["values"]
    assert list(row) == ["점수", "번호"]


def test_page_when_there_are_ten_thousand_columns_gives_the_first() -> None:
    version = make_version(pl.DataFrame({f"열{n}": [n] for n in range(10_000)}))
    assert len(answer(version).rows[0]["values"]) == 100
    assert answer(version, columns="열9999").rows[0]["values"] == {"열9999": 9999}


def test_page_when_a_version_has_no_rows_is_empty() -> None:
    found = answer(make_version(FRAME.head(0)))
    assert (found.rows, found.total, found.next_place) == ([], 0, None)


def test_page_when_a_version_is_still_written_is_refused() -> None:
    version = begin_version(dataset=dataset_named(name="a", actor=None), actor=None)
    with pytest.raises(NotReady):
        answer(version)


SENTENCES = [n for n in range(ROWS) if n % 10 != 9]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({"q": "한글"}, SENTENCES),
        ({"q": "한글 word"}, SENTENCES),
        ({"q": '"문장, word 77"'}, [11]),
        ({"q": "문장 없음"}, []),
        ({"q": "11번째 한글 문장, Word 77", "mode": "exact"}, [11]),
        ({"q": "11번째", "mode": "exact"}, []),
        ({"q": r"^(1|2)번째 .* \d+$", "mode": "regex"}, [1, 2]),
        ({"q": "(", "mode": "contains"}, []),
        ({"q": "한글", "in": ["글"], "column": "번호", "op": "lt", "value": "5"}, [0, 1, 2, 3, 4]),
        ({"column": "점수", "op": "ge", "value": "24"}, [96, 97, 98, 99]),
        ({"column": "번호", "op": "eq", "value": "1,0"}, [10]),
        ({"column": "번호", "op": "ne", "value": "1", "q": "1번째"}, [11, 21, 31, 41, 51, 61, 71, 81, 91]),
        ({"column": "참", "op": "eq", "value": "예", "q": "8번째"}, [8, 18, 28, 38, 48, 58, 68, 78, 88, 98]),
        ({"column": "글", "op": "missing"}, list(range(9, ROWS, 10))),
        ({"column": "글", "op": "present"}, SENTENCES),
        ({"column": "글", "op": "contains", "value": "WORD 7,"}, []),
        ({"column": "글", "op": "contains", "value": "WORD 63"}, [90, 91]),
        ({"column": "때", "op": "lt", "value": "2026-01-01T03:00Z"}, [0, 1, 2]),
        ({"column": "때", "op": "lt", "value": "2026-01-01 12:00"}, [0, 1, 2]),  # of the installation's zone
        ({"column": "때", "op": "le", "value": "2026-01-01T10:00+09:00"}, [0, 1]),
    ],
)
def test_search_when_asked_finds_what_fits(query: dict[str, Any], rows: list[int]) -> None:
    assert everything(make_version(FRAME, part_rows=13), **query) == rows


def test_search_when_more_is_found_than_asked_for_goes_on_behind_the_last() -> None:
    version = make_version(FRAME, part_rows=13)
    found = answer(version, q="한글", limit=4)
    assert (numbers(found), found.searched, found.next_place) == ([0, 1, 2, 3], 4, 4)
    assert everything(version, q="한글", limit=4) == SENTENCES


def test_search_when_of_a_split_counts_within_it() -> None:
    version = make_version({"train": FRAME.head(80), "test": FRAME.tail(20)}, part_rows=15)
    assert everything(version, q="한글", split="test", limit=3) == [n for n in SENTENCES if n >= 80]


def test_search_when_written_in_another_form_of_unicode_finds_it() -> None:
    import unicodedata

    version = make_version(pl.DataFrame({"글": [unicodedata.normalize("NFD", "맛집"), "맛집", "집"]}))
    assert everything(version, q="맛집") == [0, 1]
    assert everything(version, q=unicodedata.normalize("NFD", "맛집")) == [0, 1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"q": "(", "mode": "regex"}, "q"),
        ({"q": r"(\pL{1000}){1000}", "mode": "regex"}, "q"),
        ({"q": r"(?=a)", "mode": "regex"}, "q"),
        ({"q": r"(?:.{0,100}){10}x", "mode": "regex"}, "q"),
        ({"q": "a" * 201}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"q": "a", "mode": "like"}, "mode"),
        ({"q": "a", "in": "번호"}, "in"),
        ({"q": "a", "in": "없는"}, "in"),
        ({"column": "없는", "value": "1"}, "column"),
        ({"column": "번호", "value": "하나"}, "value"),
        ({"column": "번호", "value": "9" * 5000}, "value"),
        ({"column": "때", "value": "어제"}, "value"),
        ({"column": "참", "op": "lt", "value": "예"}, "op"),
        ({"column": "참", "op": "drop table", "value": "예"}, "op"),
        ({"column": "번호", "op": "contains", "value": "1"}, "op"),
        ({"column": "목록", "op": "eq", "value": "1"}, "column"),
        ({"columns": "없는"}, "columns"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "1" * 30}, "offset"),
        ({"row": "0"}, "row"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1000", "max_chars": "1000000"}, "limit"),
        ({"max_chars": "x"}, "max_chars"),
    ],
)
def test_question_when_it_makes_no_sense_names_the_field(query: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        answer(make_version(FRAME), **query)
    assert field in refused.value.fields


def test_search_when_a_pattern_would_explode_elsewhere_ends() -> None:
    version = make_version(pl.DataFrame({"글": ["a" * 100_000 + "!"]}))
    assert everything(version, q=r"^(a+)+$", mode="regex") == []


def test_question_when_a_version_has_many_parts_takes_one_query(django_assert_num_queries: Any) -> None:
    version = make_version(FRAME, part_rows=1)
    with django_assert_num_queries(1):
        answer(version, q="한글")
