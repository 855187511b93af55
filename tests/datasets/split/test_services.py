"""Splits as a job: a new version whose parts carry their split."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from common.errors import Invalid
from datasets.content import local_parts
from datasets.models import DatasetVersion, PreprocessingJob
from datasets.services import split_version
from jobs.models import Job
from jobs.runner import run_job
from tests.datasets.making import make_owner, make_version, rows_of

pytestmark = pytest.mark.django_db


def make_rows(count: int = 400) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": range(count),
            "text": [f"문장 {n % 390}" for n in range(count)],
            "label": [("주문" if n % 4 else None) if n % 3 else "문의" for n in range(count)],
        }
    )


def split(version: DatasetVersion, **options: Any) -> DatasetVersion:
    made = split_version(version=version, actor=make_owner(), **options)
    run_job(str(made.job_id))
    assert Job.objects.get(pk=made.job_id).state == Job.State.SUCCEEDED, Job.objects.get(pk=made.job_id).error
    return DatasetVersion.objects.select_related("preprocessing").get(pk=made.version_id)


def by_split(version: DatasetVersion) -> dict[str, pl.DataFrame]:
    names = dict.fromkeys(version.parts.order_by("number").values_list("split", flat=True))
    return {
        name: pl.concat([pl.read_parquet(part.path) for part in local_parts(version, split=name)]) for name in names
    }


def test_split_when_run_divides_all_rows_and_is_sealed() -> None:
    version = make_version(make_rows(), part_rows=64)
    made = split(version, together=["id"])
    found = by_split(made)
    assert list(found) == ["train", "validation", "test"]
    assert rows_of(made).sort("id").equals(rows_of(version))
    assert all(rows["id"].is_sorted() for rows in found.values())
    assert (made.parent_id, made.rows, made.columns, made.is_sealed) == (version.pk, 400, version.columns, True)
    assert made.preprocessing.kind == PreprocessingJob.Kind.SPLIT
    step, leaks = made.preprocessing.steps.all()
    assert step.report["splits"] == {name: len(rows) for name, rows in found.items()}
    assert leaks.report["leaks"]["column"] == "text"
    assert leaks.report["leaks"]["texts"] > 0


def test_split_when_rows_are_kept_together_leaks_nothing_and_again_gives_the_same() -> None:
    version = make_version(make_rows(), part_rows=100)
    made, again = (split(version, together=["text"], seed=3) for _ in range(2))
    assert made.preprocessing.steps.get(number=1).report["leaks"]["texts"] == 0
    assert made.digest == again.digest
    assert split(version, together=["text"], seed=4).digest != made.digest


def test_split_when_by_class_divides_each_class_exactly() -> None:
    made = split(
        make_version(make_rows(), part_rows=90), stratify="label", together=["id"], shares=[("a", 75), ("b", 25)]
    )
    found = by_split(made)
    for label in ("주문", "문의", None):
        counts = [len(rows.filter(pl.col("label").eq_missing(label))) for rows in found.values()]
        assert abs(counts[0] - 0.75 * sum(counts)) <= 1
    classes = made.preprocessing.steps.get(number=0).report["classes"]
    assert {one["class"] for one in classes} == {"주문", "문의", None}


def test_split_when_there_are_no_rows_is_sealed_without_rows() -> None:
    made = split(make_version(make_rows().clear()))
    assert (made.is_sealed, made.rows) == (True, 0)
    assert rows_of(made).columns == ["id", "text", "label"]


def test_split_when_a_column_has_too_many_classes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.splitting.running.MOST_CLASSES", 5)
    made = split_version(version=make_version(make_rows()), actor=make_owner(), stratify="id")
    run_job(str(made.job_id))
    job = Job.objects.get(pk=made.job_id)
    assert job.state == Job.State.FAILED
    assert "id" in job.error


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"shares": [("train", 100)]}, "shares"),
        ({"shares": [("train", 80), ("test", 10)]}, "shares"),
        ({"shares": [("train", 80), ("train", 20)]}, "shares"),
        ({"shares": [("../etc", 80), ("test", 20)]}, "shares"),
        ({"shares": [("train", float("nan")), ("test", 20)]}, "shares"),
        ({"shares": [("train", 110), ("test", -10)]}, "shares"),
        ({"together": ["nothing"]}, "together"),
        ({"stratify": "nothing"}, "stratify"),
        ({"text": "id"}, "text"),
    ],
)
def test_split_when_something_is_wrong_names_the_field(options: Any, field: str) -> None:
    version = make_version(make_rows(10))
    with pytest.raises(Invalid) as caught:
        split_version(version=version, actor=make_owner(), **options)
    assert list(caught.value.fields) == [field]
    assert version.children.count() == 0
