"""The pages of recipes: who may do what, and what they tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion, PreprocessingJob, Recipe
from datasets.previewing import helper
from datasets.services import recipes as services
from tests.admin.making import log_in
from tests.datasets.making import make_owner, make_version
from tests.datasets.recipes.making import ONCE, ROWS, TRIM, make_recipe
from tests.datasets.running.making import work

pytestmark = pytest.mark.django_db


def url(page: str, recipe: Recipe) -> str:
    return reverse(f"admin:datasets_recipe_{page}", args=[recipe.pk])


def send(client: Client, page: str, recipe: Recipe, body: Any, status: int = 200) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = client.post(url(page, recipe), text, content_type="application/json")
    assert answer.status_code == status
    return answer.json() if status == 200 else None


def test_pages_when_opened_by_roles_then_only_some_may_change_and_run() -> None:
    recipe = make_recipe().recipe
    for role, seen, writes in (("operator", 200, 200), ("reviewer", 200, 403), ("auditor", 200, 403)):
        client = log_in(role)
        for page in ("change", "versions", "yaml"):
            assert client.get(url(page, recipe)).status_code == seen, (role, page)
        assert client.get(url("run", recipe)).status_code == writes
        assert client.get(reverse("admin:datasets_recipe_new")).status_code == writes
        send(client, "save", recipe, {"steps": [TRIM], "based_on": 1, "note": ""}, status=writes)
        assert client.post(url("versions", recipe), {"number": 1}).status_code == (302 if writes == 200 else 403)
        assert client.post(url("yaml", recipe), {"yaml": "x"}).status_code == writes
    client = log_in("client")
    for page in ("change", "versions", "yaml", "run"):
        assert client.get(url(page, recipe)).status_code == 302
    send(client, "preview", recipe, {}, status=302)
    assert log_in("operator", "two").get(url("save", recipe)).status_code == 405


def test_steps_when_saved_by_the_editor_then_errors_come_back_as_data() -> None:
    recipe, client = make_recipe().recipe, log_in("operator")
    assert send(client, "save", recipe, {"steps": [TRIM], "based_on": 1, "note": "kürzer"}) == {"number": 2}
    late = send(client, "save", recipe, {"steps": [ONCE], "based_on": 1, "note": ""})
    assert (late["error"]["code"], late["last"]) == ("overtaken", 2)
    wrong = send(client, "save", recipe, {"steps": [{"kind": "drop"}], "based_on": 2, "note": ""})
    assert list(wrong["error"]["fields"]) == ["steps.0.columns"]
    for body in ("", "[", "[]", "{}", '{"steps": {}}', {"steps": [], "based_on": True, "note": ""}, '{"steps": [NaN]}'):
        assert send(client, "save", recipe, body)["error"]["message"], body
    assert recipe.versions.count() == 2


def test_preview_when_asked_for_by_the_editor_then_it_answers_or_says_why_not() -> None:
    recipe, client, version = make_recipe().recipe, log_in("auditor"), make_version(ROWS)
    body = {"version": str(version.pk), "steps": [TRIM], "selected": 0}
    assert send(client, "preview", recipe, body)["steps"][0]["state"] == "done"
    for odd in ("", "x", "0" * 32, str(recipe.pk)):
        assert send(client, "preview", recipe, {**body, "version": odd})["error"]["code"] == "no_version"
    DatasetVersion.objects.filter(pk=version.pk).update(state="failed")
    assert send(client, "preview", recipe, body)["error"]["code"] == "no_version"
    helper.end()


def test_recipe_when_made_on_its_page_then_from_nothing_ready_or_yaml() -> None:
    client, version, new = log_in("operator"), make_version(ROWS), reverse("admin:datasets_recipe_new")
    assert "needs a name" in client.post(new, {}).content.decode()
    answer = client.post(new, {"name": "가", "begin": "clean", "version": str(version.pk)})
    made = Recipe.objects.get(name="가")
    assert answer.url == f"{reverse('admin:datasets_recipe_change', args=[made.pk])}?version={version.pk}"
    assert services.latest(made).steps[-1]["params"]["column"] == "text"
    assert "already" in client.post(new, {"name": "가"}).content.decode()
    assert "Line " in client.post(new, {"yaml": "name: ["}).content.decode()
    client.post(new, {"yaml": "name: 나\nsteps: []\n"})
    assert Recipe.objects.filter(name="나").exists()


def test_versions_when_there_are_several_then_each_shows_its_lines_and_can_come_back() -> None:
    recipe, client = make_recipe(TRIM).recipe, log_in("operator")
    services.save_recipe(recipe=recipe, steps=[TRIM, ONCE], actor=make_owner())
    html = client.get(url("versions", recipe)).content.decode()
    assert "<ins>+ - kind: duplicates</ins>" in html
    client.post(url("versions", recipe), {"number": "1"})
    recipe.refresh_from_db()
    assert (recipe.last_version, services.latest(recipe).steps) == (3, [TRIM])
    for odd in ("9", "x", "", "٣"):
        assert client.post(url("versions", recipe), {"number": odd}).status_code == 404
    assert client.get(f"{url('versions', recipe)}?before=2").content.decode().count("fm-card") == 1


def test_yaml_when_changed_on_its_page_then_a_version_or_the_line() -> None:
    recipe, client = make_recipe(TRIM).recipe, log_in("operator")
    text = client.get(f"{url('yaml', recipe)}?as=file").content.decode()
    client.post(url("yaml", recipe), {"yaml": text.replace("\n", "\r\n") + "- kind: shuffle\r\n"})
    assert [one["kind"] for one in services.latest(Recipe.objects.get()).steps] == ["white_space", "shuffle"]
    html = client.post(url("yaml", recipe), {"yaml": text + "- kind: nix<script>\n"}).content.decode()
    assert "Line 5" in html
    assert "nix<script>" not in html


def test_run_when_begun_on_its_page_then_its_job_and_once() -> None:
    recipe, version, client = make_recipe().recipe, make_version(ROWS), log_in("operator")
    page = url("run", recipe)
    assert "cannot work" not in client.get(f"{page}?version={version.pk}").content.decode()
    body = {"version": str(version.pk), "engine": "local", "to": "새것"}
    answer = client.post(page, body)
    run = PreprocessingJob.objects.get()
    assert answer.url == reverse("admin:datasets_preprocessingjob_change", args=[run.pk])
    work(run)
    assert client.post(page, body).url == answer.url
    assert PreprocessingJob.objects.count() == 1
    other = make_version(ROWS.rename({"text": "질문"}), "다른 문장")
    assert "cannot work" in client.get(f"{page}?version={other.pk}").content.decode()
    assert "질문" in client.post(page, {**body, "version": str(other.pk)}).content.decode()
    assert "새것 v1" in client.get(reverse("admin:datasets_recipe_change", args=[recipe.pk])).content.decode()


def test_editor_when_texts_look_like_markup_then_they_stay_texts() -> None:
    bad = "</script><script>alert(1)</script>"
    recipe = make_recipe({"kind": "constant", "params": {"name": "a", "value": bad}, "note": bad}, name="줄").recipe
    html = log_in("operator").get(url("change", recipe)).content.decode()
    assert bad not in html
    assert services.recipe_as_yaml(services.latest(recipe))


def test_recipe_when_archived_then_its_page_says_so_and_takes_nothing() -> None:
    recipe, client = make_recipe().recipe, log_in("operator")
    services.archive_recipe(recipe=recipe, actor=make_owner())
    html = client.get(url("change", recipe)).content.decode()
    assert "archived" in html
    assert '"canChange": false' in html
    assert send(client, "save", recipe, {"steps": [TRIM], "based_on": 1, "note": ""})["error"]["code"] == "archived"
    assert str(recipe) not in client.get(reverse("admin:datasets_recipe_changelist")).content.decode()
