"""What is kept comes back as it was, and what differs stays apart: the same on all three databases."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations
from typing import Any

import pytest
from django.db import DataError, IntegrityError, transaction

from guards.models import Stamp
from jobs.models import Job
from registry.models import RegisteredModel
from tests.accounts.making import make_client, make_user

pytestmark = pytest.mark.django_db

ALIKE = [
    "abc", "ABC", "Abc", "abc ", " abc", "abc\t", "ａｂｃ", "e", "é", "e\u0301", "ss", "ß", "i", "I", "ı", "İ", "😀",
    "😂", "👍", "👍🏽", "가", "각", "ᄀ", "ㄱ", unicodedata.normalize("NFD", "가"), "a\u200db", "ab", "1", "１", "_",
    "%", "\\", "'", '"',
]  # fmt: skip


def test_names_when_they_differ_in_anything_then_all_are_kept_and_each_finds_itself() -> None:
    RegisteredModel.objects.bulk_create([RegisteredModel(name=name) for name in ALIKE])
    for name in ALIKE:
        assert [found.name for found in RegisteredModel.objects.filter(name=name)] == [name]
    assert RegisteredModel.objects.filter(name__in=ALIKE).values("name").distinct().count() == len(ALIKE)
    assert len(list(combinations(ALIKE, 2))) > 500


def test_name_when_it_is_the_same_then_refused() -> None:
    RegisteredModel.objects.create(name="가 😀")
    with pytest.raises(IntegrityError), transaction.atomic():
        RegisteredModel.objects.create(name="가 😀")


@pytest.mark.parametrize("taken_apart", [True, False])
def test_name_when_written_in_either_normal_form_then_one_thing(taken_apart: bool) -> None:
    client = make_client(make_user("administrator"))
    name = unicodedata.normalize("NFD", "모델") if taken_apart else "모델"
    assert client.post("/api/v1/models", {"name": name}, content_type="application/json").status_code == 201
    assert client.get("/api/v1/models/모델").json()["name"] == "모델"
    assert client.post("/api/v1/models", {"name": "모델"}, content_type="application/json").status_code == 409


@pytest.mark.parametrize(
    ("text", "status"), [("가" * 100, 201), ("가" * 101, 400), ("😀" * 101, 400), ("a" * 101, 400)]
)
def test_name_when_near_its_limit_then_counted_in_characters(text: str, status: int) -> None:
    client = make_client(make_user("administrator"))
    assert client.post("/api/v1/models", {"name": text}, content_type="application/json").status_code == status


@pytest.mark.parametrize("text", ["가" * 100, "😀" * 100, "\u0301" * 100])
def test_column_when_filled_with_characters_of_many_bytes_then_counted_in_characters(text: str) -> None:
    RegisteredModel.objects.create(name=text)
    assert RegisteredModel.objects.get(name=text).name == text


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 31, 9, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=9))),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
        datetime(1000, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_moment_when_kept_then_the_same_to_the_microsecond(moment: datetime) -> None:
    job = Job.objects.create(kind="x", payload={}, lease_until=moment)
    assert Job.objects.get(lease_until=moment, pk=job.pk).lease_until == moment
    assert Job.objects.filter(pk=job.pk, lease_until__gt=moment - timedelta(microseconds=1)).exists()
    assert not Job.objects.filter(pk=job.pk, lease_until__gt=moment).exists()


@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_number_when_large_then_exact(value: int) -> None:
    Stamp.objects.create(name="n", value=value)
    assert Stamp.objects.get(name="n", value=value).value == value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
def test_number_when_too_large_then_refused(value: int) -> None:
    with pytest.raises((OverflowError, DataError)), transaction.atomic():
        Stamp.objects.create(name="n", value=value)


@pytest.mark.parametrize(
    "value",
    [
        {}, [], None, "", 0, False, {"": ""}, {"가": ["😀", "\u2028", '"\\/\b\f\n\r\t']}, {"a": {"b": [{"c": [[]]}]}},
        0.1, 1e15, 5e-324, -0.5, 2**53 + 1, 2**63, -(10**30), "e\u0301", {"b": 1, "a": 2, "Ab": 3}, "x" * 100_000,
    ],
)  # fmt: skip
def test_json_when_kept_then_the_same(value: Any) -> None:
    job = Job.objects.create(kind="x", payload={"value": value}, lease_until=datetime(2026, 1, 1, tzinfo=UTC))
    assert Job.objects.get(pk=job.pk).payload == {"value": value}
