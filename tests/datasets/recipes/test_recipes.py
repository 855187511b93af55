"""Recipes as rows: versions, conflicts, what is run once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from django.db import connections

from audit.models import AuditEvent
from common.errors import Conflict, Invalid, NotAllowed, NotReady
from datasets.models import Dataset, DatasetVersion, PreprocessingJob, Recipe, RecipeVersion
from datasets.services import begin_version, dataset_named
from datasets.services import recipes as services
from tests.datasets.making import make_owner, make_version, rows_of
from tests.datasets.recipes.making import ONCE, ROWS, TRIM, make_recipe
from tests.datasets.running.making import work

pytestmark = pytest.mark.django_db
NEW = "새 데이터"


def test_recipe_when_saved_with_other_steps_then_it_has_a_next_version() -> None:
    first = make_recipe(TRIM)
    second = services.save_recipe(recipe=first.recipe, steps=[ONCE], actor=make_owner(), based_on=1, note="하나만")
    assert (second.number, second.note) == (2, "하나만")
    assert services.latest(first.recipe) == second
    assert first.recipe.versions.get(number=1).steps == [TRIM]
    event = AuditEvent.objects.get(action="datasets.recipe_saved")
    assert event.after["steps"] == ["duplicates"]


def test_recipe_when_saved_with_the_same_steps_then_there_is_no_new_version() -> None:
    version = make_recipe(TRIM)
    written_otherwise = [{"kind": "white_space", "params": {"columns": [], "trim": True}}]
    assert services.save_recipe(recipe=version.recipe, steps=written_otherwise, actor=make_owner()) == version
    assert RecipeVersion.objects.count() == 1


def test_recipe_when_somebody_saved_meanwhile_then_conflict_and_nothing_is_lost() -> None:
    recipe = make_recipe(TRIM).recipe
    services.save_recipe(recipe=recipe, steps=[ONCE], actor=make_owner(), based_on=1)
    with pytest.raises(Conflict) as caught:
        services.save_recipe(recipe=recipe, steps=[TRIM, ONCE], actor=make_owner(), based_on=1)
    assert caught.value.code == "overtaken"
    assert services.latest(recipe).steps == [ONCE]


@pytest.mark.django_db(transaction=True)
def test_recipe_when_saved_by_many_at_once_then_one_wins() -> None:
    recipe, owner = make_recipe(TRIM).recipe, make_owner()
    ended: list[str] = []

    def save(number: int) -> None:
        try:
            steps = [TRIM] * (number + 2)
            services.save_recipe(recipe=Recipe.objects.get(pk=recipe.pk), steps=steps, actor=owner, based_on=1)
            ended.append("saved")
        except Conflict:
            ended.append("conflict")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=save, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["conflict"] * 4 + ["saved"]
    assert list(recipe.versions.order_by("number").values_list("number", flat=True)) == [1, 2]


def test_recipe_when_archived_then_it_is_not_changed_until_restored() -> None:
    recipe = make_recipe(TRIM).recipe
    services.archive_recipe(recipe=recipe, actor=make_owner(), reason="alt")
    for verb in (services.archive_recipe, lambda **more: services.save_recipe(steps=[ONCE], **more)):
        with pytest.raises(Conflict) as caught:
            verb(recipe=recipe, actor=make_owner())
        assert caught.value.code == "archived"
    services.restore_recipe(recipe=recipe, actor=make_owner())
    assert services.save_recipe(recipe=recipe, steps=[ONCE], actor=make_owner()).number == 2


def test_recipe_when_its_name_is_taken_then_conflict() -> None:
    make_recipe(name="가")
    with pytest.raises(Conflict):
        make_recipe(name="가")
    with pytest.raises(Conflict):
        services.change_recipe(recipe=make_recipe(name="나").recipe, actor=make_owner(), name="가")


def test_recipe_when_larger_than_yaml_may_be_then_it_is_refused() -> None:
    texts = {f"{n}": "가" * 100 for n in range(900)}
    with pytest.raises(Invalid) as caught:
        make_recipe({"kind": "replace_texts", "params": {"texts": texts}})
    assert caught.value.code == "too_large"


def test_yaml_when_read_twice_then_the_recipe_has_one_version() -> None:
    text = "name: 가져온 것\ndescription: 옛 저장소에서\nsteps:\n- kind: white_space\n"
    first, is_new = services.import_recipe(text=text, actor=make_owner())
    again, is_new_again = services.import_recipe(text=text, actor=make_owner())
    assert (is_new, is_new_again, again) == (True, False, first)
    more, _is_new = services.import_recipe(text=f"{text}- kind: drop\n  params: {{columns: [n]}}\n", actor=make_owner())
    assert more.number == 2
    assert services.import_recipe(text=services.recipe_as_yaml(more), actor=make_owner())[0] == more


def test_yaml_when_a_step_is_wrong_then_its_line_is_told() -> None:
    with pytest.raises(Invalid, match="Line 4"):
        services.import_recipe(text="name: a\nsteps:\n- kind: white_space\n- kind: drop\n", actor=make_owner())
    assert not Recipe.objects.exists()


def test_run_when_asked_for_twice_then_the_same_is_given_until_again() -> None:
    recipe, version, owner = make_recipe(), make_version(ROWS), make_owner()
    run = services.run_recipe(recipe_version=recipe, version=version, actor=owner)
    assert services.run_recipe(recipe_version=recipe, version=version, actor=owner) == run
    made = work(run)
    assert made.rows == 3
    assert services.run_recipe(recipe_version=recipe, version=version, actor=owner) == run
    same_steps = make_recipe(name="다른 이름")
    assert services.run_recipe(recipe_version=same_steps, version=version, actor=owner) == run
    again = services.run_recipe(recipe_version=recipe, version=version, actor=owner, is_again=True)
    assert again != run
    assert work(again).digest == made.digest


def test_run_when_the_one_before_failed_then_a_new_one_begins() -> None:
    recipe, version, owner = make_recipe(), make_version(ROWS), make_owner()
    run = services.run_recipe(recipe_version=recipe, version=version, actor=owner)
    DatasetVersion.objects.filter(pk=run.version_id).update(state=DatasetVersion.State.FAILED)
    assert services.run_recipe(recipe_version=recipe, version=version, actor=owner) != run


def test_run_when_a_target_is_named_then_the_rows_go_there() -> None:
    recipe, version, owner = make_recipe(), make_version(ROWS), make_owner()
    with pytest.raises(NotAllowed):
        services.run_recipe(recipe_version=recipe, version=version, actor=owner, to=NEW, may_add=False)
    run = services.run_recipe(recipe_version=recipe, version=version, actor=owner, to=NEW)
    assert (run.version.dataset.name, run.version.number, run.version.parent) == (NEW, 1, version)


def test_run_when_a_step_cannot_work_then_nothing_is_begun() -> None:
    recipe, version = make_recipe({"kind": "drop", "params": {"columns": ["없는 열"]}}), make_version(ROWS)
    with pytest.raises(Invalid) as caught:
        services.run_recipe(recipe_version=recipe, version=version, actor=make_owner(), to=NEW)
    assert list(caught.value.fields) == ["steps.0.columns"]
    assert DatasetVersion.objects.count() == 1
    assert not Dataset.objects.filter(name=NEW).exists()


def test_run_when_no_step_is_on_then_it_is_refused() -> None:
    recipe = make_recipe({**TRIM, "is_enabled": False})
    with pytest.raises(Invalid) as caught:
        services.run_recipe(recipe_version=recipe, version=make_version(ROWS), actor=make_owner())
    assert caught.value.code == "empty_recipe"


def test_run_when_the_version_is_not_sealed_then_it_waits() -> None:
    version = begin_version(dataset=dataset_named(name="문장", actor=None), actor=None)
    with pytest.raises(NotReady):
        services.run_recipe(recipe_version=make_recipe(), version=version, actor=make_owner())


def test_run_when_the_time_zone_is_another_then_made_again_if_a_step_asks_for_it(settings: Any) -> None:
    hour = {"kind": "derive", "params": {"name": "h", "expression": "hour(t)"}}
    by_clock, trim = make_recipe(hour, name="시각"), make_recipe(TRIM, name="다듬기")
    moments = pl.Series([datetime(2026, 1, 31, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    version, owner = make_version(pl.DataFrame({"t": moments, "text": ["가"]})), make_owner()

    def begun(recipe: RecipeVersion) -> PreprocessingJob:
        return services.run_recipe(recipe_version=recipe, version=version, actor=owner)

    settings.TIME_ZONE = "UTC"
    first, trimmed = begun(by_clock), begun(trim)
    assert rows_of(work(first))["h"].to_list() == [0]
    settings.TIME_ZONE = "Asia/Seoul"
    second = begun(by_clock)
    assert second != first
    assert begun(trim) == trimmed
    assert rows_of(work(second))["h"].to_list() == [9]
    assert begun(by_clock) == second
    settings.TIME_ZONE = "UTC"
    assert begun(by_clock) == first
    PreprocessingJob.objects.filter(pk=first.pk).update(options={})  # as runs of older code, which were of UTC
    assert begun(by_clock) == first
    settings.TIME_ZONE = "Asia/Seoul"
    third = services.run_recipe(recipe_version=by_clock, version=version, actor=owner, is_again=True)
    settings.TIME_ZONE = "UTC"
    work(third)
    assert third.options["time_zone"] == "UTC"
