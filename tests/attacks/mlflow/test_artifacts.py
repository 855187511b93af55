"""What the advisories of MLflow's artifacts found, tried here: ways out of the tree, local sources, hostile folders."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.test import Client

from files.services import set_quota, store
from registry.models import Artifact, ModelVersion
from tests.accounts.making import bearer, make_client, make_key, make_user
from tests.attacks.table import record
from tests.mlflow.artifacts.making import mlmodel
from tests.mlflow.artifacts.test_mlmodel import HOSTILE

pytestmark = pytest.mark.django_db
SECTION = "MLflow artifacts"
BASE = "/api/2.0/mlflow-artifacts"


@pytest.fixture
def caller() -> Client:
    return Client(headers=bearer(make_key(make_user("operator"))[1]))


def refused(answer: Any) -> str:
    """Give what a refusal says, once it has the protocol's shape and is no error that clients try again for minutes."""
    assert answer.status_code in (400, 403, 404, 405, 409, 413), (answer.status_code, answer.content[:200])
    told = answer.json()
    assert told.keys() >= {"error_code", "message"}
    return f"{answer.status_code} {told['error_code']}: {told['message']}"


def say(caller: Client, path: str, said: dict[str, Any]) -> Any:
    return caller.post(f"/api/2.0/mlflow/{path}", json.dumps(said), content_type="application/json")


PATHS = {
    "steps": "../../etc/passwd",
    "steps within": "a/../../etc/passwd",
    "an encoded step": "%2e%2e/%2e%2e/etc/passwd",
    "an encoded slash": "..%2f..%2fetc%2fpasswd",
    "twice encoded": "%252e%252e%252fetc%252fpasswd",
    "three times encoded": "%25252e%25252e%25252fetc",
    "backslashes": "..\\..\\windows\\win.ini",
    "encoded backslashes": "..%5c..%5cwindows",
    "an absolute path": "/etc/passwd",
    "a drive": "C:/Windows/win.ini",
    "an address": "file:///etc/passwd",
    "overlong UTF-8": "%c0%ae%c0%ae/x",
    "fullwidth full stops": "\uff0e\uff0e/x",
    "half a pair": "\ud800",
    "a name that reads backwards": "model\u202ekcip.txt",
    "an invisible character": "mod\u200bel",
    "a line break": "a\r\nX-Evil: 1",
    "a query": "model?x=1",
    "a fragment": "model#x",
    "10,000 folders": "a/" * 10_000,
    "30,000 characters": "a" * 30_000,
}


ODD_NAMES = ("fullwidth full stops", "half a pair")


@pytest.mark.parametrize("case", PATHS)
def test_path_when_it_leads_out_then_refused_by_every_verb(caller: Client, case: str) -> None:
    once = quote(PATHS[case], safe="", errors="surrogatepass")
    tries = [caller.get(f"{BASE}/artifacts?path={once}"), caller.put(f"{BASE}/artifacts/{once}", b"x")]
    tries += [caller.get(f"{BASE}/artifacts/{once}"), caller.delete(f"{BASE}/artifacts/{once}")]
    tries += [caller.get(f"{BASE}/presigned/{once}")]
    tries += [
        caller.post(f"{BASE}/mpu/create/{once}", '{"path": "x", "num_parts": 1}', content_type="application/json")
    ]
    if case in ODD_NAMES:  # letters like any other, and no step
        assert max(answer.status_code for answer in tries) < 500
        record(SECTION, f"{case}, by list, put, get, delete, presigned, in parts", "a name", "harmless")
        return
    said = [refused(answer) for answer in tries]
    assert not Artifact.objects.exists()
    record(SECTION, f"{case}, by list, put, get, delete, presigned, in parts", said[-1], "refused")


SOURCES = {
    "a file of the server": "file:///etc/passwd",
    "a file by host": "file://localhost/etc/passwd",
    "FILE in capitals": "FILE:///etc/passwd",
    "a bare path": "/etc/passwd",
    "a relative path": "../../etc",
    "steps in our tree": "mlflow-artifacts:/../../etc",
    "encoded steps in our tree": "mlflow-artifacts:/%2e%2e/%2e%2e/etc",
    "twice encoded": "mlflow-artifacts:/%252e%252e/etc",
    "steps behind a query": "mlflow-artifacts:/a?/../../../etc",
    "steps behind a fragment": "mlflow-artifacts:/a#/../../../etc",
    "steps behind parameters": "mlflow-artifacts:/a;/../../etc",
    "the whole tree": "mlflow-artifacts:/",
    "steps of a bucket": "s3://bucket/../../other",
    "a file in a query": "http://x/?file=/../../etc/passwd",
    "NUL": "mlflow-artifacts:/a\0b",
    "a source of a megabyte": "s3://" + "a" * 1_000_000,
    "a source of the wrong kind": {"a": 1},
}


@pytest.mark.parametrize("case", SOURCES)
def test_source_when_it_leads_out_then_refused(caller: Client, case: str) -> None:
    assert say(caller, "registered-models/create", {"name": "m"}).status_code == 200
    got = refused(say(caller, "model-versions/create", {"name": "m", "source": SOURCES[case]}))
    assert not ModelVersion.objects.exists()
    record(SECTION, f"a version whose source is {case}", got, "refused")


@pytest.mark.parametrize("case", HOSTILE)
def test_mlmodel_when_hostile_then_refused(caller: Client, case: str) -> None:
    assert say(caller, "registered-models/create", {"name": "m"}).status_code == 200
    assert caller.put(f"{BASE}/artifacts/1/MLmodel", HOSTILE[case].encode()).status_code == 200
    got = refused(say(caller, "model-versions/create", {"name": "m", "source": "mlflow-artifacts:/1"}))
    record(SECTION, f"MLmodel: {case}", got, "refused")


def test_pickle_when_registered_downloaded_and_looked_at_then_never_opened(caller: Client, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(canary),)

    say(caller, "registered-models/create", {"name": "m"})
    for path, content in (("MLmodel", mlmodel().encode()), ("data/model.pth", pickle.dumps(Evil()))):
        caller.put(f"{BASE}/artifacts/1/{path}", content)
    made = say(caller, "model-versions/create", {"name": "m", "source": "mlflow-artifacts:/1"}).json()
    assert made["model_version"]["status"] == "READY"
    operator = make_client(make_user("operator"))
    body = json.dumps({"name": "d", "model": "m", "version": 1})
    answer = operator.post("/api/v1/deployments", body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_servable")
    assert not canary.exists()
    record(SECTION, "a pickle in a folder of MLflow, registered and deployed", "409 not_servable", "refused")


def test_archive_when_it_holds_links_or_steps_beside_an_mlmodel_then_refused(tmp_path: Path) -> None:
    operator = make_client(make_user("operator"))
    operator.post("/api/v1/models", {"name": "m"}, content_type="application/json")
    for case, name, mode in (
        ("a symlink", "data", stat.S_IFLNK | 0o777),
        ("a device", "data", stat.S_IFCHR | 0o600),
        ("steps", "../../MLmodel2", 0),
        ("an absolute path", "/etc/cron.d/x", 0),
    ):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as target:
            target.writestr("MLmodel", mlmodel())
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            target.writestr(entry, "/etc/passwd")
        archive.seek(0)
        archive.name = "m.zip"
        answer = operator.post("/api/v1/models/m/versions", {"files": [archive]})
        assert answer.status_code == 400, case
        record(SECTION, f"an archive with {case} beside its MLmodel", answer.json()["error"]["message"], "refused")
    assert not ModelVersion.objects.exists()


def test_flueman_json_when_it_names_files_outside_then_kept_and_nothing_is_read(caller: Client) -> None:
    say(caller, "registered-models/create", {"name": "m"})
    manifest = {"format": "safetensors", "architecture": "mlp", "weights": "../../../etc/passwd", "task": "tensor"}
    for path, content in (("MLmodel", mlmodel()), ("deep/flueman.json", json.dumps(manifest))):
        caller.put(f"{BASE}/artifacts/1/{path}", content.encode())
    assert say(caller, "model-versions/create", {"name": "m", "source": "mlflow-artifacts:/1"}).status_code == 200
    version = ModelVersion.objects.get()
    assert (version.state, version.format) == ("registered", "other")
    record(SECTION, "flueman.json that names ../../../etc/passwd", f"kept: {version.refusal}", "refused")


def test_store_when_a_folder_is_rewritten_for_serving_then_bytes_in_it_stay_what_they_were(caller: Client) -> None:
    """A folder that is staged shares its files with the store: what is written must never go through such a name."""
    blob = store(io.BytesIO(b'{"format": "huggingface"}'))
    say(caller, "registered-models/create", {"name": "m"})
    caller.put(f"{BASE}/artifacts/1/MLmodel", mlmodel().encode())
    caller.put(f"{BASE}/artifacts/1/flueman.json", b'{"format": "huggingface"}')
    say(caller, "model-versions/create", {"name": "m", "source": "mlflow-artifacts:/1"})
    from files.services import open_blob

    assert open_blob(blob).read() == b'{"format": "huggingface"}'
    record(SECTION, "a file of the store as flueman.json that is written anew", "the store's bytes stay", "harmless")


def test_parts_when_never_completed_then_they_take_room_like_all_else() -> None:
    person = make_user("operator")
    set_quota(user=person, max_bytes=10, actor=make_user("administrator"))
    caller = Client(headers=bearer(make_key(person)[1]))
    begun = [caller.post(f"{BASE}/mpu/create/a", '{"path": "x", "num_parts": 2}', content_type="application/json")]
    begun += [caller.post(f"{BASE}/mpu/create/b", '{"path": "x", "num_parts": 2}', content_type="application/json")]
    first, second = ([urlsplit(one["url"]).path for one in made.json()["credentials"]] for made in begun)
    sent = [Client().put(url, b"12345678").status_code for url in (first[0], first[0], second[0])]
    assert sent == [200, 200, 413]
    assert Client().put(first[0], b"12").status_code == 200  # in the place of the longer one
    assert Client().put(second[1], b"12345678").status_code == 200
    got = refused(Client().put(second[0], b"123"))
    record(SECTION, "parts past a quota that are never completed", got, "refused")
