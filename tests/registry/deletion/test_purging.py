"""What goes for good: rows, references of blobs, bytes; and that nothing that somebody needs goes with it."""

import io
import itertools
import threading
from collections import Counter
from datetime import timedelta

import polars as pl
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from audit.models import AuditEvent
from common.errors import Conflict, Invalid, NotFound, Unavailable
from files import housekeeping
from files.holders import count_all
from files.models import Blob
from files.services import add_file, add_reference, open_blob, release, store
from files.storage import is_kept, list_keys
from inference.models import BatchPart, BatchRun
from jobs.models import Job
from registry.models import AliasHistory, Evaluation, ModelFile, ModelVersion, RegisteredModel
from registry.services import (
    add_version,
    ask_purge,
    delete_model,
    delete_version,
    purge_expired,
    purge_model,
    purge_version,
    restore_model,
    restore_version,
    weigh,
)
from registry.services.purging import purge_asked
from tests.accounts.making import make_user
from tests.datasets.making import make_version as make_data
from tests.registry.make import files_of, make_folder, make_version


def age_blobs():
    Blob.objects.update(stored_at=timezone.now() - timedelta(days=1))


def counts_are_true():
    true = count_all()
    return all(blob.references == true[blob.pk] for blob in Blob.objects.all())


@pytest.mark.django_db
def test_purge_version_when_deleted_then_rows_and_bytes_go_and_the_audit_says_what(tmp_path):
    version, other = make_version(tmp_path), make_version(tmp_path, value=0.1)
    manifest = ModelFile.objects.get(version=version, path="flueman.json").blob
    weights = ModelFile.objects.get(version=version, path="model.safetensors").blob
    delete_version(version=version, actor=None)
    restore_at = version.pk
    gone = purge_version(version=version, actor=None, typed="numbers v1", reason="secret inside")
    assert (gone.versions, gone.files) == (1, 2)
    assert gone.freed_bytes == weights.size_bytes  # both have the same manifest
    assert not ModelVersion.objects.filter(pk=restore_at).exists()
    event = AuditEvent.objects.get(action="registry.version_purged")
    assert event.target_id == str(restore_at)
    assert event.reason == "secret inside"
    assert any(weights.pk in line for line in event.before["files"])
    age_blobs()
    told = housekeeping.remove_unused()
    assert (told.blobs, told.freed_bytes, told.left, told.fresh) == (1, weights.size_bytes, 0, 0)
    assert not default_storage.exists(weights.storage_key)
    assert open_blob(manifest).read()
    assert counts_are_true()
    assert make_version(tmp_path, value=0.9).number == 3
    assert ModelVersion.objects.filter(pk=other.pk).exists()


@pytest.mark.django_db
def test_purge_when_not_deleted_or_another_name_typed_then_refused(tmp_path):
    version = make_version(tmp_path)
    with pytest.raises(Conflict):
        purge_version(version=version, actor=None, typed="numbers v1")
    with pytest.raises(Conflict):
        purge_model(model=version.model, actor=None, typed="numbers")
    delete_model(model=version.model, actor=None)
    for typed in ("", "numbers v2", "number v1", f"{version.model.name} v1"):
        with pytest.raises(Invalid):
            purge_version(version=version, actor=None, typed=typed)
    with pytest.raises(Invalid):
        ask_purge(model=version.model, actor=make_user("operator"), typed=version.model.name)
    assert ModelVersion.objects.count() == 1


@pytest.mark.django_db
def test_purge_model_when_it_has_batch_runs_and_evaluations_then_these_go_and_results_stay(tmp_path):
    owner = make_user("operator")
    version = make_version(tmp_path)
    stored = add_file(stream=io.BytesIO(b"rows"), name="rows.csv", owner=owner)
    answers = store(io.BytesIO(b"answers"))
    add_reference(blob=answers)
    part = store(io.BytesIO(b"part"))
    add_reference(blob=part)
    add_reference(blob=stored.blob)
    job = Job.objects.create(kind="inference.run_batch", state=Job.State.FAILED)
    run = BatchRun.objects.create(
        version=version, file=stored, file_name="rows.csv", blob=stored.blob, format="csv", columns={}, job=job
    )
    BatchPart.objects.create(run=run, number=0, rows=1, position=0, blob=part)
    evaluation = {"task": "classification", "answers": answers, "finished_at": timezone.now()}
    Evaluation.objects.create(version=version, dataset_version=make_data(pl.DataFrame({"text": ["a"]})), **evaluation)
    assert counts_are_true()
    delete_model(model=version.model, actor=None)
    gone = purge_model(model=version.model, actor=owner, typed="numbers")
    assert gone.versions == 1
    assert not RegisteredModel.objects.exists()
    assert not BatchRun.objects.exists()
    assert not Evaluation.objects.exists()
    assert counts_are_true()
    stored.blob.refresh_from_db()
    assert stored.blob.references == 1
    assert Blob.objects.get(pk=answers.pk).references == 0


@pytest.mark.django_db
def test_ask_purge_when_asked_twice_then_one_job_and_no_restore_meanwhile(tmp_path):
    owner = make_user("administrator")
    versions = [make_version(tmp_path, value=n / 10) for n in range(3)]
    model = versions[0].model
    delete_model(model=model, actor=owner)
    job = ask_purge(model=model, actor=owner, typed="numbers", reason="old")
    assert ask_purge(model=model, actor=owner, typed="numbers").pk == job.pk
    with pytest.raises(Conflict) as refused:
        restore_model(model=model, actor=owner)
    assert refused.value.code == "deleted"
    gone = purge_asked(model_id=job.payload["model_id"], actor=owner)
    assert gone.versions == 3
    assert purge_asked(model_id=job.payload["model_id"], actor=owner).versions == 0
    assert not AliasHistory.objects.exists()


@pytest.mark.django_db
def test_purge_expired_when_some_are_older_then_only_those_go_and_what_is_left_is_told(tmp_path, settings):
    settings.DELETED_KEEP_DAYS = 3
    old, young, kept = (make_version(tmp_path, f"m{n}") for n in range(3))
    for version in (old, young):
        delete_model(model=version.model, actor=None)
    delete_version(version=kept, actor=None)
    RegisteredModel.objects.filter(pk=old.model_id).update(deleted_at=timezone.now() - timedelta(days=4))
    ModelVersion.objects.filter(pk=kept.pk).update(deleted_at=timezone.now() - timedelta(days=4))
    told = []
    assert purge_expired(told=told.append).versions == 2
    assert told == []
    assert [model.deleted_name for model in RegisteredModel.objects.deleted()] == ["m1"]
    assert RegisteredModel.objects.present().get().name == "m2"
    event = AuditEvent.objects.filter(action="registry.model_purged").get()
    assert event.target_label == "m0"


@pytest.mark.django_db
def test_weigh_when_others_hold_the_same_then_only_what_is_theirs_alone_is_freed(tmp_path):
    version = make_version(tmp_path)
    owner = make_user("operator")
    for file in version.files.select_related("blob"):
        add_file(stream=io.BytesIO(open_blob(file.blob).read()), name=file.path, owner=owner)
    weight = weigh(ModelVersion.objects.filter(pk=version.pk))
    assert weight.size_bytes == version.size_bytes
    assert weight.freed_bytes == 0


@pytest.mark.django_db
def test_remove_unused_when_some_are_fresh_or_held_unseen_then_told(tmp_path):
    fresh = store(io.BytesIO(b"fresh"))
    held = add_file(stream=io.BytesIO(b"held"), name="h", owner=make_user("operator")).blob
    Blob.objects.filter(pk=held.pk).update(references=0, stored_at=timezone.now() - timedelta(days=1))
    told = housekeeping.remove_unused()
    assert (told.blobs, told.freed_bytes) == (0, 0)
    assert (told.fresh, told.fresh_bytes) == (1, fresh.size_bytes)
    assert (told.left, told.left_bytes) == (1, held.size_bytes)


@pytest.mark.django_db
def test_release_when_more_times_than_held_then_refused():
    blob = store(io.BytesIO(b"x"))
    add_reference(blob=blob)
    with pytest.raises(Conflict):
        release(blob=blob, times=2)
    release(blob=blob)
    assert Blob.objects.get().references == 0


def churn(number, folders, turns, done):
    """Add versions; of two one is deleted and restored, the other deleted and purged."""
    for turn in range(turns):
        version = add_until_kept(f"m{number}", folders[(number + turn) % len(folders)], done)
        delete_version(version=version, actor=None)
        if turn % 2:
            restore_version(version=version, actor=None)
        else:
            purge_version(version=version, actor=None, typed=str(version))
        done["kept" if turn % 2 else "purged"] += 1


def add_until_kept(model, folder, done):
    """Add a version; again when a collection without grace took its content between the store and the row."""
    for _ in range(100):
        try:
            return add_version(model=model, files=files_of(folder), actor=None)
        except (NotFound, Unavailable):
            done["again"] += 1
    raise AssertionError("the collection takes everything")


def collect(stop):
    """Collect after pauses of 10 ms to 1.3 s: some shorter than it takes to add a version, some longer."""
    pauses = itertools.cycle(0.01 * 2**n for n in range(8))
    while not stop.is_set():
        for blob in housekeeping.unused_blobs():
            housekeeping.remove_one(blob.pk)
        stop.wait(next(pauses))


def begin(work, *arguments, failures):
    def run():
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(repr(error))
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_purge_when_the_same_content_is_uploaded_and_collected_meanwhile_then_nothing_needed_is_lost(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(housekeeping, "GRACE", timedelta(0))
    folders = [make_folder(tmp_path / f"content{n}", n / 7) for n in range(2)]
    left_by_others = set(list_keys())
    failures, stop, done = [], threading.Event(), Counter()
    workers = [begin(churn, n, folders, 4, done, failures=failures) for n in range(3)]
    collector = begin(collect, stop, failures=failures)
    for thread in workers:
        thread.join()
    stop.set()
    collector.join()
    assert failures == []
    assert done["purged"] == done["kept"] == 6
    for file in ModelFile.objects.select_related("blob"):
        assert is_kept(file.blob.storage_key, file.blob.size_bytes), "a row without bytes"
    assert counts_are_true()
    for model in RegisteredModel.objects.all():
        delete_model(model=model, actor=None)
        purge_model(model=model, actor=None, typed=str(model))
    housekeeping.remove_unused()
    assert not Blob.objects.exists()
    assert set(list_keys()) <= left_by_others
