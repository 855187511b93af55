"""Columns whose names are patterns to Polars get other names, and lose nothing on the way."""

from __future__ import annotations

import io
from typing import Any

import orjson
import polars as pl
import pytest
from django.http import QueryDict

from datasets.browsing.asking import Usual, ask
from datasets.models import DatasetVersion, VersionDifference
from datasets.services import compare_versions, profile_of, profile_version, start_export
from files.models import StoredFile
from files.services import open_blob
from jobs.runner import run_job
from tests.datasets.making import make_owner, rows_of
from tests.datasets.sources.importing import make_import, work

pytestmark = pytest.mark.django_db
SOURCES = ("*", "^n$", "n", "^.*$", "^목록$", "^__row$")
NAMES = ("column", "n", "n_2", ".", "목록", "row")
ROWS = [(f"글 {n}", n, n * 10, n / 4, ["가", "나"], None) for n in range(6)]
WANTED = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def make_rows(rows: Any = ROWS) -> DatasetVersion:
    lines = b"\n".join(orjson.dumps(dict(zip(SOURCES, row, strict=True))) for row in rows)
    made = make_import(lines, "a.jsonl")
    version = work(made)
    assert version.is_sealed, made.job.error
    return version


def exported(version: DatasetVersion, kind: str) -> bytes:
    job = start_export(version=version, format=kind, actor=make_owner())
    run_job(str(job.pk))
    job.refresh_from_db()
    with open_blob(StoredFile.objects.get(pk=job.result["file"]).blob) as stream:
        return stream.read()


def test_names_that_are_patterns_when_imported_profiled_shown_and_exported_lose_nothing() -> None:
    version = make_rows()
    assert rows_of(version).to_dicts() == WANTED
    profile_version(version=version)
    version.refresh_from_db()
    found = [(one["name"], one.get("values", {}).get("most")) for one in (profile_of(version) or {})["columns"]]
    assert found == list(zip(NAMES, (None, 5, 50, 1.25, None, None), strict=True))
    shown = ask(version, QueryDict("column=n&op=ge&value=4"), Usual()).answer()
    assert [row["values"] for row in shown.rows] == WANTED[4:]
    assert [orjson.loads(line) for line in exported(version, "jsonl").splitlines()] == WANTED
    assert pl.read_csv(io.BytesIO(exported(version, "csv"))).columns == list(NAMES)
    assert pl.read_parquet(io.BytesIO(exported(version, "parquet"))).to_dicts() == WANTED


def test_names_that_are_patterns_when_two_versions_are_compared_tell_what_changed() -> None:
    before, after = make_rows(), make_rows([*ROWS[:5], ("다른 글", *ROWS[5][1:])])
    asked = compare_versions(before=before, after=after, actor=make_owner(), key="n")
    run_job(str(asked.job_id))
    summary = VersionDifference.objects.get(pk=asked.pk).summary
    assert (summary["changed"], summary["same"], summary["by_column"]) == (1, 5, {"column": 1})
