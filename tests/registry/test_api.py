import io
import json
import zipfile

import pytest

from accounts.models import User
from jobs.models import Job
from registry.models import ModelVersion, RegisteredModel
from registry.services import register_model, set_alias
from tests.accounts.making import make_client, make_user, patch, post
from tests.registry.make import MANIFEST, SIGNATURE, files_of, make_folder, make_ready, make_version, make_weights
from tests.registry.test_versions import make_torchscript

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return make_client(make_user("operator"))


def put(client, path, body):
    return client.put(f"/api/v1/{path}", json.dumps(body), content_type="application/json")


def upload(client, model, files, **form):
    return client.post(f"/api/v1/models/{model}/versions", {"files": [*files], **form})


def named(name, content):
    stream = io.BytesIO(content)
    stream.name = name
    return stream


def test_models_when_registered_changed_and_read_then_as_said(operator):
    made = post(operator, "models", {"name": "의도", "task": "text-classification"})
    assert made.status_code == 201
    assert made.json()["name"] == "의도"
    assert post(operator, "models", {"name": "의도"}).status_code == 409
    assert patch(operator, "models/의도", {"description": "문장의 의도"}).json()["description"] == "문장의 의도"
    page = operator.get("/api/v1/models").json()
    assert [model["name"] for model in page["results"]] == ["의도"]
    assert operator.get("/api/v1/models/의도").json()["task"] == "text-classification"
    assert operator.get("/api/v1/models/none").status_code == 404


def test_models_when_the_name_is_bad_then_the_field_is_named(operator):
    answer = post(operator, "models", {"name": "a/b"})
    assert answer.status_code == 400
    assert "글자, 숫자, _로 시작하고" in answer.json()["error"]["fields"]["name"]


def test_models_when_many_then_paged_by_name(operator):
    for n in range(3):
        register_model(name=f"m{n}", actor=None)
    page = operator.get("/api/v1/models?page_size=2").json()
    rest = operator.get(page["next"]).json()
    assert [model["name"] for model in page["results"] + rest["results"]] == ["m0", "m1", "m2"]
    assert rest["next"] is None


def test_versions_when_files_are_sent_then_accepted_with_the_job_to_follow(operator, tmp_path):
    register_model(name="m", actor=None)
    files = files_of(make_folder(tmp_path / "m"))
    answer = upload(
        operator, "m", [path.open("rb") for path in files.values()], metrics='{"f1": 0.9}', description="첫"
    )
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert (body["version"], body["state"], body["metrics"], body["description"]) == (1, "pending", {"f1": 0.9}, "첫")
    assert answer["Location"].endswith(f"/api/v1/jobs/{Job.objects.get().pk}")
    assert {file["path"] for file in body["files"]} == {"flueman.json", "model.safetensors"}
    again = upload(operator, "m", [path.open("rb") for path in files.values()]).json()
    assert (again["version"], again["same_content_as"]) == (2, [1])
    listed = operator.get("/api/v1/models/m/versions").json()["results"]
    assert [version["version"] for version in listed] == [2, 1]
    assert operator.get("/api/v1/models/m/versions/1").json()["signature"] == SIGNATURE


def test_versions_when_a_zip_or_paths_are_sent_then_folders_are_kept(operator, tmp_path):
    register_model(name="m", actor=None)
    folder = make_folder(tmp_path / "m")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, file in files_of(folder).items():
            archive.write(file, path)
        archive.writestr("문서/읽어보기.txt", "안녕")
    zipped = upload(operator, "m", [named("m.zip", stream.getvalue())]).json()
    files = {**files_of(folder), "문서/읽어보기.txt": tmp_path / "a.txt"}
    (tmp_path / "a.txt").write_text("안녕", encoding="utf-8")
    plain = upload(operator, "m", [path.open("rb") for path in files.values()], paths=list(files)).json()
    assert zipped["digest"] == plain["digest"]


def test_versions_when_the_manifest_is_sent_beside_then_used(operator, tmp_path):
    register_model(name="m", actor=None)
    weights = make_weights(tmp_path / "model.safetensors")
    answer = upload(operator, "m", [weights.open("rb")], manifest=json.dumps(MANIFEST))
    assert answer.status_code == 202, answer.content


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        ({}, 400, "flueman.json"),
        ({"manifest": "[1]"}, 400, "manifest"),
        ({"manifest": "{"}, 400, None),
        ({"metrics": '{"f1": "high"}'}, 400, "metrics.f1"),
        ({"paths": ["a", "b"]}, 400, "paths"),
        ({"paths": ["../a"]}, 400, "files"),
    ],
)
def test_versions_when_the_form_is_wrong_then_the_field_is_named(operator, tmp_path, form, status, field):
    register_model(name="m", actor=None)
    answer = upload(operator, "m", [make_weights(tmp_path / "w.safetensors").open("rb")], **form)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert field is None or field in answer.json()["error"]["fields"]
    assert not ModelVersion.objects.exists()


def test_versions_when_no_multipart_or_no_files_then_typed(operator):
    register_model(name="m", actor=None)
    assert post(operator, "models/m/versions", {"files": []}).status_code == 415
    assert "files" in operator.post("/api/v1/models/m/versions", {"x": "y"}).json()["error"]["fields"]
    assert upload(operator, "none", [named("a", b"1")]).status_code == 404


def test_versions_when_larger_than_allowed_then_413(operator, tmp_path, settings):
    register_model(name="m", actor=None)
    settings.MAX_UPLOAD_BYTES = 100
    assert upload(operator, "m", [make_weights(tmp_path / "w").open("rb")]).status_code == 413


def test_program_when_trusted_by_an_administrator_then_checked(operator, tmp_path):
    register_model(name="m", actor=None)
    script = make_torchscript(tmp_path / "m.pt")
    manifest = json.dumps({"task": "tensor", "signature": SIGNATURE})
    body = upload(operator, "m", [script.open("rb")], manifest=manifest).json()
    assert (body["is_waiting_for_trust"], body["job"]) == (True, None)
    assert post(operator, "models/m/versions/1/trust", {"reason": "ours"}).status_code == 403
    administrator = make_client(make_user("administrator"))
    assert post(administrator, "models/m/versions/1/trust", {}).status_code == 400
    assert post(administrator, "models/m/versions/1/trust", {"reason": "ours"}).json()["is_trusted"]


def test_verbs_when_archived_and_checked_again_then_the_state_follows(operator, tmp_path):
    make_ready(make_version(tmp_path, "m"))
    Job.objects.update(state=Job.State.SUCCEEDED)
    assert post(operator, "models/m/versions/1/archive", {"reason": "old"}).json()["state"] == "archived"
    again = post(operator, "models/m/versions/1/recheck")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert post(operator, "models/m/versions/1/recheck").status_code == 409
    changed = patch(operator, "models/m/versions/1", {"description": "새 설명"})
    assert changed.json()["description"] == "새 설명"


def test_aliases_when_put_and_deleted_then_as_said(operator, tmp_path):
    make_ready(make_version(tmp_path, "m"))
    assert put(operator, "models/m/aliases/champion", {"version": 1}).json()["version"] == 1
    assert operator.get("/api/v1/models/m").json()["aliases"] == {"champion": 1}
    assert operator.get("/api/v1/models/m/aliases/champion").json()["alias"] == "champion"
    assert [one["alias"] for one in operator.get("/api/v1/models/m/aliases").json()["results"]] == ["champion"]
    assert put(operator, "models/m/aliases/2", {"version": 1}).status_code == 400
    assert put(operator, "models/m/aliases/champion", {"version": 9}).status_code == 404
    assert operator.delete("/api/v1/models/m/aliases/champion").status_code == 204
    assert operator.delete("/api/v1/models/m/aliases/champion").status_code == 404


def test_tags_when_put_and_deleted_then_on_the_model_or_the_version(operator, tmp_path):
    make_version(tmp_path, "m")
    for place in ("models/m", "models/m/versions/1"):
        assert put(operator, f"{place}/tags/팀", {"value": "대화"}).json() == {"key": "팀", "value": "대화"}
        assert operator.get(f"/api/v1/{place}").json()["tags"] == {"팀": "대화"}
        assert operator.get(f"/api/v1/{place}/tags").json()["results"] == [{"key": "팀", "value": "대화"}]
        assert operator.delete(f"/api/v1/{place}/tags/팀").status_code == 204
        assert operator.delete(f"/api/v1/{place}/tags/팀").status_code == 404


@pytest.mark.parametrize("role", ["reviewer", "auditor", "client"])
def test_writes_when_the_role_may_not_then_refused(tmp_path, role):
    version = make_ready(make_version(tmp_path, "m"))
    client = make_client(make_user(role))
    may_read = role != "client"
    assert (client.get("/api/v1/models/m").status_code == 200) == may_read
    assert post(client, "models", {"name": "x"}).status_code == 403
    assert upload(client, "m", [named("a", b"1")]).status_code == 403
    assert post(client, "models/m/versions/1/archive").status_code == 403
    assert put(client, "models/m/aliases/a", {"version": 1}).status_code == 403
    assert put(client, "models/m/tags/a", {"value": "1"}).status_code == 403
    version.refresh_from_db()
    assert version.state == "ready"


def test_versions_list_when_more_rows_then_no_more_queries(operator, tmp_path, django_assert_max_num_queries):
    for n in range(4):
        version = make_ready(make_version(tmp_path, "m", n / 8))
        set_alias(model=version.model, name=f"a{n}", version=version, actor=None)
    with django_assert_max_num_queries(9):  # one of them notes the last use of the session, once a minute
        assert len(operator.get("/api/v1/models/m/versions").json()["results"]) == 4
    assert RegisteredModel.objects.get().last_version == 4
    assert User.objects.count() == 1


def test_add_version_when_from_uploads_then_checked_like_files_and_the_uploads_are_used_up(operator, tmp_path):
    from files.models import Upload
    from registry.models import ModelVersion

    post(operator, "models", {"name": "large"})
    ids, names = [], []
    for path in sorted(make_folder(tmp_path / "model").iterdir()):
        content = path.read_bytes()
        made = post(operator, "uploads", {"name": path.name, "size_bytes": len(content), "is_temporary": True})
        where, kind = f"/api/v1/uploads/{made.json()['id']}", "application/offset+octet-stream"
        assert operator.patch(where, content, content_type=kind, headers={"Upload-Offset": "0"}).status_code == 204
        ids.append(made.json()["id"])
        names.append(path.name)
    wrong = operator.post("/api/v1/models/large/versions", {"uploads": [*ids, "0" * 32]})
    assert (wrong.status_code, list(wrong.json()["error"]["fields"])) == (400, ["uploads"])
    made = operator.post("/api/v1/models/large/versions", {"uploads": ids})
    assert made.status_code == 202, made.content
    version = ModelVersion.objects.get()
    assert sorted(file.path for file in version.files.all()) == names
    assert {file.blob.references for file in version.files.all()} == {1}
    assert not Upload.objects.exists()
