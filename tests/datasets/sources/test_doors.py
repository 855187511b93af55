"""Imports over REST, from the command line and on their page."""

import io
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from datasets.admin.import_forms import columns_of
from datasets.management.commands import import_dataset as command
from datasets.models import Dataset, DatasetVersion, PreprocessingJob
from jobs.runner import run_job
from tests.accounts.making import make_client, post
from tests.datasets.making import make_owner
from tests.datasets.sources.importing import ROWS, make_file

pytestmark = pytest.mark.django_db(transaction=True)


def test_rest_when_asked_to_look_and_import_does_so_and_leads_to_the_job():
    owner = make_owner()
    caller, file = make_client(owner), make_file(owner=owner)
    body = {"kind": "file", "options": {"file": str(file.pk)}}
    look = post(caller, "datasets/문장/imports/look", body)
    assert look.status_code == 200, look.content
    assert [one["type"] for one in look.json()["columns"]] == ["integer", "text", "number"]
    assert look.json()["rows"][0] == ["1", "안녕하세요", "0.5"]
    assert not Dataset.objects.exists()
    made = post(caller, "datasets/문장/imports", {**body, "reading": {"types": {"번호": "text"}}, "limit": "0"})
    assert made.status_code == 202, made.content
    job = PreprocessingJob.objects.get()
    assert made.headers["Location"].endswith(f"/preprocessing-jobs/{job.pk}")
    run_job(str(job.job_id))
    told = caller.get(f"/api/v1/preprocessing-jobs/{job.pk}").json()
    assert (told["state"], told["rows"]) == ("succeeded", 3)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "nothing"}, 400),
        ({"kind": "file", "options": {"file": "x"}}, 404),
        ({"kind": "file", "options": {"file": ["x"]}}, 404),
        ({"kind": "http", "options": {"url": "http://169.254.169.254/"}}, 400),
        ({"kind": "http", "options": {"url": "file:///etc/passwd"}}, 400),
        ({"kind": "path", "options": {"folder": "/", "pattern": "etc/passwd"}}, 400),
        ({"kind": "file", "reading": {"format": "pickle"}}, 400),
        ({"kind": "file", "like": "00000000-0000-0000-0000-000000000000"}, 404),
        ({"kind": "predictions", "options": {"deployment": "x"}}, 400),
        ([], 400),
    ],
)
def test_rest_when_asked_wrongly_says_what_and_begins_nothing(body, status):
    caller = make_client(make_owner())
    for where in ("imports/look", "imports"):
        assert post(caller, f"datasets/a/{where}", body).status_code == status
    assert not DatasetVersion.objects.exists()


def test_rest_when_the_caller_may_not_import_is_refused():
    caller = make_client(make_owner("leser", "reviewer"))
    assert post(caller, "datasets/a/imports", {"kind": "file"}).status_code == 403


def imported(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("import_dataset", str(path), "--name", "문장", *options, stdout=out)
    return out.getvalue().strip().rpartition("\n")[2]


def test_command_when_run_twice_gives_the_same_version_with_a_summary(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "follow", lambda job, _out: run_job(str(job.pk)))
    path = tmp_path / "문장.csv"
    path.write_bytes((ROWS + "4\n").encode("cp949"))
    told = imported(path, "--limit-rejects", "50%", "--types", "번호=integer")
    assert told == "문장 v1: 3 rows, 3 columns, 1 rows set aside"
    assert imported(path, "--limit-rejects", "50%", "--types", "번호=integer") == told
    assert DatasetVersion.objects.count() == 1
    assert imported(path, "--limit-rejects", "50%", "--types", "번호=text").startswith("문장 v2")
    for wrong in (["--types", "번호"], ["--limit-rejects", "x"], ["--user", "nobody"]):
        with pytest.raises(CommandError):
            imported(path, *wrong)
    with pytest.raises(CommandError):
        imported(tmp_path / "none.csv")


def page_of(client: Client, **fields: str) -> str:
    return client.post("/admin/datasets/dataset/import/", fields).content.decode()


def test_page_when_a_file_is_looked_at_shows_columns_and_begins_what_was_seen():
    owner = make_owner("op", "administrator")
    file = make_file(ROWS + "4\n", owner=owner)
    client = Client()
    client.force_login(owner)
    shown = client.get(f"/admin/datasets/dataset/import/?file={file.pk}").content.decode()
    assert f'value="{file.pk}" selected' in shown
    asked = {"kind": "file", "dataset": "문장", "s_file": str(file.pk), "limit": "50%"}
    looked = page_of(client, **asked, look="1")
    assert 'name="c1_source" value="문장"' in looked
    assert 'name="c1_guess" value="text"' in looked
    untouched = {"c0_source": "번호", "c0_type": "integer", "c0_guess": "integer"}
    assert columns_of(untouched)["types"] == {}, "what was found is not what somebody has chosen"
    assert "안녕하세요" in looked
    basis = re.search(r'name="basis" value="(\w+)"', looked)[1]
    chosen = {"c0_source": "번호", "c0_type": "text", "c0_name": "no", "c1_source": "문장", "c1_type": "drop"}
    begun = client.post("/admin/datasets/dataset/import/", {**asked, **chosen, "basis": basis, "start": "1"})
    made = PreprocessingJob.objects.get()
    assert begun.headers["Location"] == f"/admin/datasets/preprocessingjob/{made.pk}/change/"
    run_job(str(made.job_id))
    assert [one["name"] for one in DatasetVersion.objects.get().columns] == ["no", "점수"]


def test_page_when_what_was_seen_is_another_file_looks_again_before_it_begins():
    owner = make_owner("op", "administrator")
    client = Client()
    client.force_login(owner)
    asked = {"kind": "file", "dataset": "문장", "s_file": str(make_file(owner=owner).pk), "limit": "5%"}
    answer = client.post("/admin/datasets/dataset/import/", {**asked, "basis": "other", "start": "1"})
    assert answer.status_code == 200
    assert not PreprocessingJob.objects.exists()


@pytest.mark.parametrize("kind", ["file", "http", "s3", "database", "dataset", "predictions", "nothing", "path"])
def test_page_of_each_source_when_opened_and_sent_empty_says_what_is_needed(kind):
    client = Client()
    client.force_login(make_owner("op", "administrator"))
    where = "/admin/datasets/dataset/import/"
    assert client.get(where, {"kind": kind}).status_code == 200
    assert client.post(where, {"kind": kind, "look": "1"}).status_code == 200
    assert not Dataset.objects.exists()


def test_page_when_it_carries_a_secret_shows_it_to_nobody_and_binds_it_to_its_address():
    client = Client()
    client.force_login(make_owner("op", "administrator"))
    asked = {"kind": "http", "dataset": "x", "s_url": "http://10.0.0.1/x.csv", "limit": "5%", "look": "1"}
    shown = page_of(client, **asked, s_secret="geheimnis")
    assert "geheimnis" not in shown
    sealed = re.search(r'name="sealed" value="([^"]+)"', shown)
    assert sealed
    other = page_of(client, **{**asked, "s_url": "http://10.0.0.2/x.csv"}, sealed=sealed[1])
    assert "geheimnis" not in other
    assert 'name="sealed" value=""' in other
