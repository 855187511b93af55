import threading

import polars as pl
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import translation

from accounts.roles import ROLES
from audit.models import AuditEvent
from common.errors import Conflict, Invalid
from datasets.usage import find_products
from inference.services import deploy
from jobs.models import Job
from registry.models import AliasRule, Evaluation, ModelAlias, ModelVersion, RegisteredModel
from registry.services import (
    add_version,
    archive_version,
    delete_model,
    delete_version,
    recheck,
    register_model,
    restore_model,
    restore_version,
    set_alias,
    set_tag,
    start_check,
    update_model,
    update_version,
)
from tests.datasets.making import make_version as make_data
from tests.registry.make import files_of, make_folder, make_ready, make_user, make_version

pytestmark = pytest.mark.django_db
State = ModelVersion.State


def actions():
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))


def test_delete_version_when_ready_then_in_no_list_and_restored_as_it_was(tmp_path):
    version = make_ready(make_version(tmp_path))
    other = make_version(tmp_path, value=0.1)
    set_alias(model=version.model, name="staging", version=version, actor=None)
    delete_version(version=version, actor=None, reason="by mistake")
    assert (version.state, version.state_before) == (State.DELETED, State.READY)
    assert version.deleted_at is not None
    assert list(ModelVersion.objects.present()) == [other]
    assert not ModelVersion.objects.ready().exists()
    assert not ModelAlias.objects.exists()
    assert version.model.alias_history.get(name="staging").until is not None
    restore_version(version=version, actor=None)
    assert (version.state, version.state_before, version.deleted_at) == (State.READY, "", None)
    assert actions()[-3:] == ["registry.alias_deleted", "registry.version_deleted", "registry.version_restored"]
    with pytest.raises(Conflict):
        restore_version(version=version, actor=None)


def test_delete_version_when_the_last_one_then_its_number_never_comes_back(tmp_path):
    version = make_version(tmp_path)
    delete_version(version=version, actor=None)
    assert make_version(tmp_path, value=0.2).number == 2
    with pytest.raises(Conflict):
        delete_version(version=version, actor=None)


def test_delete_version_when_being_checked_then_its_check_ends_and_a_restore_asks_for_another(tmp_path):
    version = make_version(tmp_path)
    start_check(version=version)
    delete_version(version=version, actor=None)
    assert Job.objects.get().state == Job.State.CANCELLED
    restore_version(version=version, actor=None)
    assert version.state == State.PENDING
    assert Job.objects.unfinished().count() == 1


def test_delete_version_when_it_serves_or_is_evaluated_or_protected_then_refused(tmp_path):
    version = make_ready(make_version(tmp_path))
    deploy(name="calls", version=version, actor=None)
    with pytest.raises(Conflict, match="calls"):
        delete_version(version=version, actor=None)
    with pytest.raises(Conflict, match="calls"):
        delete_model(model=version.model, actor=None)
    other = make_ready(make_version(tmp_path, value=0.3))
    job = Job.objects.create(kind="test.evaluate")
    evaluation = Evaluation.objects.create(
        version=other, dataset_version=make_data(pl.DataFrame({"text": ["a"]})), task="classification", job=job
    )
    with pytest.raises(Conflict, match="문장"):
        delete_version(version=other, actor=None)
    Job.objects.filter(pk=evaluation.job_id).update(state=Job.State.SUCCEEDED)
    set_alias(model=other.model, name="Best", version=other, actor=None)
    AliasRule.objects.create(model=None, name="best", roles=list(ROLES), approvals=0)
    with pytest.raises(Conflict) as refused:
        delete_version(version=other, actor=None)
    assert refused.value.code == "alias_protected"
    other.refresh_from_db()
    assert other.state == State.READY
    assert ModelAlias.objects.filter(name="Best").exists()


@translation.override("ko")
def test_deploy_when_deleted_then_refused_and_said_so(tmp_path):
    version = make_ready(make_version(tmp_path))
    delete_version(version=version, actor=None)
    with pytest.raises(Conflict, match="삭제됨"):
        deploy(name="calls", version=version, actor=None)


def test_delete_model_when_some_versions_were_deleted_before_then_a_restore_leaves_those(tmp_path):
    first, second = make_ready(make_version(tmp_path)), make_version(tmp_path, value=0.1)
    model = first.model
    delete_version(version=second, actor=None)
    delete_model(model=model, actor=None, reason="no longer used")
    assert (model.name, str(model), model.deleted_name) == (f"numbers~{model.pk}", "numbers", "numbers")
    assert not ModelVersion.objects.present().exists()
    again = register_model(name="numbers", actor=None)
    assert again.pk != model.pk
    assert make_version(tmp_path, value=0.4).number == 1
    with pytest.raises(Conflict) as refused:
        restore_model(model=model, actor=None)
    assert refused.value.code == "name_taken"
    restore_model(model=model, actor=None, name="numbers-old")
    assert (model.name, model.deleted_name, model.deleted_at) == ("numbers-old", "", None)
    assert list(model.versions.present()) == [first]
    first.refresh_from_db()
    assert first.state == State.READY


def test_restore_version_when_its_model_is_deleted_then_refused(tmp_path):
    version = make_version(tmp_path)
    delete_version(version=version, actor=None)
    delete_model(model=version.model, actor=None)
    with pytest.raises(Conflict) as refused:
        restore_version(version=version, actor=None)
    assert refused.value.code == "deleted"


def test_writes_when_deleted_then_refused(tmp_path):
    version = make_ready(make_version(tmp_path))
    model, kept = version.model, make_ready(make_version(tmp_path, value=0.2))
    delete_version(version=version, actor=None)
    for write in (
        lambda: recheck(version=version, actor=None),
        lambda: archive_version(version=version, actor=None),
        lambda: update_version(version=version, actor=None, description="x"),
        lambda: set_tag(target=version, key="a", value="b", actor=None),
        lambda: set_alias(model=model, name="a", version=version, actor=None),
    ):
        with pytest.raises(Conflict):
            write()
    delete_model(model=model, actor=None)
    for write in (
        lambda: update_model(model=model, actor=None, task="x"),
        lambda: set_tag(target=model, key="a", value="b", actor=None),
        lambda: set_alias(model=model, name="a", version=kept, actor=None),
        lambda: add_version(model=model, files=files_of(make_folder(tmp_path / "new", 0.7)), actor=None),
    ):
        with pytest.raises(Conflict):
            write()


def test_reuse_when_the_same_content_is_deleted_then_a_new_version(tmp_path):
    version = make_version(tmp_path)
    delete_version(version=version, actor=None)
    folder = make_folder(tmp_path / "again", 0.5)
    made = add_version(model=version.model, files=files_of(folder), actor=None, is_reused=True)
    assert made.number == 2


def test_lineage_when_a_version_is_deleted_then_it_is_left_out(tmp_path):
    data = make_data(pl.DataFrame({"text": ["a"]}))
    version = make_version(tmp_path, trained_on=[data])
    assert find_products([data.pk])
    delete_version(version=version, actor=None)
    assert not find_products([data.pk]).get(data.pk)


@pytest.mark.django_db(transaction=True)
def test_delete_version_when_deployed_at_the_same_time_then_one_of_the_two(tmp_path):
    """Either it serves and is there, or it is deleted and serves nothing."""
    for turn in range(5):
        version = make_ready(make_version(tmp_path, f"m{turn}"))
        start, ended = threading.Barrier(2), []

        def run(work, start=start, ended=ended):
            try:
                start.wait()
                work()
                ended.append(True)
            except Conflict:
                ended.append(False)
            finally:
                connection.close()

        name = f"calls{turn}"
        threads = [
            threading.Thread(target=run, args=(lambda v=version, n=name: deploy(name=n, version=v, actor=None),)),
            threading.Thread(target=run, args=(lambda v=version: delete_version(version=v, actor=None),)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        version.refresh_from_db()
        assert sorted(ended) == [False, True]
        assert version.routes.exists() == (version.state == State.READY)


def test_purge_models_when_dry_then_nothing_goes_and_the_weight_is_told(tmp_path, capsys):
    version = make_version(tmp_path)
    delete_model(model=version.model, actor=None)
    call_command("purge_models", "--dry-run", "--days", "0")
    told = capsys.readouterr().out
    assert "numbers: with all versions" in told
    assert "would go: 1 versions, 2 files" in told
    assert RegisteredModel.objects.count() == 1
    call_command("purge_models")
    assert RegisteredModel.objects.count() == 1
    call_command("purge_models", "--days", "0")
    assert not RegisteredModel.objects.exists()


def test_restore_model_when_the_other_name_is_bad_then_refused(tmp_path):
    version = make_version(tmp_path)
    delete_model(model=version.model, actor=None)
    with pytest.raises(Invalid):
        restore_model(model=version.model, actor=make_user(), name="a~1")
