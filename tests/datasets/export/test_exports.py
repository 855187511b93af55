"""Exports: bytes that other programs read, as a file of somebody's or in a place of this machine."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from django.core.management import CommandError, call_command

from common.errors import Invalid
from datasets.models import DatasetVersion
from datasets.services import change_dataset, start_export
from files.models import StoredFile
from files.services import open_blob, set_quota
from jobs.models import Job
from jobs.runner import run_job
from tests.datasets.making import make_owner, make_version

pytestmark = pytest.mark.django_db
ROWS = pl.DataFrame(
    {
        "id": pl.Series([1, 2, 3, 4], dtype=pl.UInt64),
        "글": ['=HYPERLINK("http://x")', '둘째, "따옴표"\r\n줄', None, ""],
        "score": [1.5, float("nan"), float("-inf"), None],
        "is_good": [True, False, None, True],
        "day": [date(2026, 1, 2), None, None, None],
        "at": pl.Series([datetime(2026, 1, 2, 3, 4, 5, 6, UTC), None, None, None], dtype=pl.Datetime("us", "UTC")),
        "took": pl.Series([timedelta(seconds=90), None, None, None], dtype=pl.Duration("us")),
        "tags": [["가", None], [], None, ['"']],
    }
)


def export(version: DatasetVersion, kind: str, owner: Any = None, **options: Any) -> tuple[StoredFile, bytes]:
    job = start_export(version=version, format=kind, actor=owner or make_owner(), **options)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    stored = StoredFile.objects.select_related("blob").get(pk=job.result["file"])
    assert stored.owner_id == job.created_by_id
    with open_blob(stored.blob) as stream:
        return stored, stream.read()


def test_csv_when_exported_is_rfc_4180_and_runs_nothing_in_a_spreadsheet() -> None:
    stored, data = export(make_version(ROWS, part_rows=2), "csv")
    assert stored.name == "문장-v1.csv"
    lines = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert lines[0] == ROWS.columns
    assert lines[1] == [
        "1", '\'=HYPERLINK("http://x")', "1.5", "true", "2026-01-02", "2026-01-02T03:04:05.000006Z", "90.0",
        '["가",null]',
    ]  # fmt: skip
    assert lines[2][1] == '둘째, "따옴표"\r\n줄'
    assert [line[1] for line in lines[3:]] == ["", ""]
    assert data.count(b"\r\n") == 6
    assert b'4,"",' in data


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠a"])
def test_csv_when_a_text_or_a_name_is_a_formula_has_a_quote_before_it(text: str) -> None:
    version = make_version(pl.DataFrame({"a": [text, "안전"], text: [-1, 2]}))
    _stored, data = export(version, "csv", has_bom=True)
    assert data.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert lines == [["a", f"'{text}"], [f"'{text}", "-1"], ["안전", "2"]]
    _stored, raw = export(version, "csv", is_guarded=False)
    assert list(csv.reader(io.StringIO(raw.decode(), newline="")))[1][0] == text


def test_jsonl_when_exported_is_an_object_a_line() -> None:
    _stored, data = export(make_version(ROWS, part_rows=3), "jsonl")
    first, second, third, _last = [json.loads(line) for line in data.splitlines()]
    assert first["at"] == "2026-01-02T03:04:05.000006Z"
    assert (first["took"], first["tags"]) == (90.0, ["가", None])
    assert second["글"] == '둘째, "따옴표"\r\n줄'
    assert (second["score"], third["score"], third["글"]) == (None, None, None)


def test_parquet_when_exported_is_one_file_with_the_same_rows() -> None:
    _stored, data = export(make_version(ROWS, part_rows=1), "parquet")
    assert pl.read_parquet(io.BytesIO(data)).equals(ROWS)


def test_parquet_when_there_are_no_rows_has_the_columns() -> None:
    _stored, data = export(make_version(ROWS.clear()), "parquet")
    assert pl.read_parquet(io.BytesIO(data)).columns == ROWS.columns
    _stored, text = export(make_version(ROWS.clear()), "csv")
    assert text.decode().strip() == ",".join(ROWS.columns)


def test_splits_when_exported_are_a_file_each_and_one_of_them_is_one_file() -> None:
    version = make_version({"train": ROWS[:3], "test": ROWS[3:]}, part_rows=2)
    stored, data = export(version, "csv")
    assert stored.name == "문장-v1.csv.zip"
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["train.csv", "test.csv"]
    stored, data = export(version, "jsonl", split="test")
    assert (stored.name, len(data.splitlines())) == ("문장-v1-test.jsonl", 1)
    stored, data = export(version, "parquet_parts", split="train")
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.namelist() == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]


def test_huggingface_when_exported_has_a_card_and_the_parts_of_each_split() -> None:
    version = make_version({"train": ROWS[:3], "test": ROWS[3:]}, part_rows=2)
    change_dataset(dataset=version.dataset, actor=None, licence="CC-BY-4.0", description="고객 문장", tags=["한국어"])
    version.dataset.refresh_from_db()
    _stored, data = export(version, "huggingface")
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.namelist() == [
        "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet",
        "README.md",
    ]  # fmt: skip
    _empty, head, text = archive.read("README.md").decode().split("---\n", 2)
    told = yaml.safe_load(head)
    assert (told["license"], told["language"], told["size_categories"], told["tags"]) == (
        "cc-by-4.0", ["ko"], ["n<1K"], ["한국어"],
    )  # fmt: skip
    assert [(one["name"], one["num_examples"]) for one in told["dataset_info"]["splits"]] == [("train", 3), ("test", 1)]
    assert {one["name"]: one.get("dtype") or one["sequence"] for one in told["dataset_info"]["features"]} == {
        "id": "uint64", "글": "string", "score": "float64", "is_good": "bool", "day": "date32",
        "at": "timestamp[us, tz=UTC]", "took": "duration[us]", "tags": "string",
    }  # fmt: skip
    assert "고객 문장" in text


def test_export_when_asked_for_twice_is_one_job_while_it_waits() -> None:
    version, owner = make_version(ROWS), make_owner()
    first, same = (start_export(version=version, format="csv", actor=owner) for _ in range(2))
    other = start_export(version=version, format="csv", has_bom=True, actor=owner)
    assert first.pk == same.pk != other.pk


def test_export_when_there_is_no_room_for_the_person_ends_with_a_sentence() -> None:
    version, owner = make_version(ROWS), make_owner()
    set_quota(user=owner, max_bytes=10, actor=None)
    job = start_export(version=version, format="csv", actor=owner)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert job.error
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    ("options", "field"), [({"format": "pickle"}, "format"), ({"format": "csv", "split": "x"}, "split")]
)
def test_export_when_something_is_wrong_names_the_field(options: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        start_export(version=make_version(ROWS), actor=make_owner(), **options)
    assert list(caught.value.fields) == [field]


def test_command_when_run_twice_leaves_the_same_files_and_none_of_before(tmp_path: Path, capsys: Any) -> None:
    make_version({"train": ROWS[:3], "test": ROWS[3:]}, part_rows=1)
    make_version(ROWS)
    folder = tmp_path / "hub"
    for name in ("문장:1", "문장:1", "문장"):
        call_command("export_dataset", name, str(folder), "--format", "huggingface")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    assert names == ["data/train-00000-of-00001.parquet"]
    assert "4 rows" in capsys.readouterr().out.splitlines()[-1]
    call_command("export_dataset", "문장", str(tmp_path / "one.parquet"), "-n", "1", "--split", "train")
    assert pl.read_parquet(tmp_path / "one.parquet").equals(ROWS[:3])


def test_command_when_a_folder_holds_other_things_leaves_them_alone(tmp_path: Path) -> None:
    make_version(ROWS)
    (tmp_path / "mine.txt").write_text("내 것")
    with pytest.raises(CommandError, match="not empty"):
        call_command("export_dataset", "문장", str(tmp_path), "--format", "huggingface")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(CommandError, match="없는것"):
        call_command("export_dataset", "없는것", str(tmp_path / "x"))
