"""Searches through MLflow's calls, the same on each database."""

from __future__ import annotations

import base64
from datetime import timedelta
from itertools import product
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.mlflow import searching
from registry.models import ModelVersion, RegisteredModel
from registry.services import set_tag
from tests.mlflow.calls import Mlflow, make_caller, make_rows

pytestmark = pytest.mark.django_db

NAMES = ("Intent", "intent", "intent_2", "의도", "100p", "a.b")


@pytest.fixture
def mlflow() -> Mlflow:
    return make_caller()


@pytest.fixture
def models(mlflow: Mlflow) -> Mlflow:
    for name in NAMES:
        tags = {"Intent": "Prod", "intent": "prod", "의도": "시험 [*]?\\"}
        given = [{"key": "stage", "value": tags[name]}] if name in tags else []
        mlflow("POST", "registered-models/create", name=name, tags=given)
    return mlflow


def names(mlflow: Mlflow, **said: Any) -> list[str]:
    found = mlflow("GET", "registered-models/search", **said)["registered_models"]
    return [model["name"] for model in found]


MODEL_SEARCHES: dict[str, set[str]] = {
    "name = 'intent'": {"intent"},
    "name = 'INTENT'": set(),
    "name != 'intent'": set(NAMES) - {"intent"},
    "name LIKE 'intent%'": {"intent", "intent_2"},
    "name LIKE 'Intent%'": {"Intent"},
    "name LIKE 'intent__'": {"intent_2"},
    "name LIKE '%%%n%t%_'": {"intent_2", "Intent", "intent"},
    "name LIKE '_도'": {"의도"},
    "name LIKE '*'": set(),
    "name LIKE '[Ii]ntent'": set(),
    "name LIKE 'a.b'": {"a.b"},
    "name ILIKE 'INTENT'": {"intent", "Intent"},
    "name ILIKE 'INT%'": {"intent", "Intent", "intent_2"},
    "name IN ('intent', '의도', 'nothing')": {"intent", "의도"},
    "name NOT IN ('intent', '의도')": set(NAMES) - {"intent", "의도"},
    "tags.stage = 'prod'": {"intent"},
    "tags.stage != 'prod'": {"Intent", "의도"},
    "tag.`stage` LIKE 'pr%'": {"intent"},
    "tags.stage ILIKE 'pr%'": {"intent", "Intent"},
    "tags.stage LIKE '%[*]?\\'": {"의도"},
    "tags.stage ILIKE '%[*]?\\'": {"의도"},
    "tags.stage LIKE '%\\%'": {"의도"},
    "tags.Stage = 'prod'": set(),
    "tags.nothing != 'x'": set(),
    "tags.nothing = 'x'": set(),
    "tag.`mlflow.prompt.is_prompt` != 'true'": set(NAMES),
    "tag.`mlflow.prompt.is_prompt` = 'false'": set(NAMES),
    "tag.`mlflow.prompt.is_prompt` = 'true'": set(),
    "tag.`mlflow.prompt.is_prompt` != 'false'": set(),
    "name LIKE 'i%' AND tags.stage = 'prod' AND tag.`mlflow.prompt.is_prompt` != 'true'": {"intent"},
}


def test_models_when_searched_then_those_that_fit(models: Mlflow) -> None:
    assert {text: set(names(models, filter=text)) for text in MODEL_SEARCHES} == MODEL_SEARCHES


def test_models_when_ordered_then_in_that_order_and_by_name_without_one(models: Mlflow) -> None:
    by_name = names(models)
    assert set(by_name) == set(NAMES)
    assert names(models, order_by=["name DESC"]) == by_name[::-1]
    assert names(models, order_by=["creation_timestamp"]) == list(NAMES)
    assert names(models, order_by=["creation_timestamp DESC", "name ASC"]) == list(NAMES)[::-1]
    RegisteredModel.objects.update(updated_at=timezone.now())
    assert names(models, order_by=["last_updated_timestamp DESC"]) == by_name


def test_models_when_searched_then_the_newest_versions_are_those_of_each(mlflow: Mlflow) -> None:
    for name in ("a", "b"):
        for _ in range(2):
            mlflow.version(name)
    found = mlflow("GET", "registered-models/search")["registered_models"]
    assert [[(one["name"], one["version"]) for one in model["latest_versions"]] for model in found] == [
        [("a", "2")],
        [("b", "2")],
    ]


@pytest.mark.parametrize("order", [[], ["name DESC"], ["creation_timestamp"], ["last_updated_timestamp DESC", "name"]])
def test_models_when_paged_then_each_once_and_none_that_came_meanwhile_shifts_them(
    models: Mlflow, order: list[str]
) -> None:
    whole, seen, token = names(models, order_by=order), [], ""
    while True:
        said = {"max_results": 2, "order_by": order, **({"page_token": token} if token else {})}
        page = models("GET", "registered-models/search", **said)
        seen += [model["name"] for model in page["registered_models"]]
        if not seen[2:]:
            RegisteredModel.objects.filter(name=seen[0]).delete()
        if not (token := page["next_page_token"]):
            break
    assert seen == whole


VERSIONS = (
    {"source": "s3://Bucket/a", "run_id": "run1", "tags": [{"key": "k", "value": "v"}]},
    {"source": "s3://bucket/a", "run_id": "Run1"},
    {"source": "s3://bucket/b_c", "run_id": ""},
)


@pytest.fixture
def versions(mlflow: Mlflow) -> Mlflow:
    for one in VERSIONS:
        mlflow.version("m", **one)
    mlflow.version("other", source="s3://bucket/a", run_id="run1")
    return mlflow


def numbers(mlflow: Mlflow, **said: Any) -> list[str]:
    found = mlflow("GET", "model-versions/search", **said)["model_versions"]
    return [f"{one['name']}{one['version']}" for one in found]


VERSION_SEARCHES: dict[str, set[str]] = {
    "name = 'm'": {"m1", "m2", "m3"},
    "name != 'm'": {"other1"},
    "name LIKE 'M%'": set(),
    "name ILIKE 'M%'": {"m1", "m2", "m3"},
    "name IN ('m', 'other') AND version_number = 1": {"m1", "other1"},
    "name NOT IN ('m')": {"other1"},
    "name = 'nothing'": set(),
    "run_id = 'run1'": {"m1", "other1"},
    "run_id != 'run1' AND name = 'm'": {"m2", "m3"},
    "run_id IN ('run1', 'Run1')": {"m1", "m2", "other1"},
    "run_id NOT IN ('run1', 'Run1')": {"m3"},
    "run_id ILIKE 'RUN_'": {"m1", "m2", "other1"},
    "source_path = 's3://bucket/a'": {"m2", "other1"},
    "source_path LIKE 's3://bucket/%'": {"m2", "m3", "other1"},
    "source_path LIKE '%/b_c'": {"m3"},
    "version_number > 1": {"m2", "m3"},
    "version_number >= 2 AND version_number < 3": {"m2"},
    "version_number <= 1": {"m1", "other1"},
    "version_number != 1": {"m2", "m3"},
    "version_number = 99999999999999999": set(),
    "version_number < 99999999999999999": {"m1", "m2", "m3", "other1"},
    "version_number > -5": {"m1", "m2", "m3", "other1"},
    "tags.k = 'v'": {"m1"},
    "tags.k != 'v'": set(),
    "tags.k != 'w'": {"m1"},
    "tags.`mlflow.prompt.is_prompt` != 'true'": {"m1", "m2", "m3", "other1"},
    "tags.k LIKE '_'": {"m1"},
}


def test_versions_when_searched_then_those_that_fit(versions: Mlflow) -> None:
    assert {text: set(numbers(versions, filter=text)) for text in VERSION_SEARCHES} == VERSION_SEARCHES


@pytest.mark.parametrize("few", [0, 1000])
def test_versions_when_searched_by_source_then_the_same_ones_be_they_few_or_many(
    mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(searching, "FEW", few)
    long = "s3://길/" + "경로/" * 40
    for end in ("[*]a", "[*]A", "b"):
        mlflow.version("m", source=f"{long}{end}")
    mlflow.version("other", source=f"{long}b")
    found = {
        text: numbers(mlflow, filter=text, order_by=["version_number"], max_results=10)
        for text in (
            f"name = 'm' AND source_path = '{long}b'",
            f"source_path = '{long}b'",
            f"name = 'm' AND source_path LIKE '{long}[*]%'",
            f"name = 'm' AND source_path LIKE '{long}_*]a'",
            "name = 'm' AND source_path LIKE 's3://길/경%b'",
            "source_path LIKE 's3://길/경%' AND source_path LIKE '%A'",
            f"name = 'm' AND source_path IN ('{long}b', '{long}[*]A', 'x')",
            f"name = 'm' AND source_path != '{long}b'",
            "name = 'm' AND source_path LIKE 'S3%'",
            "name = 'm' AND source_path ILIKE 'S3%'",
        )
    }
    expected = [["m3"], ["other1", "m3"], ["m1", "m2"], ["m1"], ["m3"], ["m2"], ["m2", "m3"], ["m1", "m2"], [],
                ["m1", "m2", "m3"]]  # fmt: skip
    assert list(found.values()) == expected


def test_versions_when_ordered_then_last_changed_first_without_an_order(versions: Mlflow) -> None:
    assert numbers(versions) == ["other1", "m3", "m2", "m1"]
    versions("PATCH", "model-versions/update", name="m", version="2", description="x")
    assert numbers(versions) == ["m2", "other1", "m3", "m1"]
    assert numbers(versions, order_by=["name", "version_number DESC"]) == ["m3", "m2", "m1", "other1"]
    assert numbers(versions, order_by=["version_number", "name DESC"]) == ["other1", "m1", "m2", "m3"]
    assert numbers(versions, order_by=["creation_timestamp ASC"]) == ["m1", "m2", "m3", "other1"]
    now = timezone.now()
    ModelVersion.objects.update(updated_at=now)
    assert numbers(versions) == ["m3", "m2", "m1", "other1"]
    ModelVersion.objects.filter(model__name="other").update(updated_at=now - timedelta(microseconds=1))
    assert numbers(versions, order_by=["last_updated_timestamp"]) == ["other1", "m3", "m2", "m1"]


def test_versions_when_paged_then_each_once(versions: Mlflow) -> None:
    ModelVersion.objects.update(updated_at=timezone.now())
    orders: tuple[list[str], ...] = ([], ["version_number"], ["last_updated_timestamp", "name DESC"])
    for text, order in product(("", "name = 'm'", "name LIKE '%'"), orders):
        whole, seen, token = numbers(versions, filter=text, order_by=order), [], ""
        for _ in range(10):
            said = {"filter": text, "order_by": order, "max_results": 1, **({"page_token": token} if token else {})}
            page = versions("GET", "model-versions/search", **said)
            seen += [f"{one['name']}{one['version']}" for one in page["model_versions"]]
            if not (token := page["next_page_token"]):
                break
        assert seen == whole, (text, order)


def test_token_when_it_is_none_of_ours_then_refused(versions: Mlflow) -> None:
    made = [base64.urlsafe_b64encode(text).decode() for text in (b"[]", b'{"a":1}', b'["mark"]')]
    for token in ("x", "가", "AAAA", "A" * 30_000, *made):
        status, code, message = versions.refused("GET", "model-versions/search", {"page_token": token})
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert "token" in message


def test_token_when_of_another_search_or_with_other_values_then_refused(versions: Mlflow) -> None:
    page = versions("GET", "model-versions/search", max_results=1)
    token = page["next_page_token"]
    told = versions.refused("GET", "model-versions/search", {"page_token": token, "filter": "name = 'm'"})
    assert told[2] == "Invalid page token: it belongs to another search."
    mark, *values = orjson.loads(base64.urlsafe_b64decode(token))
    for other in (["x", *values[1:]], [-1, *values[1:]], [2**80, *values[1:]], [True, *values[1:]], values[1:]):
        if any(isinstance(one, int) and one > 2**64 for one in other):
            text = str([mark, *other]).replace("'", '"').encode()
        else:
            text = orjson.dumps([mark, *other])
        forged = base64.urlsafe_b64encode(text).decode()
        assert versions.refused("GET", "model-versions/search", {"page_token": forged})[2] == "Invalid page token."


@pytest.mark.parametrize(("call", "most"), [("registered-models/search", 1000), ("model-versions/search", 200_000)])
def test_page_when_its_size_is_none_then_refused(mlflow: Mlflow, call: str, most: int) -> None:
    told = mlflow.refused("GET", call, {"max_results": most + 1})[2]
    assert told == (
        f"Invalid value for request parameter max_results. It must be at most {most}, but got value {most + 1}"
    )
    for bad in ("0", "-1", "x", "1.5", "9" * 400):
        assert mlflow.refused("GET", call, {"max_results": bad})[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert mlflow("GET", call, max_results=most)["next_page_token"] == ""


def test_get_when_a_model_has_many_versions_then_as_many_queries_as_for_few(mlflow: Mlflow) -> None:
    mlflow.version("m")
    model, counted = RegisteredModel.objects.get(), []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            mlflow("GET", "registered-models/get", name="m")
            mlflow("GET", "registered-models/search")
            mlflow("GET", "model-versions/search", filter="name='m'", max_results=5)
        counted.append(len(queries))
        make_rows(model, 50)
        for version in ModelVersion.objects.order_by("-number")[:3]:
            set_tag(target=version, key="k", value="v", actor=None)
    assert counted[0] == counted[1]


def test_newest_when_the_database_is_asked_then_it_seeks_in_the_index(mlflow: Mlflow) -> None:
    from registry.mlflow.newest import _seeks

    mlflow.version("m")
    model = RegisteredModel.objects.get()
    make_rows(model, 2000)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{_seeks(1)}", [model.pk])
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "registry_version_newest" in plan, plan
