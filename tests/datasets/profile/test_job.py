"""The job and the command that profile a version."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from common.errors import NotReady
from datasets.models import DatasetVersion
from datasets.services import begin_version, dataset_named, profile_of, profile_version
from datasets.services.profiles import PROFILE
from files.models import Blob
from jobs.models import Job
from jobs.runner import run_job
from tests.datasets.making import make_version

pytestmark = pytest.mark.django_db(transaction=True)
FRAME = pl.DataFrame({"질문": [f"{n}번 질문" for n in range(40)], "답": [None] * 10 + ["네", "아니요"] * 15})


def test_job_when_a_version_is_sealed_is_asked_for_once_and_keeps_what_it_finds() -> None:
    version = make_version(FRAME, "상담", part_rows=9)
    job = Job.objects.get(kind=PROFILE)
    run_job(str(job.pk))
    job.refresh_from_db()
    version.refresh_from_db()
    assert (job.state, job.progress) == (Job.State.SUCCEEDED, 100), job.error
    assert version.summary["warnings"] == 1
    assert version.summary["findings"][0]["code"] == "missing"
    found = profile_of(version)
    assert found
    assert found["columns"][1]["missing"] == 10


def test_job_when_bytes_of_a_part_are_lost_fails_with_a_sentence_and_the_version_stays_sealed() -> None:
    from django.core.files.storage import default_storage

    version = make_version(FRAME, "상담")
    part = version.parts.get()
    default_storage.delete(part.blob.storage_key)
    job = Job.objects.get(kind=PROFILE)
    run_job(str(job.pk))
    job.refresh_from_db()
    version.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "lacks the bytes" in job.error
    assert version.is_sealed
    assert version.profile is None


def test_profile_when_made_again_replaces_the_old_one() -> None:
    version = make_version(FRAME, "상담")
    for _again in range(3):
        profile_version(version=version)
    assert Blob.objects.get(pk=version.profile_id).references == 1
    assert DatasetVersion.objects.get().digest == version.digest


def test_profile_when_the_version_is_not_sealed_is_refused() -> None:
    version = begin_version(dataset=dataset_named(name="새것", actor=None), actor=None)
    with pytest.raises(NotReady):
        profile_version(version=version)


@translation.override("en")
def test_command_when_run_twice_sums_up_both_times(capsys: Any) -> None:
    make_version(FRAME.head(5), "상담")
    make_version(FRAME, "상담")
    for _again in range(2):
        call_command("profile_dataset", "상담")
        *findings, last = capsys.readouterr().out.strip().splitlines()
        assert re.sub(r"\x1b\[\d*m", "", last) == "상담 v2: 40 rows, 2 columns, 1 warning"
        assert findings == ["- 25\u00a0% of “답” is missing."]
    call_command("profile_dataset", "상담", "--version", "1")
    assert "상담 v1: 5 rows" in capsys.readouterr().out


def test_command_when_there_is_no_such_version_says_so() -> None:
    make_version(FRAME, "상담")
    with pytest.raises(CommandError, match="상담:7"):
        call_command("profile_dataset", "상담", "--version", "7")
