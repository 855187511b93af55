"""`manage.py run_recipe`."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from datasets.models import PreprocessingJob, Recipe
from jobs.following import follow
from jobs.models import Job
from jobs.runner import run_job
from tests.datasets.making import make_version
from tests.datasets.recipes.making import ROWS, make_recipe

CAST = {"kind": "cast", "params": {"columns": ["text"], "to": "integer", "misfit": "fail"}}
HALF = {"kind": "derive", "params": {"name": "n", "expression": "n / 2"}}
TEXT = "name: 파일에서\nsteps:\n- kind: duplicates\n  params: {columns: [text]}\n"


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("run_recipe", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_recipe_when_run_by_name_or_file_twice_then_the_same_version_is_told(tmp_path: Path) -> None:
    make_version(ROWS)
    make_recipe(name="정리")
    first = run("정리", "--dataset", "문장:1")
    assert run("정리", "--dataset", "문장") == first
    assert "문장 v2: writing" in first
    file = tmp_path / "recipe.yaml"
    file.write_text(TEXT, encoding="utf-8-sig")
    assert "새것 v1" in run(file, "--dataset", "문장:1", "--to", "새것")
    assert "새것 v1" in run(file, "--dataset", "문장:1", "--to", "새것")
    assert "새것 v2" in run(file, "--dataset", "문장:1", "--to", "새것", "--again")
    assert Recipe.objects.get(name="파일에서").last_version == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("없다", "--dataset", "문장"), "neither a recipe nor a file"),
        (("정리", "--dataset", "없다"), "no sealed dataset version"),
        (("정리", "--dataset", "문장:9"), "no sealed dataset version"),
        (("정리", "--dataset", "문장", "--user", "아무도"), "no user"),
        (("정리", "--dataset", "문장", "--engine", "ray"), "RAY_ADDRESS"),
    ],
)
def test_recipe_when_something_named_is_not_there_then_a_sentence(arguments: Any, said: str) -> None:
    make_version(ROWS)
    make_recipe(name="정리")
    with pytest.raises(CommandError, match=said):
        run(*arguments)
    assert not PreprocessingJob.objects.exists()


@pytest.mark.django_db
def test_file_when_it_is_no_recipe_then_line_and_place_are_told(tmp_path: Path) -> None:
    make_version(ROWS)
    for content, said in ((b"name: [", "Line"), (b"\xff\xfe", "UTF-8"), (TEXT.replace("text", "nix").encode(), "nix")):
        file = tmp_path / "recipe.yaml"
        file.write_bytes(content)
        with pytest.raises(CommandError, match=said):
            run(file, "--dataset", "문장")


@pytest.mark.django_db
def test_recipe_when_the_newest_version_is_its_own_then_it_is_told_and_not_run_over_again() -> None:
    make_version(ROWS)
    make_recipe(name="정리")
    run("정리", "--dataset", "문장")
    run_job(str(Job.objects.get(kind="datasets.run_recipe").pk))
    assert "문장 v2: sealed, 3 rows" in run("정리", "--dataset", "문장")
    assert "문장 v3: writing" in run("정리", "--dataset", "문장:2")
    Job.objects.all().delete()
    assert "문장 v2: sealed" in run("정리", "--dataset", " 문장 ")
    assert "writing" in run("정리", "--dataset", "문장", "--again")
    make_recipe(CAST, name="다른 것")
    assert "writing" in run("다른 것", "--dataset", "문장")


@pytest.mark.django_db
def test_recipe_when_the_newest_version_is_its_own_by_another_calendar_then_it_runs_over_the_rows_before(
    settings: Any,
) -> None:
    make_version(ROWS)
    make_recipe(HALF, name="정리")
    run("정리", "--dataset", "문장")
    run_job(str(Job.objects.get(kind="datasets.run_recipe").pk))
    settings.TIME_ZONE = "UTC"
    assert "문장 v3: writing" in run("정리", "--dataset", "문장")
    assert PreprocessingJob.objects.get(version__number=3).version.parent.number == 1


@pytest.mark.django_db(transaction=True)
def test_run_when_waited_for_then_the_last_line_tells_the_rows() -> None:
    make_version(ROWS)
    make_recipe(name="정리")

    said: list[str] = []

    def wait() -> None:
        said.append(run("정리", "--dataset", "문장", "--wait"))
        connections.close_all()

    terminal = threading.Thread(target=wait)
    terminal.start()
    while not (job := Job.objects.filter(kind="datasets.run_recipe").first()):
        time.sleep(0.05)
    run_job(str(job.pk))
    terminal.join()
    assert said[0].splitlines()[-1] == "문장 v2: sealed, 3 rows"


@pytest.mark.django_db(transaction=True)
def test_run_when_waited_for_and_it_fails_then_the_command_fails() -> None:
    make_version(ROWS)
    make_recipe(CAST, name="정리")
    run("정리", "--dataset", "문장")
    job = Job.objects.get(kind="datasets.run_recipe")
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED, error="Step 1", active_key=None)
    job.refresh_from_db()
    with pytest.raises(CommandError, match="Step 1"):
        follow(job, io.StringIO())
