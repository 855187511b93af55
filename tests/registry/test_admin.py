import io
import json

import pytest
from django.urls import reverse

from inference.services import deploy
from jobs.models import Job
from registry.models import ModelVersion, RegisteredModel
from registry.services import note_step, refuse, register_model, set_alias, start_check
from tests.registry.make import SIGNATURE, files_of, make_folder, make_ready, make_version, make_weights
from tests.registry.pages import log_in, page_of, verb_of
from tests.registry.test_versions import make_torchscript

pytestmark = pytest.mark.django_db
UPLOAD = reverse("admin:registry_registeredmodel_upload")
LIST = reverse("admin:registry_registeredmodel_changelist")


def live_of(version):
    return reverse("admin:registry_modelversion_live", args=[version.pk])


def make_program(tmp_path):
    from registry.services import add_version

    files = {"model.pt": make_torchscript(tmp_path / "m.pt")}
    model = register_model(name="script", actor=None)
    return add_version(model=model, files=files, manifest={"task": "tensor", "signature": SIGNATURE}, actor=None)


def test_list_when_models_then_the_aliases_and_the_newest_state_are_shown(tmp_path):
    version = make_ready(make_version(tmp_path, "의도"))
    set_alias(model=version.model, name="champion", version=version, actor=None)
    make_version(tmp_path, "의도", 0.1)
    text = log_in().get(LIST).content.decode()
    assert "champion" in text
    assert "waiting for its check" in text
    assert "1 model, 0 of them in use" in text


def test_list_when_more_models_then_no_more_queries(tmp_path, django_assert_max_num_queries):
    client = log_in()
    for n in range(12):
        make_version(tmp_path, f"m{n}")
    client.get(LIST)
    with django_assert_max_num_queries(18):
        assert client.get(LIST).status_code == 200


def test_model_page_when_many_versions_then_no_more_queries(tmp_path, django_assert_max_num_queries):
    client = log_in()
    versions = [make_ready(make_version(tmp_path, "m", n / 16, metrics={"f1": 0.9 + n / 100})) for n in range(8)]
    set_alias(model=versions[0].model, name="champion", version=versions[2], actor=None)
    with django_assert_max_num_queries(26):
        text = client.get(page_of(versions[0].model)).content.decode()
    assert "Use m v3, the champion" in text
    assert "0.97" in text


def test_model_page_when_a_newer_version_is_a_canary_then_the_live_one_is_to_be_used(tmp_path):
    one, two = (make_ready(make_version(tmp_path, "m", n / 16, metrics={"rows": 4000.0 + 1000 * n})) for n in range(2))
    route = deploy(name="m", version=one, actor=None, reason="").routes.get()
    route.deployment.routes.create(version=two, kind="canary", weight=10)
    text = log_in().get(page_of(one.model)).content.decode()
    assert "Use m v1: it serves deployment m" in text
    assert "deployment m (canary)" in text
    assert "5,000 <small" in text
    assert ">+1,000</small>" in text


def test_model_page_when_empty_then_it_says_how_to_begin():
    model = register_model(name="m", actor=None)
    text = log_in().get(page_of(model)).content.decode()
    assert "m has no versions yet" in text
    assert f"{UPLOAD}?model=m" in text


def test_version_page_when_ready_then_signature_files_and_no_raw_json(tmp_path):
    version = make_ready(make_version(tmp_path, metrics={"f1": 0.9}))
    text = log_in().get(page_of(version)).content.decode()
    assert "passed its check and can be deployed" in text
    assert "rows × 4" in text
    assert version.files.get(path="model.safetensors").blob_id in text
    assert '{"' not in text
    assert "{&quot;" not in text


def test_version_page_when_refused_then_the_reason_and_the_cure(tmp_path):
    version = start_check(version=make_version(tmp_path))
    step = {"step": "signature", "state": "failed", "message": "output `y` is FP64", "ms": 3}
    refuse(version=version, reason="output `y` is FP64", report={"steps": [step]})
    text = log_in().get(page_of(version)).content.decode()
    assert "was refused: output `y` is FP64" in text
    assert "Change the signature" in text
    assert "rg-skipped" in text


def test_live_when_being_checked_then_goes_on_and_when_over_then_ends(tmp_path):
    client, version = log_in(), start_check(version=make_version(tmp_path))
    note_step(version=version, step={"step": "open", "state": "passed", "message": "safetensors", "ms": 4})
    answer = client.get(live_of(version))
    assert "X-Live-Done" not in answer
    assert answer.content.decode().count("rg-passed") == answer.content.decode().count("rg-running") == 1
    assert "data-live" in client.get(page_of(version)).content.decode()
    make_ready(version)
    answer = client.get(live_of(version))
    assert answer["X-Live-Done"] == "1"
    assert "passed its check" in answer.content.decode()


def test_live_when_the_job_failed_then_ends_and_says_so(tmp_path):
    client, version = log_in(), make_version(tmp_path)
    Job.objects.update(state=Job.State.FAILED, error="the model host does not answer")
    answer = client.get(live_of(version))
    assert answer["X-Live-Done"] == "1"
    assert "the model host does not answer" in answer.content.decode()


def test_verbs_when_confirmed_with_a_reason_then_done(tmp_path):
    client, version = log_in(), make_ready(make_version(tmp_path))
    Job.objects.update(state=Job.State.SUCCEEDED)
    assert client.get(verb_of(version, "archive")).status_code == 200
    assert client.post(verb_of(version, "archive"), {"reason": ""}).status_code == 200
    assert client.post(verb_of(version, "archive"), {"reason": "old"}).status_code == 302
    version.refresh_from_db()
    assert version.state == "archived"
    assert client.post(verb_of(version, "recheck"), {"reason": "back"}).status_code == 302
    version.refresh_from_db()
    assert version.state == "pending"


def test_alias_when_set_on_the_page_then_points_there_and_a_bad_name_is_told(tmp_path):
    client, version = log_in(), make_ready(make_version(tmp_path))
    assert "version number" in client.post(verb_of(version, "alias"), {"name": "v2"}).content.decode()
    assert client.post(verb_of(version, "alias"), {"name": "champion"}).status_code == 302
    assert version.aliases.get().name == "champion"


def test_trust_when_an_operator_then_refused_and_when_an_administrator_then_done(tmp_path):
    version = make_program(tmp_path)
    assert log_in().post(verb_of(version, "trust"), {"reason": "ours"}).status_code == 403
    administrator = log_in("administrator")
    assert "waits for somebody to trust it" in administrator.get(page_of(version)).content.decode()
    assert administrator.post(verb_of(version, "trust"), {"reason": "ours"}).status_code == 302
    version.refresh_from_db()
    assert version.is_trusted


def test_words_when_edited_then_kept():
    model = register_model(name="m", actor=None)
    url = verb_of(model, "describe")
    assert log_in().post(url, {"description": "문장의 의도", "task": "tensor"}).status_code == 302
    model.refresh_from_db()
    assert model.description == "문장의 의도"


def send(client, files, **form):
    return client.post(UPLOAD, {"files": files, **form}, headers={"Accept": "application/json"})


def test_upload_when_a_folder_is_sent_by_script_then_leads_to_the_version(tmp_path):
    files = files_of(make_folder(tmp_path / "m"))
    paths = [f"내 모델/{path}" for path in files]
    answer = send(log_in(), [path.open("rb") for path in files.values()], model="새-모델", paths=paths)
    version = ModelVersion.objects.get()
    assert answer.json() == {"url": page_of(version)}
    assert version.model.name == "새-모델"
    assert {file.path for file in version.files.all()} == set(files)


def test_upload_when_bare_weights_are_described_then_the_manifest_is_written(tmp_path):
    weights = make_weights(tmp_path / "w.safetensors")
    form = {"architecture": "mlp", "mlp.sizes": "4, 2", "task": "tensor"}
    form |= {"inputs": "x FP32 [-1, 4]", "outputs": "y: fp32 [-1,2]"}
    answer = log_in().post(UPLOAD, {"files": [weights.open("rb")], "model": "m", **form})
    version = ModelVersion.objects.get()
    assert answer["Location"] == page_of(version)
    assert version.signature == SIGNATURE
    assert version.manifest["arguments"] == {"sizes": [4, 2]}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": "a b"}, "name"),
        ({"model": "m"}, "flueman.json"),
        ({"model": "m", "architecture": "mlp", "mlp.sizes": "4, two"}, "inputs"),
        ({"model": "m", "architecture": "mlp", "inputs": "x FP32", "outputs": "y"}, "inputs"),
    ],
)
def test_upload_when_wrong_then_the_field_is_named_and_the_page_keeps_what_was_typed(tmp_path, form, field):
    client, weights = log_in(), make_weights(tmp_path / "w.safetensors")
    answer = send(client, [weights.open("rb")], **form)
    assert answer.status_code == 400
    assert field in answer.json()["fields"], answer.content
    page = client.post(UPLOAD, {"files": [weights.open("rb")], "description": "새 설명", **form})
    assert page.status_code == 400
    assert "새 설명" in page.content.decode()
    assert not ModelVersion.objects.exists()


def test_upload_when_refused_then_no_empty_model_is_left():
    evil = io.BytesIO(b"\x80\x04cposix\nsystem\n.")
    evil.name = "model.pt"
    answer = send(log_in(), [evil], model="evil")
    assert answer.status_code == 400
    assert "pickle" in json.dumps(answer.json())
    assert not RegisteredModel.objects.exists()


@pytest.mark.parametrize("role", ["reviewer", "auditor"])
def test_upload_when_the_role_may_not_then_refused(role):
    client = log_in(role)
    assert client.get(UPLOAD).status_code == 403
    assert client.get(LIST).status_code == 200
    assert UPLOAD not in client.get(LIST).content.decode()


def test_pages_when_in_korean_then_translated(tmp_path):
    version = make_ready(make_version(tmp_path))
    client = log_in()
    client.cookies["django_language"] = "ko"
    for url in (LIST, UPLOAD, page_of(version), page_of(version.model)):
        text = client.get(url, headers={"Accept-Language": "ko"}).content.decode()
        assert "모델" in text
        assert "Upload" not in text
