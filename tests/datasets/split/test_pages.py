"""Pages beside a version's own: export, split, compare, what differs, and the picture of the lineage."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion, VersionDifference
from datasets.services import compare_versions
from files.models import StoredFile
from jobs.models import Job
from jobs.runner import run_job
from tests.admin.making import log_in
from tests.datasets.making import make_version

pytestmark = pytest.mark.django_db
OLD = pl.DataFrame({"id": [1, 2, 3], "text": ["가 나", "나", "<b>다</b>"]})
NEW = pl.DataFrame({"id": [2, 3, 4, 1], "text": ["나", "<b>다</b>", "마", "가 라"], "new": [1, 2, 3, 4]})


def url_of(version: DatasetVersion, name: str, *more: Any) -> str:
    return reverse(f"admin:datasets_datasetversion_{name}", args=[version.pk, *more])


def shown(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("export", {"operator": 200, "reviewer": 403, "auditor": 403}),
        ("split", {"operator": 200, "reviewer": 403, "auditor": 403}),
        ("compare", {"operator": 200, "reviewer": 200, "auditor": 200}),
    ],
)
def test_pages_when_opened_by_a_role_answer_as_they_may(name: str, wanted: dict[str, int]) -> None:
    url = url_of(make_version(OLD), name)
    assert {role: log_in(role).get(url).status_code for role in wanted} == wanted


def test_version_page_when_it_is_sealed_offers_what_may_be_done_and_draws_its_lineage() -> None:
    version = make_version(OLD)
    page = shown(log_in("operator"), reverse("admin:datasets_datasetversion_change", args=[version.pk]))
    assert all(url_of(version, name) in page for name in ("export", "split", "compare"))
    assert "dl-picture" in page
    page = shown(log_in("reviewer"), reverse("admin:datasets_datasetversion_change", args=[version.pk]))
    assert url_of(version, "export") not in page


def test_export_page_when_used_leads_to_the_file() -> None:
    version, client = make_version({"train": OLD[:2], "test": OLD[2:]}), log_in("operator")
    url = url_of(version, "export")
    assert client.post(url, {"format": "csv", "split": "test", "is_guarded": "on"}).status_code == 302
    page = shown(client, url)
    assert 'data-live="' in page
    run_job(str(Job.objects.get(kind="datasets.export").pk))
    stored = StoredFile.objects.get()
    live = client.get(url_of(version, "export_live"))
    assert live["X-Live-Done"] == "1"
    assert stored.name in live.content.decode()
    assert 'data-live="' not in shown(client, url)
    assert client.post(url, {"format": "pickle"}).status_code == 200


def test_split_page_when_used_leads_to_the_job_and_says_what_is_wrong() -> None:
    version, client = make_version(OLD), log_in("operator", language="ko")
    url = url_of(version, "split")
    form = {"name_0": "train", "share_0": "60", "name_1": "test", "share_1": "30", "seed": "0", "together": "id"}
    page = client.post(url, form).content.decode()
    assert "90" in page
    assert not version.children.exists()
    answer = client.post(url, form | {"share_1": "40"})
    made = version.children.get()
    assert answer["Location"] == reverse("admin:datasets_preprocessingjob_change", args=[made.preprocessing.pk])
    assert made.preprocessing.options["together"] == ["id"]


def test_difference_pages_when_followed_show_what_changed_word_by_word() -> None:
    old, new, client = make_version(OLD), make_version(NEW), log_in("operator")
    url = url_of(new, "compare")
    assert "문장:1" in shown(client, url)
    answer = client.post(url, {"before": "문장:1", "key": ""})
    found = VersionDifference.objects.get()
    assert answer["Location"] == url_of(new, "difference", found.pk)
    assert 'data-live="' in shown(client, answer["Location"])
    run_job(str(found.job_id))
    page = shown(client, answer["Location"])
    assert "<mark>라</mark>" in page
    assert "<mark>나</mark>" in page
    assert "<b>다</b>" not in page
    assert client.get(f"{answer['Location']}?part=live")["X-Live-Done"] == "1"
    data = b"".join(client.get(url_of(new, "difference_all", found.pk)).streaming_content)
    assert data.startswith(b"PAR1")
    assert log_in("reviewer").get(url_of(new, "difference_all", found.pk)).status_code == 403
    assert client.get(url_of(old, "difference", found.pk)).status_code == 404
    assert "없는것" in client.post(url, {"before": "없는것:1"}).content.decode()


def test_difference_when_its_job_failed_may_be_asked_for_again() -> None:
    old, new = make_version(OLD), make_version(NEW)
    found = compare_versions(before=old, after=new, actor=None)
    Job.objects.filter(pk=found.job_id).update(state=Job.State.FAILED, error="kaputt", active_key=None)
    client = log_in("operator")
    assert "kaputt" in shown(client, url_of(new, "difference", found.pk))
    again = compare_versions(before=old, after=new, actor=None)
    assert (again.pk, again.job_id) == (found.pk, found.job_id)
    run_job(str(again.job_id))
    found.refresh_from_db()
    assert found.found_at
    assert found.summary["changed"] == 1
