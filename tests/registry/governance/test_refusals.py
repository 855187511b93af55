"""What the rule of promotion refuses stands in the audit, also after the transaction of the attempt was undone."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import translation

from audit.models import AuditEvent
from audit.sentences import sentence
from audit.verification import verify
from common.errors import FluemanError
from inference import services as serving
from registry.models import ApprovalRequest
from registry.services import decide, delete_alias, protect_alias, rollback_alias, set_alias, unprotect_alias
from registry.services.models import rename_model
from registry.services.stages import set_stage
from tests.accounts.making import make_user
from tests.registry.governance.making import approve, ask, champion, guard_serving, make_admin, make_ready, protect


def refused(work):
    with pytest.raises(FluemanError) as caught:
        work()
    return caught.value.code


def told(action="registry.promotion_refused"):
    """Give code, name and target of each refusal, oldest first."""
    found = AuditEvent.objects.filter(action=action, outcome="refused").order_by("sequence")
    return [(one.after["code"], one.after.get("name", ""), one.target_label) for one in found]


@pytest.mark.django_db
def test_alias_when_refused_by_right_gate_or_approval_then_each_is_told_once():
    one, operator = make_ready(1), make_user("operator")
    model, reviewer = one.model, make_user("reviewer")
    rule = protect()
    tries = lambda actor: refused(lambda: set_alias(model=model, name="Champion", version=one, actor=actor))  # noqa: E731
    assert [tries(reviewer), tries(reviewer), tries("command line")] == ["alias_protected"] * 3
    assert tries(operator) == tries(operator) == "approval_needed"
    ask(one, operator)
    policy = guard_serving(model, fails=True)
    assert tries(operator) == "gate_failed"
    policy.delete()
    assert told() == [
        ("alias_protected", "champion", str(one)),
        ("alias_protected", "champion", str(one)),
        ("approval_needed", "champion", str(one)),
        ("gate_failed", "champion", str(one)),
    ]
    rule.approvals = 0
    rule.save()
    set_alias(model=model, name="champion", version=one, actor=operator)
    rule.approvals = 1
    rule.save()
    assert refused(lambda: delete_alias(model=model, name="champion", actor=operator)) == "approval_needed"
    assert refused(lambda: rollback_alias(model=model, name="champion", actor=operator)) == "nothing_before"
    assert told("registry.alias_removal_refused") == [("approval_needed", "champion", str(one))]
    with translation.override("en"):
        last = AuditEvent.objects.filter(action="registry.alias_removal_refused").get()
        assert f"tried to take champion from {one}" in sentence(last)


@pytest.mark.django_db
def test_serving_when_refused_then_the_deployment_and_the_version_are_told():
    one, two, operator = make_ready(1), make_ready(2), make_user("operator")
    deployment = serving.deploy(name="intent", version=one, actor=None)
    guard_serving(one.model)
    start = lambda: serving.start_canary(deployment=deployment, version=two, weight=5, actor=operator)  # noqa: E731
    assert refused(start) == "approval_needed"
    assert refused(lambda: serving.deploy(name="intent", version=two, actor=operator)) == "approval_needed"
    guard_serving(one.model, fails=True)
    assert refused(lambda: serving.deploy(name="other", version=two, actor="command line")) == "gate_failed"
    assert told() == [("approval_needed", "intent", str(two)), ("gate_failed", "other", str(two))]
    serving.set_enabled(deployment=deployment, enabled=False, actor=operator)
    assert refused(lambda: serving.delete_deployment(deployment=deployment, actor=operator)) == "guarded"
    assert told("inference.deployment_deleted") == [("guarded", "", "intent")]


@pytest.mark.django_db
def test_ways_round_a_rule_when_refused_then_told():
    one, operator = make_ready(1), make_user("operator")
    rule = protect(name="production")
    assert refused(lambda: set_stage(version=one, stage="Production", actor=operator)) == "approval_needed"
    assert told() == [("approval_needed", "production", str(one))]
    assert refused(lambda: unprotect_alias(rule=rule, actor=operator)) == "not_a_ruler"
    assert refused(lambda: protect_alias(name="production", actor=operator, approvals=0)) == "not_a_ruler"
    assert told("registry.alias_rule_changed") == [("not_a_ruler", "production", "")]
    request = ask(one, operator, alias="production")
    assert refused(lambda: decide(request=request, actor=operator, verdict="approve")) == "own_request"
    assert [code for code, *_rest in told("registry.approval_given")] == ["own_request"]
    approve(ApprovalRequest.objects.get())
    set_alias(model=one.model, name="production", version=one, actor=operator)
    assert refused(lambda: rename_model(model=one.model, name="mine", actor=operator)) == "alias_protected"
    assert told("registry.model_renamed") == [("alias_protected", "", "intent")]


@pytest.mark.django_db(transaction=True)
def test_refusal_when_many_are_refused_at_once_then_one_event_and_nothing_else_is_kept():
    one, reviewer = make_ready(1), make_user("reviewer")
    protect(roles=["administrator"])
    before, odd = AuditEvent.objects.count(), []

    def work():
        try:
            if refused(lambda: set_alias(model=one.model, name="champion", version=one, actor=reviewer)) != (
                "alias_protected"
            ):
                odd.append("another refusal")
        except BaseException as error:
            odd.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert odd == []
    assert told() == [("alias_protected", "champion", str(one))]
    assert AuditEvent.objects.count() == before + 1
    assert champion(one.model) is None
    assert verify().is_whole
    with transaction.atomic(), pytest.raises(RuntimeError):  # a door with a transaction of its own would lose it
        set_alias(model=one.model, name="champion", version=one, actor="command line")


@pytest.mark.django_db
def test_refusal_when_a_larger_service_goes_on_then_told_all_the_same():
    one, two, operator = make_ready(1), make_ready(2), make_user("operator")
    protect("previous", roles=["administrator"])
    set_alias(model=one.model, name="live", version=one, actor=None)
    moved = lambda: set_alias(model=one.model, name="live", version=two, actor=operator, old_alias="previous")  # noqa: E731
    assert refused(moved) == "alias_protected"
    assert told() == [("alias_protected", "previous", str(one))]
    set_alias(model=one.model, name="live", version=two, actor=make_admin())
    assert len(told()) == 1
