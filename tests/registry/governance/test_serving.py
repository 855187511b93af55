"""Deployments of a model whose policy guards them: each verb that lets a version answer callers asks."""

from datetime import timedelta

import pytest
from django.utils import timezone

from common.errors import Conflict, FluemanError
from inference import services
from inference.models import Deployment, Revision
from inference.services.routing import shares_of
from inference.snapshot import load_endpoints
from registry.models import GatePolicy
from registry.services import carry_out
from registry.services.history import as_of, between
from tests.accounts.making import make_user
from tests.registry.governance.making import approve, ask, guard_serving, make_ready

pytestmark = pytest.mark.django_db


def live(name="intent"):
    shares = shares_of(Deployment.objects.get(name=name))
    return {(share.version.number, share.kind): share.weight for share in shares}


def deploy(version, actor=None):
    return services.deploy(name="intent", version=version, actor=actor)


def refused(work):
    with pytest.raises(FluemanError) as caught:
        work()
    return caught.value.code


def test_verbs_when_the_model_is_guarded_then_each_that_lets_a_version_in_asks():
    one, two, actor = make_ready(1), make_ready(2), make_user("operator")
    deployment = deploy(one)
    guard_serving(one.model)
    ways_in = (
        lambda: deploy(two, actor),
        lambda: services.start_canary(deployment=deployment, version=two, weight=5, actor=actor),
        lambda: services.set_weights(deployment=deployment, weights={one.pk: 50, two.pk: 50}, actor=actor),
        lambda: services.deploy(name="other", version=two, actor="command line"),
    )
    assert [refused(way) for way in ways_in] == ["approval_needed"] * 4
    services.start_shadow(deployment=deployment, version=two, share_percent=10, actor=actor)
    assert refused(lambda: services.promote(deployment=deployment, version=two, actor=actor)) == "approval_needed"
    guard_serving(one.model, fails=True)
    assert [refused(way) for way in ways_in] == ["gate_failed"] * 4
    assert live() == {(1, "live"): 100, (2, "shadow"): 10}
    assert refused(lambda: load_endpoints()["intent"].choose("2")) == "unknown_version"
    assert not Deployment.objects.filter(name="other").exists()


def test_canary_when_approved_then_grows_and_is_promoted_without_asking_again():
    one, two, actor = make_ready(1), make_ready(2), make_user("operator")
    deployment = deploy(one)
    guard_serving(one.model)
    asked = approve(ask(two, actor, deployment="intent"))
    services.start_canary(deployment=deployment, version=two, weight=5, actor=actor)
    asked.refresh_from_db()
    assert asked.state == "used"
    services.set_weights(deployment=deployment, weights={one.pk: 50, two.pk: 50}, actor=actor)
    policy = guard_serving(one.model, fails=True)
    assert refused(lambda: services.promote(deployment=deployment, version=two, actor=actor)) == "gate_failed"
    policy.delete()
    guard_serving(one.model)
    services.promote(deployment=deployment, version=two, actor=actor)
    assert live() == {(2, "live"): 100}
    assert refused(lambda: services.deploy(name="other", version=two, actor=actor)) == "approval_needed"


def test_canary_when_started_before_the_policy_then_promoting_it_asks():
    one, two = make_ready(1), make_ready(2)
    deployment = deploy(one)
    services.start_canary(deployment=deployment, version=two, weight=5, actor=None)
    guard_serving(one.model)
    assert refused(lambda: services.promote(deployment=deployment, version=two, actor=None)) == "approval_needed"


def test_rollback_when_guarded_then_free_to_what_served_before_and_never_forward():
    one, two = make_ready(1), make_ready(2)
    deployment = deploy(one)
    deploy(two)
    guard_serving(one.model, fails=True)
    services.rollback(deployment=deployment, actor=None)
    assert live() == {(1, "live"): 100}
    forward = Revision.objects.get(deployment=deployment, number=2)
    assert refused(lambda: services.rollback(deployment=deployment, to=forward, actor=None)) == "gate_failed"
    assert refused(lambda: deploy(two)) == "gate_failed"


def test_request_when_carried_out_then_deployed_or_by_the_plan_of_the_policy():
    one, two, asker = make_ready(1), make_ready(2), make_user("operator")
    guard_serving(one.model, canary_plan={"steps": [10, 50, 100], "step_minutes": 5})
    carry_out(request=approve(ask(one, asker, deployment="intent")), actor=asker)
    assert live() == {(1, "live"): 100}
    carry_out(request=approve(ask(two, asker, deployment="intent")), actor=asker)
    assert live() == {(1, "live"): 90, (2, "canary"): 10}
    GatePolicy.objects.update(canary_plan={}, guards_serving=False)
    with pytest.raises(Conflict):
        ask(two, asker, deployment="intent")


def test_history_when_served_then_each_share_from_when_until_when():
    one, two, start = make_ready(1), make_ready(2), timezone.now()
    deployment = deploy(one, make_user("operator", username="minji"))
    services.start_canary(deployment=deployment, version=two, weight=5, actor=None)
    middle = timezone.now()
    services.promote(deployment=deployment, version=two, actor=None)
    other = make_ready(1, name="other")
    services.deploy(name="other", version=other, actor=None)
    end = timezone.now()
    then = {(one.version, one.kind): one.weight for one in as_of(one.model, middle).served}
    assert then == {(1, "live"): 95, (2, "canary"): 5}
    assert as_of(one.model, start).served == []
    assert [(one.version, one.weight) for one in as_of(one.model, end).served] == [(2, 100)]
    spans = between(one.model, start, end)[1]
    assert [(span.version, span.weight, span.until is None) for span in spans] == [
        (1, 100, False),
        (1, 95, False),
        (2, 5, False),
        (2, 100, True),
    ]
    assert spans[0].by == "minji"
    assert [span.version for span in between(one.model, end, end + timedelta(days=1))[1]] == [2]


def test_deployment_when_guarded_then_no_other_model_and_no_new_one_of_its_name_gets_round_it():
    guarded, other, operator = make_ready(1), make_ready(1, name="other"), make_user("operator")
    deployment = deploy(guarded)
    guard_serving(guarded.model)
    assert refused(lambda: deploy(other, operator)) == "approval_needed"
    way_in = lambda: services.start_canary(deployment=deployment, version=other, weight=5, actor=operator)  # noqa: E731
    assert refused(way_in) == "approval_needed"
    services.set_enabled(deployment=deployment, enabled=False, actor=operator)
    for actor in (operator, "command line", None):
        assert refused(lambda actor=actor: services.delete_deployment(deployment=deployment, actor=actor)) == "guarded"
    approve(ask(other, operator, deployment="intent"))
    deploy(other, operator)
    services.delete_deployment(deployment=deployment, actor=operator)


def test_history_when_the_deployment_is_deleted_then_still_told_and_apart_from_the_next_of_its_name():
    one, two, actor = make_ready(1), make_ready(2), make_user("operator", username="minji")
    times = [timezone.now()]

    def serve(version):
        deployment = services.deploy(name="intent", version=version, actor=actor)
        times.append(timezone.now())
        return deployment

    def remove(deployment):
        services.set_enabled(deployment=deployment, enabled=False, actor=actor)
        services.delete_deployment(deployment=deployment, actor=actor, reason="not needed")
        times.append(timezone.now())

    remove(serve(one))
    first = serve(two)
    then = [[(span.version, span.weight, span.by) for span in as_of(one.model, at).served] for at in times]
    assert then == [[], [(1, 100, "minji")], [], [(2, 100, "minji")]]
    remove(first)
    then = [[span.version for span in as_of(one.model, at).served] for at in times]
    assert then == [[], [1], [], [2], []]
    spans = between(one.model, times[0], timezone.now())[1]
    assert [(span.deployment, span.version, span.until is None, span.url) for span in spans] == [
        ("intent", 1, False, ""),
        ("intent", 2, False, ""),
    ]
    assert [span.since <= at <= span.until for span, at in zip(spans, (times[1], times[3]), strict=True)] == [True] * 2
    last = Revision.objects.order_by("-pk").first()
    assert (str(last), last.what, last.routes, last.reason) == ("intent 2", "deleted", [], "not needed")
    third = serve(one)
    assert refused(lambda: services.rollback(deployment=third, actor=actor)) == "nothing_before"
