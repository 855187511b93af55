"""Requests for approval: asked, decided by others, carried out once, expired, withdrawn, and told of."""

from datetime import timedelta

import polars as pl
import pytest
from django.utils import timezone, translation

from audit.models import AuditEvent
from common.errors import Conflict, Invalid, NotAllowed
from notify.models import Delivery
from notify.subscriptions import create_channel
from registry.models import ApprovalRequest, Evaluation
from registry.services import carry_out, decide, expire_due, set_alias, withdraw
from tests.accounts.making import make_user
from tests.datasets.making import make_version as make_data
from tests.registry.governance.making import (
    approve,
    ask,
    champion,
    guard_serving,
    make_admin,
    make_ready,
    protect,
)

pytestmark = pytest.mark.django_db


def test_request_when_asked_then_the_evidence_is_there_and_all_who_may_decide_are_told():
    admin, operator = make_admin(), make_user("operator")
    for number, person in enumerate((admin, operator, make_user("reviewer"))):
        type(person).objects.filter(pk=person.pk).update(email=f"p{number}@example.com")
    maker, asker = make_user("operator"), make_user("operator")
    type(maker).objects.filter(pk=maker.pk).update(email="maker@example.com")
    old = make_ready(1, metrics={"accuracy": 0.9, "size": 3})
    new = make_ready(2, maker=maker, metrics={"accuracy": 0.93}, signature={"inputs": [], "outputs": []})
    set_alias(model=old.model, name="champion", version=old, actor=None)
    protect()
    guard_serving(new.model, fails=True)
    asked = ask(new, asker, comment="better on short texts")
    assert (asked.state, asked.approvals_needed, asked.asked_by_name) == ("waiting", 1, asker.username)
    assert asked.evidence["now"] == 1
    assert asked.evidence["figures"][0] == {"name": "accuracy", "value": 0.93, "before": 0.9}
    assert {one["name"]: (one["before"], one["after"]) for one in asked.evidence["signature"]} == {
        "x": ("FP32 [n × 4]", ""),
        "y": ("FP32 [n × 2]", ""),
    }
    assert [reason["code"] for reason in asked.evidence["gate"]] == ["no_data"]
    assert {one.recipient for one in Delivery.objects.all()} == {"p0@example.com", "p1@example.com"}
    event = AuditEvent.objects.get(action="registry.approval_asked")
    assert event.reason == "better on short texts"
    assert asker.username not in f"{event.before}{event.after}{event.target_label}"


def test_evidence_when_both_were_evaluated_over_the_same_data_then_side_by_side():
    operator, data = make_user("operator"), make_data(pl.DataFrame({"label": ["a"]}))
    old, new = make_ready(1), make_ready(2)
    set_alias(model=old.model, name="champion", version=old, actor=None)
    now = timezone.now()
    for version, accuracy in ((old, 0.9), (new, 0.8), (new, 0.95)):
        Evaluation.objects.create(
            version=version, dataset_version=data, task="classification", metrics={"accuracy": accuracy}, rows=100,
            finished_at=now,
        )  # fmt: skip
    Evaluation.objects.create(version=new, dataset_version=data, task="classification", metrics={"accuracy": 1})
    protect()
    found = ask(new, operator).evidence["evaluations"]
    assert [one["figures"] for one in found] == [[{"name": "accuracy", "value": 0.95, "before": 0.9}]]


@translation.override("en")
def test_request_when_there_is_nothing_to_ask_then_said():
    version, operator = make_ready(1), make_user("operator")
    with pytest.raises(Conflict, match="nobody"):
        ask(version, operator)
    protect(approvals=0)
    with pytest.raises(Conflict, match="nobody"):
        ask(version, operator)
    protect()
    with pytest.raises(Conflict) as caught:
        ask(version, operator, is_removal=True)
    assert caught.value.code == "nothing_to_do"
    for wrong in ({"alias": ""}, {"deployment": "d", "alias": "champion"}, {"deployment": "d" * 101, "alias": ""}):
        with pytest.raises(Invalid):
            ask(version, operator, **wrong)
    for comment in ("x" * 2001, "a\0b", "\ud800"):
        with pytest.raises(Invalid):
            ask(version, operator, comment=comment)
    with pytest.raises(Conflict):
        ask(make_ready(2, state="refused"), operator)
    for nobody in (make_user("reviewer"), "command line", None):
        with pytest.raises(NotAllowed):
            ask(version, nobody)
    assert not ApprovalRequest.objects.exists()


def test_request_when_asked_twice_then_the_first_is_named_until_it_is_over():
    version, operator = make_ready(1), make_user("operator")
    protect()
    first = ask(version, operator)
    with pytest.raises(Conflict) as caught:
        ask(version, make_user("operator"))
    assert caught.value.fields == {"approval_request": str(first.pk)}
    withdraw(request=first, actor=operator)
    ask(version, operator)


def test_decision_when_by_who_asked_or_made_it_or_may_not_then_not_allowed():
    maker, asker = make_user("operator"), make_user("operator")
    protect()
    asked = ask(make_ready(1, maker=maker), asker)
    for wrong in (asker, maker, make_user("reviewer"), make_user("auditor"), make_user("client"), "command line", None):
        with pytest.raises(NotAllowed):
            approve(asked, wrong) if wrong else decide(request=asked, actor=None, verdict="approve")
    with pytest.raises(NotAllowed):
        decide(request=asked, actor=asker, verdict="reject")
    with pytest.raises(Invalid):
        decide(request=asked, actor=make_user("operator"), verdict="maybe")
    with pytest.raises(NotAllowed):
        withdraw(request=asked, actor=make_admin())
    asked.refresh_from_db()
    assert (asked.state, asked.decisions.count()) == ("waiting", 0)
    assert decide(request=asked, actor=maker, verdict="reject", comment="I found a fault").state == "rejected"


def test_decisions_when_two_are_needed_then_two_people_and_each_once():
    asker, first = make_user("operator"), make_user("operator")
    protect(approvals=2)
    asked = ask(make_ready(1), asker)
    assert approve(asked, first).state == "waiting"
    with pytest.raises(Conflict) as caught:
        approve(asked, first)
    assert caught.value.code == "decided_already"
    with pytest.raises(Conflict):
        carry_out(request=asked, actor=asker)
    assert approve(asked, make_admin()).state == "approved"
    actions = ["registry.approval_given", "registry.approval_approved"]
    assert AuditEvent.objects.filter(action__in=actions).count() == 2


def test_request_when_rejected_after_it_was_approved_then_over():
    asker = make_user("operator")
    protect()
    asked = approve(ask(make_ready(1), asker))
    decide(request=asked, actor=make_user("operator"), verdict="reject", comment="wait")
    for verb in (lambda: carry_out(request=asked, actor=asker), lambda: approve(asked)):
        with pytest.raises(Conflict):
            verb()


@pytest.mark.parametrize("is_approver", [True, False])
def test_request_when_carried_out_then_done_once_by_who_has_the_right(is_approver):
    asker, judge, old, new = make_user("operator"), make_user("operator"), make_ready(1), make_ready(2)
    set_alias(model=old.model, name="champion", version=old, actor=None)
    protect()
    asked = approve(ask(new, asker, old_alias="previous", comment="because"), judge)
    with pytest.raises(NotAllowed):
        carry_out(request=asked, actor=make_user("reviewer"))
    done = carry_out(request=asked, actor=judge if is_approver else asker)
    assert (done.state, champion(new.model), champion(new.model, "previous")) == ("used", 2, 1)
    assert new.model.alias_history.get(name="champion", until=None).reason == "because"
    with pytest.raises(Conflict):
        carry_out(request=asked, actor=asker)


def test_request_when_it_came_true_otherwise_then_carrying_it_out_ends_it():
    asker, version = make_user("operator"), make_ready(1)
    rule = protect()
    asked = approve(ask(version, asker))
    rule.delete()
    set_alias(model=version.model, name="champion", version=version, actor=None)
    assert carry_out(request=asked, actor=asker).state == "used"


def test_requests_when_their_time_is_over_then_ended_and_of_no_use():
    asker, version = make_user("operator"), make_ready(1)
    type(asker).objects.filter(pk=asker.pk).update(email="asker@example.com")
    protect()
    waiting, approved = ask(version, asker), approve(ask(make_ready(2), asker))
    assert expire_due() == 0
    ApprovalRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Conflict):
        approve(waiting)
    with pytest.raises(Conflict):
        carry_out(request=approved, actor=asker)
    with pytest.raises(Conflict):
        set_alias(model=version.model, name="champion", version=approved.version, actor=asker)
    Delivery.objects.all().delete()
    assert (expire_due(), expire_due()) == (2, 0)
    assert set(ApprovalRequest.objects.values_list("state", flat=True)) == {"expired"}
    assert Delivery.objects.filter(recipient="asker@example.com").count() == 2
    ask(version, asker)


def test_steps_when_somebody_subscribed_then_told_of_each():
    create_channel(
        name="ops", address="ops@example.com", language="en",
        events=["approval.asked", "approval.decided", "alias.changed"],
        actor=None,
    )  # fmt: skip
    asker = make_user("operator")
    protect()
    carry_out(request=approve(ask(make_ready(1), asker)), actor=asker)
    events = sorted(Delivery.objects.filter(recipient="ops@example.com").values_list("event", flat=True))
    assert events == ["alias.changed", "approval.asked", "approval.decided", "approval.decided"]
