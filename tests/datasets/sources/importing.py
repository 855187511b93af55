"""Imports done in the process of the test."""

from __future__ import annotations

import io
from typing import Any

from datasets.models import DatasetVersion, PreprocessingJob
from datasets.services import import_dataset
from files.models import StoredFile
from files.services import add_file
from jobs.runner import run_job
from tests.datasets.making import make_owner

ROWS = "번호,문장,점수\n1,안녕하세요,0.5\n2,반갑습니다,0.75\n3,고맙습니다,1\n"


def make_file(data: bytes | str = ROWS, name: str = "문장.csv", owner: Any = None) -> StoredFile:
    """Give an uploaded file."""
    content = data.encode() if isinstance(data, str) else data
    return add_file(stream=io.BytesIO(content), name=name, owner=owner or make_owner())


def make_import(data: bytes | str = ROWS, name: str = "문장.csv", **more: Any) -> PreprocessingJob:
    """Give an import of an uploaded file that waits."""
    more = {"dataset": "문장", "actor": make_owner(), **more}
    return import_dataset(kind="file", options={"file": make_file(data, name).pk}, **more)


def work(made: PreprocessingJob) -> DatasetVersion:
    """Do its job here; give the version it makes, whatever became of it."""
    run_job(str(made.job_id))
    made.refresh_from_db()
    made.job.refresh_from_db()
    return DatasetVersion.objects.get(pk=made.version_id)
