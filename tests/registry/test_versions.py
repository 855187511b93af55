import io
import pickle
import threading
import zipfile
from pathlib import Path

import pytest
from django.db import connection

from audit.models import AuditEvent
from common.errors import Conflict, Invalid, TooLarge
from files.models import Blob
from files.services import open_blob, store
from jobs.models import Job
from registry import usage
from registry.models import ModelVersion, RegisteredModel
from registry.services import (
    add_version,
    archive_version,
    pass_check,
    recheck,
    refuse,
    register_model,
    set_alias,
    start_check,
    trust_version,
)
from tests.registry.make import (
    MANIFEST,
    SIGNATURE,
    files_of,
    make_folder,
    make_ready,
    make_user,
    make_version,
    make_weights,
)

pytestmark = pytest.mark.django_db
State = ModelVersion.State


def make_torchscript(path: Path):
    import torch

    torch.jit.save(torch.jit.script(torch.nn.Linear(4, 2)), str(path))
    return path


def actions():
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))


def test_add_version_when_a_folder_then_pending_with_its_blobs_job_and_audit(tmp_path):
    actor = make_user()
    version = make_version(tmp_path, actor=actor)
    assert (version.number, version.state, version.format) == (1, State.PENDING, "safetensors")
    assert version.created_by == actor
    assert {file.path for file in version.files.all()} == {"flueman.json", "model.safetensors"}
    for file in version.files.select_related("blob"):
        assert file.blob.references == 1
        assert store(open_blob(file.blob)).sha256 == file.blob.sha256
    job = Job.objects.get()
    assert (job.kind, job.payload, job.target_id) == (
        "inference.check_version",
        {"version_id": str(version.pk)},
        str(version.pk),
    )
    assert actions() == ["registry.model_registered", "registry.version_added"]
    assert RegisteredModel.objects.get().task == "tensor"


def test_add_version_when_a_zip_of_a_folder_then_the_same_version(tmp_path):
    folder = make_folder(tmp_path / "m")
    (folder / ".DS_Store").write_bytes(b"litter")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, file in files_of(folder).items():
            archive.write(file, f"내 모델/{path}")
    stream.seek(0)
    (folder / ".DS_Store").unlink()
    model = register_model(name="zipped", actor=None)
    zipped = add_version(model=model, files={"내 모델.zip": stream}, actor=None)
    plain = add_version(model=model, files=files_of(folder), actor=None)
    assert zipped.digest == plain.digest
    assert plain.number == 2
    assert {blob.references for blob in Blob.objects.all()} == {2}


def test_add_version_when_reused_then_the_version_with_the_same_content(tmp_path):
    first = make_version(tmp_path, is_reused=True)
    again = make_version(tmp_path, is_reused=True)
    other = make_version(tmp_path, value=0.25, is_reused=True)
    assert again == first
    assert other.number == 2


def test_add_version_when_bare_weights_then_the_manifest_is_written(tmp_path):
    weights = make_weights(tmp_path / "w.safetensors")
    model = register_model(name="bare", actor=None)
    given = {key: MANIFEST[key] for key in ("architecture", "arguments", "task", "signature")}
    version = add_version(model=model, files={"w.safetensors": weights}, manifest=given, actor=None)
    assert version.manifest == {**given, "weights": "w.safetensors", "format": "safetensors"}
    assert version.signature == SIGNATURE


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ({}, "files"),
        ({"a.safetensors": "weights"}, "flueman.json"),
        ({"../x": b"1"}, "files"),
        ({"x": b"1", "./x": b"2"}, "files"),
        ({"flueman.json": b"{}"}, "format"),
        ({"flueman.json": b"{"}, "flueman.json"),
        ({"model.tar": b"\0" * 257 + b"ustar" + b"\0" * 300}, "files"),
        ({"broken.zip": b"PK\x03\x04 not a zip"}, "broken.zip"),
    ],
    ids=["none", "no manifest", "outside", "twice", "empty manifest", "no json", "tar", "broken zip"],
)
def test_add_version_when_not_a_model_then_refused_with_the_field_and_nothing_kept(tmp_path, files, field):
    model = register_model(name="bad", actor=None)
    weights = make_weights(tmp_path / "w.safetensors").read_bytes()
    streams = {path: io.BytesIO(weights if content == "weights" else content) for path, content in files.items()}
    with pytest.raises(Invalid) as caught:
        add_version(model=model, files=streams, actor=None)
    assert field in caught.value.fields
    assert not ModelVersion.objects.exists()
    assert not Job.objects.exists()
    assert RegisteredModel.objects.get().last_version == 0


def test_add_version_when_a_pickle_hides_behind_another_name_then_refused_and_audited(tmp_path):
    model = register_model(name="evil", actor=None)
    folder = make_folder(tmp_path / "m")
    (folder / "labels.json").write_bytes(pickle.dumps({"a": print}))
    with pytest.raises(Invalid, match=r"labels\.json: is a pickle") as caught:
        add_version(model=model, files=files_of(folder), actor=None)
    assert caught.value.code == "refused_content"
    event = AuditEvent.objects.order_by("-sequence")[0]
    assert (event.action, event.outcome) == ("registry.version_added", "refused")
    assert not Blob.objects.exists()


def test_add_version_when_larger_than_allowed_then_too_large(tmp_path, settings):
    settings.MAX_UPLOAD_BYTES = 100
    with pytest.raises(TooLarge):
        make_version(tmp_path)


def test_check_when_passed_then_ready_and_a_second_verdict_conflicts(tmp_path):
    version = make_ready(make_version(tmp_path))
    assert version.state == State.READY
    assert version.checked_at
    with pytest.raises(Conflict):
        refuse(version=version, reason="late", report={})
    with pytest.raises(Conflict):
        start_check(version=version)
    version.refresh_from_db()
    assert version.state == State.READY


def test_check_when_begun_twice_then_the_second_attempt_may_go_on(tmp_path):
    version = make_version(tmp_path)
    start_check(version=version)
    assert start_check(version=version).state == State.CHECKING


def test_pass_check_when_converted_then_the_files_are_replaced(tmp_path):
    version = make_version(tmp_path)
    old = version.files.get(path="model.safetensors").blob
    start_check(version=version)
    new = store(make_weights(tmp_path / "n.safetensors", 0.75))
    manifest = version.manifest | {"weights": "converted.safetensors"}
    pass_check(version=version, report={"ms": 1}, converted={"converted.safetensors": new}, manifest=manifest)
    assert {file.path for file in version.files.all()} == {"flueman.json", "converted.safetensors"}
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.references, new.references) == (0, 1)
    assert version.weights_path == "converted.safetensors"
    assert version.size_bytes == sum(file.blob.size_bytes for file in version.files.select_related("blob"))


def test_pass_check_when_the_weights_are_no_file_of_it_then_still_not_ready(tmp_path):
    version = make_version(tmp_path)
    start_check(version=version)
    with pytest.raises(Invalid):
        pass_check(version=version, report={}, converted=None, manifest=version.manifest | {"weights": "other"})
    version.refresh_from_db()
    assert version.state == State.CHECKING


def test_program_when_added_then_waits_for_trust_with_a_reason(tmp_path):
    actor = make_user()
    manifest = {"task": "tensor", "signature": SIGNATURE}
    model = register_model(name="script", actor=actor)
    files = {"model.pt": make_torchscript(tmp_path / "m.pt")}
    version = add_version(model=model, files=files, manifest=manifest, actor=actor)
    assert (version.format, version.is_waiting_for_trust) == ("torchscript", True)
    assert not Job.objects.exists()
    with pytest.raises(Conflict):
        recheck(version=version, actor=actor)
    with pytest.raises(Invalid):
        trust_version(version=version, actor=actor, reason=" ")
    trust_version(version=version, actor=actor, reason="우리 팀이 만든 모델")
    assert Job.objects.count() == 1
    assert AuditEvent.objects.get(action="registry.version_trusted").reason == "우리 팀이 만든 모델"
    with pytest.raises(Conflict):
        trust_version(version=version, actor=actor, reason="again")


def test_trust_when_only_weights_then_conflict(tmp_path):
    with pytest.raises(Conflict):
        trust_version(version=make_version(tmp_path), actor=make_user(), reason="why")


def test_recheck_when_a_check_waits_then_conflict_and_when_refused_then_pending(tmp_path):
    version = make_version(tmp_path)
    with pytest.raises(Conflict):
        recheck(version=version, actor=None)
    start_check(version=version)
    refuse(version=version, reason="output y is FP64", report={})
    Job.objects.update(state=Job.State.SUCCEEDED)
    recheck(version=version, actor=None)
    assert (version.state, version.refusal) == (State.PENDING, "")
    assert Job.objects.unfinished().count() == 1


@pytest.fixture
def served():
    """Uses by version, as an app above would tell them."""
    uses = {}

    def find(_ids):
        return uses

    usage.register_finder(find)
    yield uses
    usage._finders.remove(find)


def test_archive_when_it_serves_then_conflict(tmp_path, served):
    version = make_ready(make_version(tmp_path))
    Job.objects.all().delete()
    served[version.pk] = [usage.Usage("intent", "/admin/")]
    with pytest.raises(Conflict, match="intent"):
        archive_version(version=version, actor=None)
    with pytest.raises(Conflict, match="intent"):
        recheck(version=version, actor=None)
    served.clear()
    archive_version(version=version, actor=None, reason="old")
    assert version.state == State.ARCHIVED
    recheck(version=version, actor=None)
    assert version.state == State.PENDING


def test_archive_when_an_alias_points_at_it_then_conflict(tmp_path):
    version = make_ready(make_version(tmp_path))
    set_alias(model=version.model, name="champion", version=version, actor=None)
    with pytest.raises(Conflict, match="champion"):
        archive_version(version=version, actor=None)


@pytest.mark.django_db(transaction=True)
def test_add_version_when_eight_at_once_then_numbers_without_gaps(tmp_path):
    model = register_model(name="crowd", actor=None)
    folders = [make_folder(tmp_path / str(n), n) for n in range(8)]
    failures = []

    def work(folder):
        try:
            add_version(model=model, files=files_of(folder), actor="test")
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(ModelVersion.objects.values_list("number", flat=True)) == list(range(1, 9))
    assert list(AuditEvent.objects.order_by("sequence").values_list("sequence", flat=True))[-1] == 9


@pytest.mark.django_db(transaction=True)
def test_verdicts_when_passed_and_refused_at_once_then_exactly_one_holds(tmp_path):
    version = make_version(tmp_path)
    start_check(version=version)
    won, lost = [], []

    def work(verdict):
        try:
            own = ModelVersion.objects.get(pk=version.pk)
            won.append(verdict(own).state)
        except Conflict:
            lost.append(1)
        finally:
            connection.close()

    verdicts = [
        lambda own: pass_check(version=own, report={}, converted=None, manifest=own.manifest),
        lambda own: refuse(version=own, reason="no", report={}),
    ]
    threads = [threading.Thread(target=work, args=(verdict,)) for verdict in verdicts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    version.refresh_from_db()
    assert (won, lost) == ([version.state], [1])


@pytest.mark.parametrize(
    "written",
    [
        '"metrics": [1, 2]',
        '"metrics": {"a": "high", "b": true, "c": 0.5}',
        '"description": {"x": 1}',
        '"description": "' + "길" * 1000 + '"',
    ],
)
def test_add_version_when_the_manifest_says_odd_things_then_only_numbers_and_text_are_kept(tmp_path, written):
    folder = make_folder(tmp_path / "m")
    text = (folder / "flueman.json").read_text(encoding="utf-8")
    (folder / "flueman.json").write_text(text.replace("{", "{" + written + ", ", 1), encoding="utf-8")
    version = add_version(model="odd", files=files_of(folder), actor=None)
    assert all(isinstance(value, float) for value in version.metrics.values())
    assert isinstance(version.description, str)


@pytest.mark.parametrize("written", ['"description": "\\ud800"', '"description": "a\\u0000b"', '"name": "\\u0000"'])
def test_add_version_when_the_manifest_holds_what_no_database_keeps_then_refused(tmp_path, written):
    folder = make_folder(tmp_path / "m")
    text = (folder / "flueman.json").read_text(encoding="utf-8")
    (folder / "flueman.json").write_text(text.replace("{", "{" + written + ", ", 1), encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        add_version(model="odd", files=files_of(folder), actor=None)
    assert caught.value.fields
    assert not ModelVersion.objects.exists()
