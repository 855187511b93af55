"""`/api/v1/recipes`, from the first to the run."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from datasets.models import PreprocessingJob, Recipe
from datasets.previewing import helper
from tests.datasets.making import make_version
from tests.datasets.recipes.making import ONCE, ROWS, TRIM, make_client, make_recipe

pytestmark = pytest.mark.django_db
HOME = "/api/v1/recipes"


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    helper.end()


def call(client: Client, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    send = getattr(client, method)
    answer = send(f"{HOME}{path}", body or {}, content_type="application/json", headers=headers)
    assert answer.status_code == status, answer.content
    return answer


def test_recipe_when_made_changed_and_archived_by_rest_then_its_versions_tell() -> None:
    client = make_client()
    made = call(client, "post", "", {"name": "정리", "steps": [TRIM]}, 201).json()
    assert (made["last_version"], made["steps"]) == (1, [TRIM])
    call(client, "post", "", {"name": "정리"}, 409)
    changed = call(client, "patch", "/정리", {"steps": [TRIM, ONCE], "based_on": 1, "note": "mehr"}).json()
    assert changed["last_version"] == 2
    assert call(client, "patch", "/정리", {"steps": [ONCE], "based_on": 1}, 409).json()["error"]["code"] == "overtaken"
    assert call(client, "patch", "/정리", {"description": "뜻"}).json()["description"] == "뜻"
    decomposed = unicodedata.normalize("NFD", "/정리")
    versions = client.get(f"{HOME}{decomposed}/versions").json()["results"]
    assert [(one["number"], one["note"]) for one in versions] == [(2, "mehr"), (1, "")]
    call(client, "post", "/정리/archive", {"reason": "alt"})
    assert client.get(HOME).json()["results"] == []
    assert client.get(f"{HOME}/정리").json()["archived_at"]
    call(client, "patch", "/정리", {"steps": [ONCE]}, 409)
    call(client, "post", "/정리/restore")


def test_recipe_when_steps_are_wrong_then_400_with_their_places() -> None:
    body = {"name": "a", "steps": [TRIM, {"kind": "drop", "params": {}}]}
    error = call(make_client(), "post", "", body, 400).json()["error"]
    assert list(error["fields"]) == ["steps.1.columns"]


def test_recipe_when_taken_out_as_yaml_and_put_in_elsewhere_then_it_is_the_same() -> None:
    client = make_client()
    make_recipe(name="가")
    answer = client.get(f"{HOME}/가/yaml")
    assert answer["Content-Type"].startswith("application/yaml")
    text = answer.content.decode().replace("name: 가", "name: 나")
    assert call(client, "post", "", {"yaml": text}, 201).json()["steps"] == client.get(f"{HOME}/가").json()["steps"]
    assert call(client, "post", "", {"yaml": text}).json()["last_version"] == 1
    call(client, "post", "", {"yaml": "name: [", "name": "c"}, 400)
    assert client.get(f"{HOME}/가/yaml?version=7").status_code == 404
    assert client.get(f"{HOME}/가/yaml?version=x").status_code == 404


def test_run_when_asked_for_then_202_with_the_job_and_once_a_key() -> None:
    client, version = make_client(), make_version(ROWS)
    make_recipe()
    body = {"dataset": f"{version.dataset.name}:1", "to": "깨끗한 문장"}
    answer = call(client, "post", "/정리/run", body, 202, **{"Idempotency-Key": "k"})
    run = PreprocessingJob.objects.get()
    assert answer["Location"].endswith(str(run.pk))
    assert answer.json()["dataset"] == "깨끗한 문장"
    call(client, "post", "/정리/run", body, 202, **{"Idempotency-Key": "k"})
    call(client, "post", "/정리/run", body, 202)
    assert PreprocessingJob.objects.count() == 1
    call(client, "post", "/정리/run", {**body, "again": True}, 202)
    assert PreprocessingJob.objects.count() == 2
    call(client, "post", "/정리/run", {"dataset": "없다"}, 404)
    call(client, "post", "/정리/run", {**body, "engine": "mars"}, 400)
    call(client, "post", "/정리/run", {**body, "version": 9}, 404)


def test_preview_when_asked_for_then_the_steps_tell_and_nothing_is_kept() -> None:
    version = make_version(ROWS)
    make_recipe()
    seen = call(make_client("auditor"), "post", "/정리/preview", {"dataset": version.dataset.name}).json()
    assert [one["state"] for one in seen["steps"]] == ["done", "done"]
    call(make_client("client"), "post", "/정리/preview", {"dataset": version.dataset.name}, 403)
    assert Recipe.objects.get().last_version == 1


def test_kinds_when_listed_then_each_tells_what_a_form_needs() -> None:
    kinds = make_client().get("/api/v1/recipe-steps").json()["results"]
    assert len(kinds) > 20
    for kind in kinds:
        assert {kind["label"], kind["help"]} != {""}, kind
        assert all(param["label"] for param in kind["params"]), kind


def test_list_when_there_are_many_recipes_then_it_takes_no_more_queries(django_assert_max_num_queries: Any) -> None:
    client = make_client()
    for number in range(12):
        make_recipe(name=f"r{number:02}")
    with django_assert_max_num_queries(8):
        assert len(client.get(HOME).json()["results"]) == 12
