"""Recipes run in the process of the test."""

from __future__ import annotations

from typing import Any

import polars as pl

from datasets.models import DatasetVersion, PreprocessingJob, RecipeVersion
from datasets.services.recipes import create_recipe, run_recipe
from jobs.runner import run_job
from tests.datasets.making import make_owner, make_version

STEPS = [
    {"kind": "normalise", "params": {"columns": ["text"], "form": "NFKC"}},
    {"kind": "duplicates", "params": {"columns": ["text"]}},
]


def make_recipe(steps: Any = None, name: str = "정리") -> RecipeVersion:
    """Give the first version of a recipe."""
    return create_recipe(name=name, steps=steps or STEPS, actor=make_owner())


def make_run(
    frame: pl.DataFrame | None = None, steps: Any = None, *, part_rows: int = 0, name: str = "정리", **more: Any
) -> PreprocessingJob:
    """Give a run that waits."""
    rows = frame if frame is not None else sentences(60)
    version = make_version(rows, f"문장 {name}", part_rows=part_rows)
    return run_recipe(recipe_version=make_recipe(steps, name), version=version, actor=make_owner(), **more)


def sentences(rows: int) -> pl.DataFrame:
    """Give Korean rows, each text three times in other forms."""
    forms = ("문장 {}", "문장\u00a0{}", "문장 {}")
    return pl.DataFrame({"text": [forms[n % 3].format(n // 3) for n in range(rows)], "n": range(rows)})


def work(run: PreprocessingJob) -> DatasetVersion:
    """Do its job here; give the version it makes, whatever became of it."""
    run_job(str(run.job_id))
    run.refresh_from_db()
    return DatasetVersion.objects.get(pk=run.version_id)
