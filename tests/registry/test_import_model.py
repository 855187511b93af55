import io
import json
import threading
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from inference.labels import label_names
from inference.models import Deployment
from jobs.models import Job, JobLog
from registry.models import ModelAlias, ModelVersion
from registry.services import pass_check, refuse, start_check
from tests.registry.make import MANIFEST, make_folder, make_ready, make_user, make_weights
from tests.runner.making_huggingface import make_huggingface

State = ModelVersion.State


def run(*arguments):
    out = io.StringIO()
    call_command("import_model", *map(str, arguments), stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.django_db
def test_import_model_when_twice_then_one_version(tmp_path):
    folder = make_folder(tmp_path / "m")
    first = run(folder, "--name", "의도", "--no-wait")
    again = run(folder, "--name", "의도", "--no-wait")
    assert first[-1] == again[-1] == "의도 v1 pending"
    assert ModelVersion.objects.count() == Job.objects.count() == 1


@pytest.mark.django_db
def test_import_model_when_ready_then_alias_and_deployment(tmp_path):
    folder = make_folder(tmp_path / "m")
    run(folder, "--name", "m", "--no-wait")
    make_ready(ModelVersion.objects.get())
    user = make_user(is_superuser=True)
    for _ in range(2):
        lines = run(folder, "--name", "m", "--alias", "champion", "--deploy", "--user", user.username)
        assert lines[-1] == "m v1 ready, alias champion, deployed"
    assert ModelAlias.objects.get().version.number == 1
    assert Deployment.objects.get().name == "m"


@pytest.mark.django_db
def test_import_model_when_a_bare_file_with_a_manifest_then_added(tmp_path):
    weights = make_weights(tmp_path / "model.safetensors")
    manifest = tmp_path / "given.json"
    manifest.write_text(json.dumps(MANIFEST), encoding="utf-8")
    assert run(weights, "--name", "m", "--manifest", manifest, "--no-wait")[-1] == "m v1 pending"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["/no/such", "--name", "m"], "there is no /no/such"),
        (["{folder}", "--name", "a b"], "letters of any script"),
        (["{folder}", "--name", "m", "--no-wait", "--deploy"], "leave out --no-wait"),
        (["{folder}", "--name", "m", "--user", "nobody"], "no user nobody"),
        (["{folder}/model.safetensors", "--name", "m"], "flueman.json"),
        (["{folder}", "--name", "m", "--timeout", "0"], "not over after 0 s"),
    ],
)
def test_import_model_when_it_cannot_then_told_why(tmp_path, arguments, reason):
    folder = make_folder(tmp_path / "m")
    with pytest.raises(CommandError, match=reason):
        run(*(argument.format(folder=folder) for argument in arguments))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_good", [True, False])
def test_import_model_when_the_check_ends_then_its_steps_and_verdict_are_told(tmp_path, is_good):
    def check():
        while not (version := ModelVersion.objects.select_related("model").first()):
            time.sleep(0.05)
        start_check(version=version)
        JobLog.objects.create(job=Job.objects.get(), message="Opening the files: safetensors")
        time.sleep(0.5)
        if is_good:
            pass_check(version=version, report={}, converted=None, manifest=version.manifest)
        else:
            refuse(version=version, reason="output `y` is FP64, the signature says FP32", report={})
        connection.close()

    checker = threading.Thread(target=check)
    checker.start()
    out, told = io.StringIO(), ""
    try:
        call_command("import_model", str(make_folder(tmp_path / "m")), "--name", "m", stdout=out)
    except CommandError as error:
        told = str(error)
    finally:
        checker.join()
    if is_good:
        assert out.getvalue().splitlines()[-1] == "m v1 ready"
    else:
        assert "output `y` is FP64" in told
    assert "Opening the files: safetensors" in out.getvalue()


@pytest.mark.django_db
def test_import_model_when_refused_before_then_checked_again(tmp_path):
    folder = make_folder(tmp_path / "m")
    run(folder, "--name", "m", "--no-wait")
    version = start_check(version=ModelVersion.objects.get())
    refuse(version=version, reason="no", report={})
    Job.objects.update(state=Job.State.SUCCEEDED)
    with pytest.raises(CommandError, match="not over"):
        run(folder, "--name", "m", "--timeout", "0")
    assert ModelVersion.objects.get().state == State.PENDING
    assert Job.objects.unfinished().count() == 1


@pytest.mark.django_db
def test_import_when_a_hugging_face_folder_is_shown_tells_its_manifest_and_keeps_nothing(tmp_path):
    folder = make_huggingface(tmp_path / "tagger", "token-classification")
    said = io.StringIO()
    call_command("import_model", str(folder), "--name", "tagger", "--show", stdout=said)
    told = json.loads(said.getvalue())
    assert (told["task"], told["architecture"]) == ("token-classification", "BertForTokenClassification")
    assert not ModelVersion.objects.exists()
    assert not (folder / "labels.json").exists()


@pytest.mark.django_db
def test_import_when_a_hugging_face_folder_is_sent_keeps_it_with_manifest_and_labels(tmp_path):
    folder = make_huggingface(tmp_path / "tagger", "token-classification")
    call_command("import_model", str(folder), "--name", "tagger", "--no-wait", stdout=io.StringIO())
    version = ModelVersion.objects.get()
    assert (version.format, version.model.task) == ("huggingface", "token-classification")
    assert {"flueman.json", "labels.json", "model.safetensors"} <= set(version.files.values_list("path", flat=True))
    assert label_names(version)["B-LOC"] == "B-LOC"
    (folder / "modeling.py").write_text("import os")
    with pytest.raises(CommandError, match="is code, which is never run"):
        call_command("import_model", str(folder), "--name", "tagger", "--no-wait")
