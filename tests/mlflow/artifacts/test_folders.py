"""Folders of MLflow as versions: what is served of them, and what is kept, shown and refused with the way out."""

import io
import json
import zipfile

import pytest
from django.core.management import call_command

from common.errors import Invalid
from files.services import open_blob
from inference.services import deploy
from jobs.models import Job
from registry.conversion import NotServable
from registry.models import AliasRule, ModelVersion
from registry.services import add_version, recheck, set_alias
from tests.accounts.making import make_client, make_user
from tests.mlflow.artifacts.making import make_mlflow, make_program, pickled
from tests.registry.make import MANIFEST, files_of, make_folder, make_ready, make_weights
from tests.runner.making_huggingface import make_huggingface

pytestmark = pytest.mark.django_db
State = ModelVersion.State


def make_pickled(tmp_path, **said):
    return make_mlflow(tmp_path / "saved", {"data/model.pth": pickled(), "data/pickle_module_info.txt": b"x"}, **said)


def add(folder, **more):
    return add_version(model="의도", files=files_of(folder), actor=None, **more)


def test_add_version_when_pickled_then_kept_whole_and_never_checked(tmp_path):
    folder = make_pickled(tmp_path)
    version = add(folder)
    assert (version.state, version.format, version.refusal) == (
        State.REGISTERED,
        "other",
        "data/model.pth: is a pickle, which runs code when it is read: save the weights as safetensors",
    )
    assert not Job.objects.exists()
    kept = {file.path: open_blob(file.blob).read() for file in version.files.select_related("blob")}
    assert kept == {path: source.read_bytes() for path, source in files_of(folder).items()}
    assert version.signature["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}]
    assert [one["name"] for one in version.manifest["mlflow"]["flavours"]] == ["python_function", "pytorch"]


def test_version_that_is_kept_when_it_shall_serve_then_refused_with_the_way_to_convert_it(tmp_path):
    version = add(make_pickled(tmp_path))
    for attempt in (
        lambda: deploy(name="d", version=version, actor=None),
        lambda: recheck(version=version, actor=None),
    ):
        with pytest.raises(NotServable, match=r"data/model\.pth") as refused:
            attempt()
        assert 'download_artifacts("models:/의도/1")' in refused.value.fields["conversion"]
        assert "import_model model.pt2" in refused.value.message
    version.refresh_from_db()
    assert version.state == State.REGISTERED


def test_version_that_is_kept_when_a_canary_a_shadow_or_weights_name_it_then_refused(tmp_path):
    from inference.services import set_weights, start_canary, start_shadow

    ready = make_ready(add_version(model="의도", files=files_of(make_folder(tmp_path / "m")), actor=None))
    deployment = deploy(name="d", version=ready, actor=None)
    kept = add(make_pickled(tmp_path))
    for attempt in (
        lambda: start_canary(deployment=deployment, version=kept, weight=5, actor=None),
        lambda: start_shadow(deployment=deployment, version=kept, share_percent=5, actor=None),
        lambda: set_weights(deployment=deployment, weights={ready.pk: 50, kept.pk: 50}, actor=None),
    ):
        with pytest.raises(NotServable):
            attempt()


def test_api_when_a_kept_version_shall_serve_then_409_with_commands_and_shown_with_its_facts(tmp_path):
    operator = make_client(make_user("operator"))
    add(make_pickled(tmp_path))
    body = json.dumps({"name": "d", "model": "의도", "version": 1})
    answer = operator.post("/api/v1/deployments", body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_servable"), answer.content
    assert "torch.export.save" in answer.json()["error"]["fields"]["conversion"]
    shown = operator.get("/api/v1/models/의도/versions/1").json()
    assert (shown["state"], shown["format"]) == ("registered", "other")
    assert shown["manifest"]["mlflow"]["mlflow_version"] == "3.17.2"


def test_add_version_when_torchscript_with_a_signature_then_waits_for_trust(tmp_path):
    folder = make_mlflow(tmp_path / "saved")
    make_program(folder / "data" / "model.pth")
    version = add(folder)
    assert (version.format, version.weights_path, version.is_waiting_for_trust) == (
        "torchscript",
        "data/model.pth",
        True,
    )
    assert version.signature["outputs"] == [{"name": "output", "datatype": "FP32", "shape": [-1, 2]}]
    assert {"MLmodel", "conda.yaml", "data/model.pth", "flueman.json"} <= {file.path for file in version.files.all()}


def test_add_version_when_torchscript_without_a_signature_then_kept_and_says_so(tmp_path):
    folder = make_mlflow(tmp_path / "saved", inputs=None)
    make_program(folder / "data" / "model.pth")
    version = add(folder)
    assert (version.state, version.format) == (State.REGISTERED, "other")
    assert version.refusal == (
        "nothing says what data/model.pth takes and gives: log it with a signature, or add flueman.json"
    )


def test_add_version_when_a_huggingface_folder_lies_within_then_served_from_the_top(tmp_path):
    folder = make_mlflow(tmp_path / "saved", flavours={"transformers": {"transformers_version": "4.57.1"}}, inputs=None)
    make_huggingface(folder / "model")
    (folder / "components" / "tokenizer").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / "model" / name).rename(folder / "components" / "tokenizer" / name)
    version = add(folder)
    assert (version.state, version.format, version.manifest["task"]) == (
        State.PENDING,
        "huggingface",
        "text-classification",
    )
    files = {file.path: file.blob_id for file in version.files.all()}
    assert files["model.safetensors"] == files["model/model.safetensors"]
    assert files["tokenizer.json"] == files["components/tokenizer/tokenizer.json"]
    assert version.manifest["mlflow"]["flavours"] == [{"name": "transformers", "version": "4.57.1"}]


def test_add_version_when_flueman_json_lies_within_then_its_paths_lead_there(tmp_path):
    folder = make_mlflow(tmp_path / "saved", flavours={})
    make_folder(folder / "artifacts" / "net")
    version = add(folder)
    assert (version.state, version.weights_path) == (State.PENDING, "artifacts/net/model.safetensors")
    assert make_ready(version).state == State.READY


def test_add_version_when_safetensors_without_an_architecture_then_kept_and_with_a_manifest_served(tmp_path):
    folder = make_mlflow(tmp_path / "saved", flavours={})
    make_weights(folder / "model.safetensors")
    assert add(folder).refusal == (
        "model.safetensors: nothing says which architecture these weights are for: add flueman.json to the folder"
    )
    given = {key: MANIFEST[key] for key in ("architecture", "arguments", "task", "signature")}
    assert add(folder, manifest=given).format == "safetensors"


def test_add_version_when_what_was_given_does_not_fit_then_refused(tmp_path):
    folder = make_mlflow(tmp_path / "saved", flavours={})
    make_weights(folder / "model.safetensors")
    with pytest.raises(Invalid, match="arguments"):
        add(folder, manifest={**MANIFEST, "arguments": {"sizes": "x"}})


def test_add_version_when_mlmodel_is_hostile_then_refused(tmp_path):
    folder = make_pickled(tmp_path)
    (folder / "MLmodel").write_text("flavors: !!python/name:os.system")
    with pytest.raises(Invalid, match="MLmodel"):
        add(folder)
    assert not ModelVersion.objects.exists()


def test_add_version_when_pickled_without_mlmodel_then_refused_as_ever(tmp_path):
    folder = make_pickled(tmp_path)
    (folder / "MLmodel").unlink()
    with pytest.raises(Invalid, match="pickle"):
        add(folder)


def test_upload_when_a_zip_of_an_mlflow_folder_by_rest_then_kept(tmp_path):
    operator = make_client(make_user("operator"))
    operator.post("/api/v1/models", {"name": "m"}, content_type="application/json")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for path, source in files_of(make_pickled(tmp_path)).items():
            target.write(source, f"saved/{path}")
    archive.seek(0)
    archive.name = "saved.zip"
    answer = operator.post("/api/v1/models/m/versions", {"files": [archive]})
    assert (answer.status_code, answer.json()["state"], answer.json()["job"]) == (202, "registered", None)


def test_import_model_when_pickled_then_kept_and_told_why_it_is_not_served(tmp_path):
    out = io.StringIO()
    call_command("import_model", str(make_pickled(tmp_path)), "--name", "m", stdout=out)
    said = out.getvalue()
    assert "data/model.pth" in said
    assert "import_model model.pt2" in said
    assert said.splitlines()[-1] == "m v1 registered"


@pytest.mark.parametrize("option", ["--alias=champion", "--deploy"])
def test_import_model_when_pickled_and_to_be_served_then_fails_with_the_way_out(tmp_path, option):
    from django.core.management import CommandError

    with pytest.raises(CommandError, match="import_model"):
        call_command("import_model", str(make_pickled(tmp_path)), "--name", "m", option, stdout=io.StringIO())


def test_admin_when_a_version_is_only_kept_then_its_page_says_why_and_how(tmp_path, client):
    version = add(make_pickled(tmp_path, flavours={"sklearn": {"sklearn_version": "<b>1.5"}}))
    client.force_login(make_user("operator"))
    page = client.get(f"/admin/registry/modelversion/{version.pk}/change/").content.decode()
    assert "mlserver start" in page
    assert "&lt;b&gt;1.5" in page
    assert "<b>1.5" not in page


def test_set_alias_when_protected_then_a_kept_version_is_refused_with_the_way_out_and_else_named(tmp_path):
    version, admin = add(make_pickled(tmp_path)), make_user("administrator")
    AliasRule.objects.create(name="champion", roles=["administrator"], approvals=0, is_gated=False)
    with pytest.raises(NotServable, match="import_model"):
        set_alias(model=version.model, name="champion", version=version, actor=admin)
    assert set_alias(model=version.model, name="candidate", version=version, actor=admin).version == version


@pytest.mark.parametrize("text", ["torch==2.5.1\n", "torch==2.5.1\nmlflow==3.17.2\n", "to.", "tR.", "(to."])
def test_add_version_when_a_list_of_packages_reads_like_a_pickle_then_text(tmp_path, text):
    folder = make_mlflow(tmp_path / "saved")
    (folder / "requirements.txt").write_text(text)
    make_program(folder / "data" / "model.pth")
    assert add(folder).format == "torchscript"


@pytest.mark.parametrize(
    "text",
    [
        b"cos\nsystem\n(S'id'\ntR.",
        b"(cos\nsystem\nS'id'\no.",
        b"(S'id'\nios\nsystem\n.",
        b"(dp0\n0cos\nsystem\n(S'id'\ntRt.",
    ],
)
def test_add_version_when_a_list_of_packages_is_a_pickle_then_kept(tmp_path, text):
    folder = make_mlflow(tmp_path / "saved", {"requirements.txt": text})
    make_program(folder / "data" / "model.pth")
    assert "requirements.txt: is a pickle" in add(folder).refusal
