"""The artifact proxy by Django's client: files up, down, listed, deleted, in parts; what leads out is refused."""

import hashlib
import io
import json
import unicodedata
from urllib.parse import quote, urlsplit

import pytest
from django.core import signing
from django.test import Client

from audit.models import AuditEvent
from common.errors import StorageFull
from files.housekeeping import wrong_counts
from files.models import Blob, Upload
from files.services import set_quota, store
from registry.artifact_paths import VERSIONS
from registry.models import Artifact, ModelVersion
from registry.services import delete_version
from registry.services.artifacts import artifact_uri, keep_source, put_artifact
from registry.services.sources import register_source
from tests.accounts.making import bearer, make_key, make_user
from tests.mlflow.artifacts.calling import BASE, begin, body, code, get, listed, post, put, put_folder
from tests.mlflow.artifacts.making import make_mlflow, pickled
from tests.registry.make import files_of, make_folder, make_ready, register_model

pytestmark = pytest.mark.django_db


def test_tree_when_files_are_put_then_listed_level_by_level_and_sent_back(client):
    for path in ("1/model/MLmodel", "1/model/data/a.bin", "1/other.txt", "10/x", "모델/가중치.bin"):
        answer = put(client, path, path.encode())
        assert (answer.status_code, answer.json()) == (200, {})
    assert listed(client) == [("1", "folder"), ("10", "folder"), ("모델", "folder")]
    assert listed(client, "1") == [("model", "folder"), ("other.txt", 11)]
    assert listed(client, "1/model") == [("MLmodel", 15), ("data", "folder")]
    assert listed(client, "모델") == [("가중치.bin", len("모델/가중치.bin".encode()))]
    assert listed(client, "1/other.txt") == listed(client, "nothing") == []
    assert body(get(client, "모델/가중치.bin")) == "모델/가중치.bin".encode()
    assert body(client.get(f"/ajax-api/2.0/mlflow-artifacts/artifacts/{quote('10/x')}")) == b"10/x"


def test_list_when_names_differ_in_case_or_look_like_patterns_then_kept_apart(client):
    for path in ("A/x", "a/x", "a_/y", "a%/z", "ab/x", "a/B/1", "a/b/2"):
        assert put(client, path).status_code == 200, path
    assert listed(client, "a") == [("B", "folder"), ("b", "folder"), ("x", 5)]
    assert listed(client, "A") == [("x", 5)]
    assert listed(client, "a_") == [("y", 5)]
    assert client.delete(f"{BASE}/artifacts/a").status_code == 200
    assert listed(client) == [("A", "folder"), ("a%", "folder"), ("a_", "folder"), ("ab", "folder")]


def test_get_when_in_ranges_or_known_then_as_http_has_it(client):
    content = bytes(range(256)) * 1000
    put(client, "a.bin", content)
    part = get(client, "a.bin", Range="bytes=5-10")
    assert (part.status_code, part["Content-Range"], body(part)) == (206, "bytes 5-10/256000", content[5:11])
    assert get(client, "a.bin", **{"If-None-Match": part["ETag"]}).status_code == 304
    assert get(client, "a.bin", Range="bytes=999999-").status_code == 416
    head = client.head(f"{BASE}/artifacts/a.bin")
    assert (head.status_code, head["Content-Length"]) == (200, "256000")


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.js", "x.xhtml", "x.json"])
def test_get_when_a_browser_would_run_it_then_an_attachment_in_a_sandbox(client, name):
    put(client, name, b"<script>alert(1)</script>", kind="text/html")
    answer = get(client, name)
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Type"].split(";")[0] in ("text/plain", "application/json")
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_get_when_redirects_are_set_then_sent_all_the_same(client, settings):
    settings.FILES_REDIRECT = True
    put(client, "a")
    assert get(client, "a").status_code == 200


OUT = (
    *("..", "../x", "a/../../x", "a/..", "..\\x", "a\\..\\x", "C:/x", "%2e%2e/x", "%252e%252e%252fx", "a%2f..%2fx"),
    *("a\u202egpj.exe", "a\u200b", "a\nb", "a?b", "a#b", "a//b", "./a", "/etc/passwd", "x" * 300, "a/" * 200 + "x"),
    *(" a", "a/ b", "a /b"),
)


@pytest.mark.parametrize("path", OUT)
def test_any_verb_when_a_path_leads_out_then_400_and_nothing_changes(client, path):
    at = f"{BASE}/artifacts/{quote(path, safe='')}"
    answers = [client.get(at), client.put(at, b"x"), client.delete(at)]
    answers += [client.get(f"{BASE}/artifacts", {"path": path}), client.get(f"{BASE}/presigned/{quote(path, safe='')}")]
    answers += [post(client, f"mpu/create/{quote(path, safe='')}", {"path": "a", "num_parts": 1})]
    assert {code(answer) for answer in answers} <= {
        (400, "INVALID_PARAMETER_VALUE"),
        (404, "ENDPOINT_NOT_FOUND"),
    }, answers
    assert not Artifact.objects.exists()
    assert not Upload.objects.exists()


def test_put_when_a_name_is_decomposed_then_one_file(client):
    put(client, "가/나.txt", b"1")
    put(client, unicodedata.normalize("NFD", "가/나.txt"), b"2")
    assert body(get(client, unicodedata.normalize("NFD", "가/나.txt"))) == b"2"
    assert Artifact.objects.count() == 1


def test_put_when_again_then_the_new_bytes_and_counts_that_are_right(client):
    put(client, "a/x", b"old")
    put(client, "a/y", b"old")
    put(client, "a/x", b"new")
    put(client, "a/x", b"new")
    counts = {blob.pk: blob.references for blob in Blob.objects.all()}
    assert counts == {hashlib.sha256(text).hexdigest(): 1 for text in (b"old", b"new")}
    assert wrong_counts() == {}
    assert client.delete(f"{BASE}/artifacts/a").json() == {}
    assert set(Blob.objects.values_list("references", flat=True)) == {0}
    assert code(client.delete(f"{BASE}/artifacts/a")) == (404, "RESOURCE_DOES_NOT_EXIST")
    told = AuditEvent.objects.filter(action__startswith="registry.art").order_by("sequence")
    assert list(told.values_list("action", flat=True)) == [
        *["registry.artifact_put"] * 4,
        "registry.artifacts_deleted",
    ]


def test_put_when_a_folder_and_a_file_would_have_one_name_then_409(client):
    put(client, "a/x")
    assert code(put(client, "a")) == (409, "RESOURCE_CONFLICT")
    assert code(put(client, "a/x/y")) == (409, "RESOURCE_CONFLICT")


def test_delete_when_the_whole_tree_then_refused(client):
    put(client, "a")
    for path in ("artifacts", "artifacts/"):
        assert client.delete(f"{BASE}/{path}").status_code in (400, 404, 405)
    assert Artifact.objects.count() == 1


def test_delete_when_a_folder_of_many_then_all_go(client, user):
    blob = store(io.BytesIO(b"x"))
    Artifact.objects.bulk_create(Artifact(path=f"big/{n:04d}", blob=blob, owner=user) for n in range(450))
    Blob.objects.filter(pk=blob.pk).update(references=450)
    assert client.delete(f"{BASE}/artifacts/big").status_code == 200
    assert not Artifact.objects.exists()
    assert wrong_counts() == {}


@pytest.mark.parametrize(("scope", "may_put"), [("read", False), ("manage", True)])
def test_key_when_it_may_only_read_then_no_writes(user, scope, may_put):
    put(Client(headers=bearer(make_key(user)[1])), "a")
    client = Client(headers=bearer(make_key(user, scope)[1]))
    assert get(client, "a").status_code == 200
    assert client.get(f"{BASE}/presigned/a").status_code == 200
    answers = [put(client, "b"), client.delete(f"{BASE}/artifacts/a")]
    answers += [post(client, "mpu/create/", {"path": "c", "num_parts": 1})]
    assert [answer.status_code for answer in answers] == [200 if may_put else 403] * 3
    if not may_put:
        assert code(answers[0]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("role", ["client", "nobody"])
def test_tree_when_the_caller_may_not_see_versions_then_refused_in_the_protocols_shape(role):
    headers = bearer(make_key(make_user("client"))[1]) if role == "client" else {}
    caller = Client(headers=headers)
    wanted = (403, "PERMISSION_DENIED") if role == "client" else (401, "UNAUTHENTICATED")
    assert code(caller.get(f"{BASE}/artifacts")) == code(put(caller, "a")) == wanted


def test_put_when_past_a_quota_then_413_and_nothing_is_kept(client, user):
    set_quota(user=user, max_bytes=10, actor=make_user("administrator"))
    assert put(client, "a", b"12345678").status_code == 200
    assert code(put(client, "b", b"123")) == (413, "BAD_REQUEST")
    assert put(client, "a", b"1234567890").status_code == 200  # in the place of the first
    assert [artifact.path for artifact in Artifact.objects.all()] == ["a"]
    assert wrong_counts() == {}


def test_put_when_it_takes_the_place_of_another_persons_file_then_counts_whole(client, user):
    other = Client(headers=bearer(make_key(make_user("operator"))[1]))
    assert put(other, "a", b"x" * 100).status_code == 200
    set_quota(user=user, max_bytes=10, actor=make_user("administrator"))
    assert code(put(client, "a", b"y" * 50)) == (413, "BAD_REQUEST")
    assert put(client, "a", b"1234567890").status_code == 200


def test_put_when_all_files_have_a_quota_then_each_blob_counts_once_and_a_refused_one_not(client, user, settings):
    settings.FILES_QUOTA_BYTES = 100
    assert put(client, "a", b"x" * 60).status_code == 200
    put_artifact(path="b", blob=store(io.BytesIO(b"x" * 60)), actor=user)
    with pytest.raises(StorageFull):
        put_artifact(path="c", blob=store(io.BytesIO(b"y" * 50)), actor=user)  # its size was not announced
    assert code(put(client, "c", b"y" * 50)) == (507, "RESOURCE_EXHAUSTED")
    made = begin(client, count=1)
    sent = Client().put(urlsplit(made["credentials"][0]["url"]).path, b"z" * 40, content_type="text/plain")
    said = {"path": "내 모델.bin", "upload_id": made["upload_id"], "parts": [{"part_number": 1, "etag": sent["ETag"]}]}
    assert post(client, "mpu/complete/run", said).status_code == 200
    assert code(put(client, "d", b"1")) == (507, "RESOURCE_EXHAUSTED")
    assert wrong_counts() == {}


def test_put_when_larger_than_any_file_may_be_then_413(client, settings):
    settings.MAX_UPLOAD_BYTES = 100
    assert code(put(client, "a", b"x" * 101)) == (413, "BAD_REQUEST")
    assert not Blob.objects.exists()


@pytest.mark.parametrize("kind", ["file", "part"])
def test_signed_address_when_changed_of_another_kind_or_old_then_403(client, monkeypatch, kind):
    put(client, "a")
    made = begin(client, count=1)
    urls = {"file": client.get(f"{BASE}/presigned/a").json()["url"], "part": made["credentials"][0]["url"]}
    path = urlsplit(urls[kind]).path
    calls = {"file": Client().get, "part": lambda at: Client().put(at, b"x")}
    other = urlsplit(urls["part" if kind == "file" else "file"]).path.rpartition("/")[2]
    for wrong in (f"{path[:-1]}{'A' if path[-1] != 'A' else 'B'}", f"{path.rpartition('/')[0]}/{other}", f"{path}x"):
        assert code(calls[kind](wrong)) == (403, "PERMISSION_DENIED"), wrong
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + 7 * 3600)
    assert code(calls[kind](path)) == (403, "PERMISSION_DENIED")


def test_presigned_when_on_disk_then_the_bytes_in_ranges_without_a_credential(client):
    put(client, "모델/a.html", b"<script>0123456789</script>")
    told = client.get(f"{BASE}/presigned/{quote('모델/a.html')}").json()
    assert (told["file_size"], told["headers"]) == (27, {})
    path = urlsplit(told["url"]).path
    part = Client().get(path, headers={"Range": "bytes=8-17"})
    assert (part.status_code, body(part)) == (206, b"0123456789")
    assert part["Content-Type"] == "text/plain; charset=utf-8"
    put(client, "모델/a.html", b"other")
    assert body(Client().get(path)) == b"<script>0123456789</script>"  # what it was signed for
    assert code(client.get(f"{BASE}/presigned/none")) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_register_source_when_a_folder_of_the_tree_then_its_files_without_a_copy(client, user, tmp_path):
    put_folder(client, make_folder(tmp_path / "m"), "1/model")
    before = set(Blob.objects.values_list("pk", "storage_key"))
    model = register_model(name="m", actor=user)
    version = register_source(model=model, source="mlflow-artifacts:/1/model", actor=user, run_id="abc")
    assert (version.state, version.source, version.run_id) == ("pending", "mlflow-artifacts:/1/model", "abc")
    assert set(Blob.objects.values_list("pk", "storage_key")) == before
    assert set(Blob.objects.values_list("references", flat=True)) == {2}
    client.delete(f"{BASE}/artifacts/1")
    put(client, "1/model/flueman.json", b"changed")
    assert make_ready(version).state == "ready"
    where = artifact_uri(version).removeprefix("mlflow-artifacts:/")
    assert listed(client, where) == sorted((path, one.stat().st_size) for path, one in files_of(tmp_path / "m").items())
    assert json.loads(body(get(client, f"{where}/flueman.json")))["architecture"] == "mlp"
    assert wrong_counts() == {}


def test_files_of_versions_when_written_deleted_or_of_a_deleted_version_then_refused(client, user, tmp_path):
    put_folder(client, make_folder(tmp_path / "m"), "1")
    version = register_source(model=register_model(name="m", actor=user), source="mlflow-artifacts:/1", actor=user)
    where = f"{VERSIONS}/{version.pk.hex}"
    answers = [put(client, f"{where}/x"), client.delete(f"{BASE}/artifacts/{where}"), put(client, VERSIONS)]
    answers += [put(client, f"{VERSIONS}/other/x"), post(client, f"mpu/create/{where}", {"path": "x", "num_parts": 1})]
    assert {code(answer) for answer in answers} == {(400, "INVALID_PARAMETER_VALUE")}
    delete_version(version=version, actor=user)
    assert get(client, f"{where}/flueman.json").status_code == 404
    assert listed(client, where) == []


def test_register_source_when_mlflow_pickled_it_then_kept_and_sent_back_whole(client, user, tmp_path):
    folder = make_mlflow(tmp_path / "m", {"data/model.pth": pickled()})
    put_folder(client, folder, "1/model")
    version = register_source(
        model=register_model(name="m", actor=user), source="mlflow-artifacts:/1/model", actor=user
    )
    assert (version.state, version.format) == ("registered", "other")
    where = artifact_uri(version).removeprefix("mlflow-artifacts:/")
    for path, source in files_of(folder).items():
        assert body(get(client, f"{where}/{path}")) == source.read_bytes()


def test_register_source_when_no_folder_of_a_model_then_kept_with_the_reason(client, user):
    put(client, "1/notes.txt", b"nothing")
    model = register_model(name="m", actor=user)
    version = register_source(model=model, source="mlflow-artifacts:/1", actor=user)
    assert version.state == "registered"
    assert version.refusal == "no file holds weights that are served here (flavours: –)"
    assert register_source(model=model, source="mlflow-artifacts:/none", actor=user).files.count() == 0
    assert artifact_uri(ModelVersion.objects.get(number=2)) == "mlflow-artifacts:/none"


def test_keep_source_when_more_files_than_a_version_has_then_refused(client, user):
    from common.errors import Invalid

    blob = store(io.BytesIO(b"x"))
    Artifact.objects.bulk_create(Artifact(path=f"big/{n}", blob=blob, owner=user) for n in range(501))
    with pytest.raises(Invalid, match="more than 500"):
        keep_source(source="mlflow-artifacts:/big", name="m", actor=user)
