"""Protected aliases: who may move them, what they ask, how they go back, and what is remembered."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from common.errors import Conflict, Invalid, NotAllowed, NotFound
from registry.models import AliasHistory, AliasRule, ModelAlias, ModelVersion
from registry.services import (
    archive_version,
    delete_alias,
    delete_version,
    protect_alias,
    recheck,
    restore_version,
    rollback_alias,
    set_alias,
    unprotect_alias,
)
from registry.services.history import as_of
from registry.services.models import rename_model
from registry.services.promotion import ApprovalNeeded, GateFailed, demand
from tests.accounts.making import make_user
from tests.registry.governance.making import approve, ask, champion, guard_serving, make_admin, make_ready, protect

pytestmark = pytest.mark.django_db


def move(version, actor, name="champion", **more):
    return set_alias(model=version.model, name=name, version=version, actor=actor, **more)


@pytest.mark.parametrize("role", ["operator", "reviewer", "auditor", "client", None])
def test_protected_alias_when_moved_without_the_role_then_not_allowed(role):
    version = make_ready(1)
    protect(roles=["administrator"], approvals=0)
    for actor in (make_user(role) if role else "command line", None):
        with pytest.raises(NotAllowed):
            move(version, actor)
    assert champion(version.model) is None
    move(version, make_admin())
    assert champion(version.model) == 1


def test_protected_alias_when_the_person_is_deactivated_then_not_allowed():
    version, gone = make_ready(1), make_user("operator")
    protect(approvals=0)
    gone.is_active = False
    with pytest.raises(NotAllowed):
        move(version, gone)


def test_protected_alias_when_written_in_another_case_then_protected_too():
    version = make_ready(1)
    protect("champion", roles=["administrator"])
    for name in ("Champion", "CHAMPION", " champion "):
        with pytest.raises(NotAllowed):
            move(version, make_user("operator"), name)
    move(version, make_user("operator"), "challenger")


def test_rule_when_the_model_has_its_own_then_that_counts_and_not_the_general_one():
    mine, other = make_ready(1), make_ready(1, name="other")
    protect(roles=["administrator"])
    protect(model=mine.model, approvals=0)
    operator = make_user("operator")
    move(mine, operator)
    with pytest.raises(NotAllowed):
        move(other, operator)
    assert [rule.model for rule in AliasRule.objects.of(mine.model)] == [mine.model]


def test_rule_when_set_again_then_changed_and_removed_by_rulers_only():
    admin = make_admin()
    first = protect_alias(name="champion", actor=admin)
    again = protect_alias(name="Champion", actor=admin, roles=["operator"], approvals=2)
    assert (first.pk, again.roles, again.approvals) == (again.pk, ["operator"], 2)
    for actor in (make_user("operator"), "command line", None):
        with pytest.raises(NotAllowed):
            protect_alias(name="staging", actor=actor)
        with pytest.raises(NotAllowed):
            unprotect_alias(rule=again, actor=actor)
    unprotect_alias(rule=again, actor=admin)
    with pytest.raises(Conflict):
        unprotect_alias(rule=first, actor=admin)
    names = ["registry.alias_protected", "registry.alias_rule_changed", "registry.alias_unprotected"]
    done = AuditEvent.objects.filter(action__in=names, outcome="done").order_by("sequence")
    assert list(done.values_list("action", flat=True)) == names


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": []},
        {"roles": ["client"]},
        {"roles": ["boss"]},
        {"approvals": -1},
        {"approvals": 21},
        {"approvals": True},
    ],
)
def test_rule_when_wrong_then_refused_with_the_field(wrong):
    with pytest.raises(Invalid) as caught:
        protect_alias(name="champion", actor=make_admin(), **wrong)
    assert set(caught.value.fields) == set(wrong)


def test_gate_when_failed_then_all_reasons_are_told_and_approval_does_not_help():
    version, operator = make_ready(1), make_user("operator")
    protect()
    approve(ask(version, operator))
    guard_serving(version.model, fails=True)
    with pytest.raises(GateFailed) as caught:
        move(version, operator)
    assert caught.value.code == "gate_failed"
    assert len(caught.value.reasons) == len(caught.value.fields) == 1
    AliasRule.objects.update(is_gated=False)
    move(version, operator)
    assert champion(version.model) == 1


def test_approval_when_needed_then_told_used_once_and_not_for_another_version():
    one, two, operator = make_ready(1), make_ready(2), make_user("operator")
    protect()
    with pytest.raises(ApprovalNeeded) as caught:
        move(one, operator)
    assert (caught.value.code, caught.value.fields, caught.value.request) == ("approval_needed", {}, None)
    asked = ask(one, operator)
    with pytest.raises(ApprovalNeeded) as caught:
        move(one, operator)
    assert caught.value.fields == {"approval_request": str(asked.pk)}
    approve(asked)
    with pytest.raises(ApprovalNeeded):
        move(two, operator)
    with pytest.raises(ApprovalNeeded):
        demand(version=one, actor=operator, alias="champion", is_removal=True)
    move(one, operator)
    asked.refresh_from_db()
    assert (asked.state, asked.used_at is not None) == ("used", True)
    assert AliasHistory.objects.get().approval == asked
    AliasRule.objects.update(approvals=0)
    move(two, operator)
    AliasRule.objects.update(approvals=1)
    with pytest.raises(ApprovalNeeded):
        move(one, operator)


def test_approval_when_the_rule_asks_for_more_meanwhile_then_one_is_too_few():
    version, operator = make_ready(1), make_user("operator")
    protect()
    asked = approve(ask(version, operator))
    AliasRule.objects.update(approvals=2)
    with pytest.raises(ApprovalNeeded):
        move(version, operator)
    approve(asked)
    move(version, operator)


def test_protected_alias_when_removed_then_the_same_is_asked_as_for_a_move():
    version, operator = make_ready(1), make_user("operator")
    move(version, operator)
    protect()
    with pytest.raises(NotAllowed):
        delete_alias(model=version.model, name="champion", actor=make_user("reviewer"))
    with pytest.raises(ApprovalNeeded):
        delete_alias(model=version.model, name="champion", actor=operator)
    with pytest.raises(Conflict):
        archive_version(version=version, actor=operator)
    with pytest.raises(Conflict):
        delete_version(version=version, actor=operator)
    approve(ask(version, operator, is_removal=True))
    delete_alias(model=version.model, name="champion", actor=operator)
    assert champion(version.model) is None
    assert AliasHistory.objects.get().until is not None


def test_alias_when_moved_with_another_for_the_old_version_then_both_in_one_step():
    one, two = make_ready(1), make_ready(2)
    move(one, None)
    move(two, None, old_alias="previous", reason="better")
    assert (champion(one.model), champion(one.model, "previous")) == (2, 1)
    with pytest.raises(Invalid):
        move(one, None, old_alias="champion")
    protect("previous", approvals=0, roles=["administrator"])
    with pytest.raises(NotAllowed):
        move(one, make_user("operator"), old_alias="previous")
    assert (champion(one.model), champion(one.model, "previous")) == (2, 1)


def test_rollback_when_repeated_then_further_back_and_never_forward():
    operator, versions = make_user("operator"), [make_ready(number) for number in (1, 2, 3)]
    model = versions[0].model
    for version in versions:
        move(version, operator)
    protect(approvals=2)
    guard_serving(model, fails=True)
    with pytest.raises(NotAllowed):
        rollback_alias(model=model, name="champion", actor=make_user("reviewer"))
    for wanted in (2, 1):
        assert rollback_alias(model=model, name="champion", actor=operator, reason="bad night").version.number == wanted
    with pytest.raises(Conflict):
        rollback_alias(model=model, name="champion", actor=operator)
    with pytest.raises(GateFailed):
        move(versions[2], operator)
    with pytest.raises(NotFound):
        rollback_alias(model=model, name="none", actor=operator)
    assert AuditEvent.objects.filter(action="registry.alias_rolled_back", reason="bad night").count() == 2


def test_rollback_when_the_version_before_is_not_fit_any_more_then_refused_by_the_rule_of_a_move():
    one, two, operator = make_ready(1), make_ready(2), make_user("operator")
    move(one, operator)
    move(two, operator)
    ModelVersion.objects.filter(pk=one.pk).update(state="pending")
    rule = protect(approvals=0)
    for way in (lambda: move(one, operator), lambda: rollback_alias(model=one.model, name="champion", actor=operator)):
        with pytest.raises(Conflict):
            way()
    rule.delete()
    assert rollback_alias(model=one.model, name="champion", actor=operator).version == one
    move(two, operator)
    ModelVersion.objects.filter(pk=one.pk).update(state="ready")
    archive_version(version=one, actor=None)
    with pytest.raises(Conflict):
        rollback_alias(model=one.model, name="champion", actor=operator)


def test_history_when_asked_as_of_then_what_was_so():
    one, two, start = make_ready(1), make_ready(2), timezone.now()
    move(one, "minji", reason="first")
    between = timezone.now()
    move(two, None)
    later = timezone.now()
    delete_alias(model=one.model, name="champion", actor=None)
    model = one.model
    at = [start, between, later, timezone.now()]
    found = [[(row.name, row.version_number) for row in as_of(model, when).aliases] for when in at]
    assert found == [[], [("champion", 1)], [("champion", 2)], []]
    first = as_of(model, between).aliases[0]
    assert (first.actor, first.reason, first.until is not None) == ("minji", "first", True)
    assert as_of(model, start - timedelta(days=9)).aliases == []


def test_history_when_a_version_with_a_free_alias_is_deleted_then_closed():
    version = make_ready(1)
    move(version, None)
    delete_version(version=version, actor=None)
    assert AliasHistory.objects.get().until is not None
    assert not ModelAlias.objects.exists()


def test_open_requests_when_the_version_is_not_ready_any_more_then_withdrawn():
    operator = make_user("operator")
    protect()
    for number, verb in enumerate((archive_version, delete_version), 1):
        version = make_ready(number)
        asked = approve(ask(version, operator))
        verb(version=version, actor=operator)
        asked.refresh_from_db()
        assert asked.state == "withdrawn"
    version = make_ready(3)
    asked = ask(version, operator)
    recheck(version=version, actor=operator)
    asked.refresh_from_db()
    assert asked.state == "withdrawn"


def test_stage_when_protected_then_neither_a_new_name_nor_a_version_brought_back_gets_round_it():
    version, other, operator = make_ready(1), make_ready(2), make_user("operator")
    for one in (version, other):
        ModelVersion.objects.filter(pk=one.pk).update(stage="Production")
    delete_version(version=other, actor=operator)
    protect("production")
    with pytest.raises(NotAllowed):
        rename_model(model=version.model, name="mine", actor=operator)
    restore_version(version=other, actor=operator)
    other.refresh_from_db()
    assert (other.state, other.stage) == ("ready", "None")


def test_model_with_a_protected_alias_when_renamed_then_only_by_who_may_change_rules():
    version, operator = make_ready(1), make_user("operator")
    rename_model(model=version.model, name="free", actor=operator)
    protect()
    rename_model(model=version.model, name="still-free", actor=operator)
    approve(ask(version, operator))
    move(version, operator)
    for actor in (operator, None):
        with pytest.raises(NotAllowed):
            rename_model(model=version.model, name="mine", actor=actor)
    assert rename_model(model=version.model, name="intent", actor=make_admin()).name == "intent"
