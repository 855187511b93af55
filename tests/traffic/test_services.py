"""Routes, weights, canaries, shadows, promotion and rolling back, on rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone, translation

from accounts.models import User
from accounts.services import create_user
from audit.models import AuditEvent
from common.errors import Conflict, FluemanError, NotFound
from common.ids import uuid7_floor
from inference import services
from inference.admin.traffic_forms import can_go_back
from inference.host.states import Identity, release
from inference.models import Deployment, Revision, Route, RouteTally, RunnerState, ShadowResult
from inference.services.routing import Share, write_revision
from inference.snapshot import load_endpoints
from inference.traffic.judging import Counts, Guard
from registry.models import ModelVersion, RegisteredModel
from tests.runner.making import SIGNATURE, TEXT_SIGNATURE
from tests.traffic.making import make_shadow_result

pytestmark = pytest.mark.django_db


def make_version(*, runner: str = "ready", signature: dict[str, Any] = SIGNATURE, state: str = "ready") -> ModelVersion:
    model, _ = RegisteredModel.objects.get_or_create(name="m")
    model.last_version += 1
    model.save()
    version = ModelVersion.objects.create(
        model=model, number=model.last_version, state=state, format="safetensors", signature=signature
    )
    if runner:
        path = f"/run/{version.number}" if runner == "ready" else ""
        RunnerState.objects.create(version=version, state=runner, socket_path=path)
    return version


def make_person() -> User:
    return create_user(username="minji", password=None, roles=["operator"], actor=None)


def make_deployment(version: ModelVersion | None = None) -> Deployment:
    return services.deploy(name="d", version=version or make_version(), actor=None)


def routes(deployment: Deployment) -> dict[tuple[int, str], int]:
    return {(route.version.number, route.kind): route.weight for route in deployment.routes.select_related("version")}


def start_canary(deployment: Deployment, version: ModelVersion, weight: int = 10, **more: Any) -> Route:
    return services.start_canary(deployment=deployment, version=version, weight=weight, actor=None, **more)


def shares_of_calls(name: str = "d") -> dict[int, int]:
    endpoint = load_endpoints()[name]
    counts: dict[int, int] = {}
    for target in endpoint.slots:
        counts[target.version] = counts.get(target.version, 0) + 1
    return counts or {endpoint.targets[0].version: 100}


def test_canary_when_started_grown_and_ended_then_weights_history_and_audit_follow() -> None:
    person, deployment, canary = make_person(), make_deployment(), make_version()
    route = services.start_canary(
        deployment=deployment, version=canary, weight=5, actor=person, reason="v2 is smaller", guard=Guard(drift=0.5)
    )
    assert routes(deployment) == {(1, "live"): 95, (2, "canary"): 5}
    assert shares_of_calls() == {1: 95, 2: 5}
    assert Guard.from_dict(route.guard or {}).drift == 0.5
    first = set(route.slots or ())
    services.set_weights(
        deployment=deployment, weights={canary.pk: 20, make_live(deployment).pk: 80}, actor=person, reason="more"
    )
    route.refresh_from_db()
    assert (route.weight, first < set(route.slots or ())) == (20, True)
    services.end_route(route=route, actor=person, reason="enough")
    assert routes(deployment) == {(1, "live"): 100}
    told = [(one.number, one.what, one.user, one.reason) for one in deployment.revisions.order_by("number")]
    assert told == [
        (1, "deployed", None, ""),
        (2, "canary_started", person, "v2 is smaller"),
        (3, "weights_set", person, "more"),
        (4, "route_ended", person, "enough"),
    ]
    event = AuditEvent.objects.get(action="inference.weights_set")
    assert event.before["routes"] == ["m v1 95%", "m v2 5% canary"]
    assert (event.after["routes"], event.after["revision"]) == (["m v2 20% canary", "m v1 80%"], 3)


def make_live(deployment: Deployment) -> ModelVersion:
    version = services.live_version(deployment)
    assert version is not None
    return version


def test_promotion_when_a_canary_is_good_then_it_alone_is_live_and_a_roll_back_undoes_it_step_by_step() -> None:
    first, second, third = make_version(), make_version(), make_version()
    deployment = make_deployment(first)
    start_canary(deployment, second)
    services.promote(deployment=deployment, version=second, actor=None)
    assert routes(deployment) == {(2, "live"): 100}
    services.deploy(name="d", version=third, actor=None)
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(2, "live"): 100}
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100}
    with translation.override("en"), pytest.raises(Conflict, match="nothing to go back to"):
        services.rollback(deployment=deployment, actor=None)
    services.rollback(deployment=deployment, actor=None, to=deployment.revisions.get(number=4))
    assert routes(deployment) == {(3, "live"): 100}
    assert deployment.revisions.order_by("-number")[0].data == {"to": 4}


def test_roll_back_when_a_version_could_not_be_loaded_in_between_then_further_back_and_not_forward() -> None:
    first, second, bad = make_version(), make_version(), make_version()
    deployment = make_deployment(first)
    for version in (second, bad):
        services.deploy(name="d", version=version, actor=None)
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(2, "live"): 100}
    services.note_failure(version=second, error="no such file")
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100}


def test_roll_back_when_other_changes_came_after_one_then_never_to_what_was_rolled_back_from() -> None:
    first, bad, third = make_version(), make_version(), make_version()
    deployment = make_deployment(first)
    services.deploy(name="d", version=bad, actor=None)
    services.rollback(deployment=deployment, actor=None)
    stopped = start_canary(deployment, third)
    services.stop_canary(route=stopped, data={"reason": {"code": "errors"}})
    assert refusal(lambda: services.rollback(deployment=deployment, actor=None)) == "nothing_before"
    start_canary(deployment, third)
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100}
    assert refusal(lambda: services.rollback(deployment=deployment, actor=None)) == "nothing_before"
    services.deploy(name="d", version=third, actor=None)
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100}
    assert refusal(lambda: services.rollback(deployment=deployment, actor=None)) == "nothing_before"


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(FluemanError) as refused:
        work()
    return refused.value.code


def test_roll_back_when_a_version_had_nothing_then_it_is_left_out() -> None:
    one, two = make_version(), make_version()
    deployment = make_deployment(one)
    shares = [Share(one, "live", 50), Share(two, "live", 0), Share(make_version(), "canary", 50)]
    then = write_revision(deployment, shares, what=Revision.What.CANARY_STARTED, actor=None)
    services.deploy(name="d", version=make_version(), actor=None)
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100}
    assert deployment.revisions.order_by("-number")[0].data == {"to": then.number}
    assert not can_go_back(Deployment.objects.get(), then)
    assert refusal(lambda: services.rollback(deployment=deployment, actor=None)) == "nothing_before"


def test_roll_back_when_there_is_only_a_canary_to_undo_then_it_ends() -> None:
    deployment = make_deployment()
    start_canary(deployment, make_version())
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100}


def test_weights_when_several_versions_are_live_then_all_answer_and_left_out_ones_end() -> None:
    one, two, three = make_version(), make_version(), make_version()
    deployment = make_deployment(one)
    services.set_weights(deployment=deployment, weights={one.pk: 50, two.pk: 30, three.pk: 20}, actor=None)
    before = {route.version_id: set(route.slots or ()) for route in deployment.routes.all()}
    assert shares_of_calls() == {1: 50, 2: 30, 3: 20}
    services.set_weights(deployment=deployment, weights={one.pk: 40, two.pk: 30, three.pk: 30}, actor=None)
    after = {route.version_id: set(route.slots or ()) for route in deployment.routes.all()}
    assert after[two.pk] == before[two.pk]
    assert before[three.pk] < after[three.pk]
    services.set_weights(deployment=deployment, weights={two.pk: 100, one.pk: 0}, actor=None)
    assert routes(deployment) == {(2, "live"): 100}
    number = deployment.revisions.count()
    services.set_weights(deployment=deployment, weights={two.pk: 100}, actor=None)
    assert deployment.revisions.count() == number


def test_canary_when_it_or_a_step_would_leave_a_live_version_nothing_then_no_room() -> None:
    one, two, canary = make_version(), make_version(), make_version()
    deployment = make_deployment(one)
    services.set_weights(deployment=deployment, weights={one.pk: 99, two.pk: 1}, actor=None)
    assert refusal(lambda: start_canary(deployment, canary, 50)) == "no_room"
    assert refusal(lambda: start_canary(deployment, canary, 5, guard=Guard(steps=(80, 100)))) == "no_room"
    assert routes(deployment) == {(1, "live"): 99, (2, "live"): 1}
    start_canary(deployment, canary, 5, guard=Guard(steps=(3, 40, 100)))
    assert routes(deployment) == {(1, "live"): 94, (2, "live"): 1, (3, "canary"): 5}


def test_canary_when_two_steps_round_a_live_version_away_then_no_room() -> None:
    one, two, canary = make_version(), make_version(), make_version()
    deployment = make_deployment(one)
    services.set_weights(deployment=deployment, weights={one.pk: 98, two.pk: 2}, actor=None)
    assert refusal(lambda: start_canary(deployment, canary, 30, guard=Guard(steps=(70,)))) == "no_room"


def test_shadow_when_started_then_no_caller_meets_it_and_it_can_be_promoted() -> None:
    deployment, shadow = make_deployment(), make_version()
    services.start_shadow(deployment=deployment, version=shadow, share_percent=20, actor=None)
    services.start_shadow(deployment=deployment, version=shadow, share_percent=50, actor=None)
    assert routes(deployment) == {(1, "live"): 100, (2, "shadow"): 50}
    endpoint = load_endpoints()["d"]
    assert (endpoint.slots, [one.share for one in endpoint.shadows]) == ((), [50])
    assert [target.version for target in endpoint.targets] == [1, 2]
    assert [target.version for target in endpoint.answering] == [1]
    with pytest.raises(NotFound, match="does not serve version 2"):
        endpoint.choose("2")
    services.promote(deployment=deployment, version=shadow, actor=None)
    assert routes(deployment) == {(2, "live"): 100}


def test_shadow_when_it_becomes_a_canary_then_it_is_no_shadow_any_more() -> None:
    deployment, version = make_deployment(), make_version()
    services.start_shadow(deployment=deployment, version=version, share_percent=20, actor=None)
    start_canary(deployment, version)
    assert routes(deployment) == {(1, "live"): 90, (2, "canary"): 10}


def refusals() -> list[tuple[str, Callable[[Deployment, ModelVersion], object], str]]:
    def weights(d: Deployment, given: dict[Any, int]) -> object:
        return services.set_weights(deployment=d, weights=given, actor=None)

    def shadow(d: Deployment, v: ModelVersion) -> object:
        return services.start_shadow(deployment=d, version=v, share_percent=5, actor=None)

    return [
        ("other outputs", lambda d, v: start_canary(d, make_version(signature=TEXT_SIGNATURE)), "other_signature"),
        ("not ready", lambda d, v: start_canary(d, make_version(state="pending", runner="")), "conflict"),
        ("live already", lambda d, v: start_canary(d, make_live(d)), "is_routed"),
        ("a second one", lambda d, v: (start_canary(d, v), start_canary(d, make_version())), "has_canary"),
        ("nothing left", lambda d, v: start_canary(d, v, 100), "invalid"),
        ("no number", lambda d, v: start_canary(d, v, True), "invalid"),
        ("99 in all", lambda d, v: weights(d, {make_live(d).pk: 99}), "invalid"),
        ("unknown", lambda d, v: weights(d, {uuid4(): 100}), "invalid"),
        ("negative", lambda d, v: weights(d, {v.pk: -1, make_live(d).pk: 101}), "invalid"),
        ("canary alone", lambda d, v: (start_canary(d, v), weights(d, {v.pk: 100})), "no_live_version"),
        ("not routed", lambda d, v: services.promote(deployment=d, version=v, actor=None), "not_routed"),
        ("a live route", lambda d, v: services.end_route(route=d.routes.get(), actor=None), "is_live"),
        ("changed meanwhile", lambda d, v: start_canary(d, v, revision=7), "changed_meanwhile"),
        ("shadow of live", lambda d, v: shadow(d, make_live(d)), "is_routed"),
    ]  # fmt: skip


@pytest.mark.parametrize(("change", "code"), [pytest.param(c, code, id=name) for name, c, code in refusals()])
def test_change_when_it_makes_no_sense_then_refused_and_nothing_written(
    change: Callable[[Deployment, ModelVersion], object], code: str
) -> None:
    deployment, version = make_deployment(), make_version()
    with pytest.raises(FluemanError) as refused:
        change(deployment, version)
    assert refused.value.code == code
    assert sum(route.weight for route in deployment.routes.exclude(kind="shadow")) == 100
    assert deployment.revisions.order_by("-number")[0].number == deployment.revisions.count() <= 2


def test_end_when_the_route_ended_meanwhile_then_conflict() -> None:
    deployment = make_deployment()
    route = start_canary(deployment, make_version())
    services.end_route(route=route, actor=None)
    with translation.override("en"), pytest.raises(Conflict, match="ended already"):
        services.end_route(route=route, actor=None)


def test_deploy_when_the_version_has_not_loaded_then_the_one_before_stands_in_until_it_has() -> None:
    first, second = make_version(), make_version(runner="starting")
    deployment = make_deployment(first)
    services.deploy(name="d", version=second, actor=None)
    assert routes(deployment) == {(1, "live"): 0, (2, "live"): 100}
    assert load_endpoints()["d"].choose().version == 1
    assert services.live_version(deployment) == second
    RunnerState.objects.filter(version=second).update(state="ready", socket_path="/run/2")
    services.settle_routes(version=second)
    assert routes(deployment) == {(2, "live"): 100}
    assert load_endpoints()["d"].choose().version == 2


def test_stand_in_when_it_is_shadow_or_canary_meanwhile_then_it_still_answers() -> None:
    first, second = make_version(), make_version(runner="failed")
    deployment = make_deployment(first)
    services.deploy(name="d", version=second, actor=None)
    shadow = services.start_shadow(deployment=deployment, version=first, share_percent=20, actor=None)
    assert routes(deployment) == {(1, "live"): 0, (2, "live"): 100, (1, "shadow"): 20}
    assert load_endpoints()["d"].choose().version == 1
    services.end_route(route=shadow, actor=None)
    canary = start_canary(deployment, first)
    assert load_endpoints()["d"].choose().version == 1
    services.end_route(route=canary, actor=None)
    assert routes(deployment) == {(1, "live"): 0, (2, "live"): 100}
    assert load_endpoints()["d"].choose().version == 1


def test_canary_when_it_has_not_loaded_then_its_share_is_answered_by_the_live_version() -> None:
    deployment = make_deployment()
    start_canary(deployment, make_version(runner="starting"), 30)
    endpoint = load_endpoints()["d"]
    assert {target.version for target in endpoint.slots} == {1}
    assert endpoint.choose("2").version == 2


def test_release_when_a_version_is_routed_to_again_then_it_stays_and_else_others_stand_in_for_it() -> None:
    here, first, second = Identity("here"), make_version(), make_version()
    deployment = make_deployment(first)
    services.deploy(name="d", version=second, actor=None)
    assert routes(deployment) == {(2, "live"): 100}
    assert release(here, {first.pk, second.pk}) == {first.pk}  # what the host does before it ends a process
    services.rollback(deployment=deployment, actor=None)
    assert routes(deployment) == {(1, "live"): 100, (2, "live"): 0}
    assert load_endpoints()["d"].choose().version == 2
    assert release(here, {first.pk, second.pk}) == set()


def test_choice_when_no_version_is_ready_then_one_that_comes_back_is_waited_for() -> None:
    first, second = make_version(), make_version(runner="starting")
    deployment = make_deployment(first)
    services.deploy(name="d", version=second, actor=None)
    for state in ("starting", "failed"):
        RunnerState.objects.filter(version=second).update(state=state)
        RunnerState.objects.filter(version=first).update(state="starting", socket_path="", load_ms=20)
        assert routes(deployment) == {(1, "live"): 0, (2, "live"): 100}
        chosen = load_endpoints()["d"].choose()
        assert (chosen.version, chosen.has_served) == (1, True)


def test_failure_when_a_version_cannot_be_loaded_then_history_says_so_once_and_the_canary_ends() -> None:
    deployment, broken = make_deployment(), make_version(runner="failed")
    start_canary(deployment, broken)
    for _ in range(3):
        services.note_failure(version=broken, error="weights.bin: is a pickle")
    assert routes(deployment) == {(1, "live"): 100}
    told = [(one.what, one.agent) for one in deployment.revisions.order_by("-number")[:2]]
    assert told == [("canary_stopped", "canary guard"), ("not_loaded", "model host")]
    services.deploy(name="d", version=broken, actor=None)
    for _ in range(3):
        services.note_failure(version=broken, error="weights.bin: is a pickle")
    assert [one.what for one in deployment.revisions.order_by("-number")[:2]] == ["not_loaded", "deployed"]
    assert load_endpoints()["d"].choose().version == 1


def test_failure_when_two_versions_fail_by_turns_then_history_says_each_once() -> None:
    live, shadow = make_version(runner="failed"), make_version(runner="failed")
    deployment = make_deployment(live)
    services.start_shadow(deployment=deployment, version=shadow, share_percent=10, actor=None)
    for version in (live, shadow) * 3:
        services.note_failure(version=version, error="no such file")
    told = deployment.revisions.filter(what="not_loaded").order_by("number")
    assert [one.data["version"] for one in told] == ["m v1", "m v2"]
    services.start_shadow(deployment=deployment, version=shadow, share_percent=20, actor=None)
    services.note_failure(version=live, error="no such file")
    assert told.all().count() == 3


def make_tally(route: Route, *, canary: Counts, live: Counts) -> None:
    counts = {"canary": canary.as_dict(), "live": live.as_dict()}
    services.keep_tally(route_id=route.pk, process=uuid4(), counts=counts)


def test_standing_when_processes_have_counted_then_the_verdict_is_on_their_sum() -> None:
    route = start_canary(make_deployment(), make_version())
    for _ in range(3):
        make_tally(route, canary=Counts(requests=10, errors=10), live=Counts(requests=200))
    verdict = services.canary_standing(route)
    assert (verdict.state, verdict.canary.requests, verdict.live.requests) == ("stopped", 30, 600)
    assert services.stop_canary(route=route, data=verdict.as_dict())
    assert not services.stop_canary(route=route, data=verdict.as_dict())
    stopped = Revision.objects.get(what="canary_stopped")
    assert (stopped.reason, stopped.data["canary"]["errors"]) == ("errors", 30)
    assert not RouteTally.objects.exists()
    assert services.keep_tally(route_id=route.pk, process=uuid4(), counts={}) is None


def test_advance_when_steps_are_due_then_the_canary_grows_and_is_promoted() -> None:
    deployment, version = make_deployment(), make_version()
    route = start_canary(deployment, version, 5, guard=Guard(steps=(5, 25, 100), step_minutes=10))
    assert not services.advance(route=route)
    weights = []
    for _ in range(3):
        Route.objects.filter(pk=route.pk).update(weighed_at="2020-01-01T00:00:00Z")
        weights.append((services.advance(route=route), routes(deployment)))
    assert weights == [
        (True, {(1, "live"): 75, (2, "canary"): 25}),
        (True, {(2, "live"): 100}),
        (False, {(2, "live"): 100}),
    ]
    assert [one.agent for one in deployment.revisions.order_by("-number")[:2]] == ["canary guard"] * 2


@pytest.mark.django_db(transaction=True)
def test_changes_when_made_at_once_then_one_after_the_other_and_never_mixed() -> None:
    deployment, versions = make_deployment(), [make_version() for _ in range(4)]
    told: list[str] = []

    def change(version: ModelVersion) -> None:
        try:
            start_canary(deployment, version, revision=1)
            told.append("done")
        except FluemanError as error:
            told.append(error.code)
        finally:
            connection.close()

    threads = [Thread(target=change, args=[version]) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(told) == ["changed_meanwhile"] * 3 + ["done"]
    assert sorted(routes(deployment).values()) == [10, 90]
    assert [one.number for one in deployment.revisions.order_by("number")] == [1, 2]


@contextmanager
def deleted_once_found(deployment: Deployment) -> Iterator[None]:
    """Have somebody else delete a deployment right after it has been looked up."""
    is_there = True

    def follow(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal is_there
        found = execute(sql, *rest)
        if is_there and sql.startswith("SELECT") and "inference_deployment" in sql:
            is_there = False
            Deployment.objects.filter(pk=deployment.pk).delete()
        return found

    with connection.execute_wrapper(follow):
        yield
    assert not is_there


def test_version_when_its_deployment_is_deleted_meanwhile_then_nothing_follows() -> None:
    for n, runner in enumerate(("ready", "failed")):
        first, second = make_version(), make_version(runner="starting")
        deployment = services.deploy(name=f"d{n}", version=first, actor=None)
        services.deploy(name=f"d{n}", version=second, actor=None)
        with deleted_once_found(deployment):
            if runner == "ready":
                services.settle_routes(version=second)
            else:
                services.note_failure(version=second, error="no such file")
    assert not Deployment.objects.exists()


def test_calls_when_the_live_version_is_away_then_the_canary_gets_no_more_than_its_share() -> None:
    live, canary = make_version(), make_version()
    start_canary(make_deployment(live), canary, 1)
    RunnerState.objects.filter(version=live).update(state="stopped", socket_path="", load_ms=5)
    endpoint = load_endpoints()["d"]
    assert [target.version for target in endpoint.answering] == [1, 2]
    assert shares_of_calls() == {1: 99, 2: 1}
    RunnerState.objects.filter(version=live).update(state="failed")
    assert shares_of_calls() == {2: 100}
    RunnerState.objects.filter(version=live).update(state="ready")
    RunnerState.objects.filter(version=canary).update(state="stopped", load_ms=5)
    assert shares_of_calls() == {1: 100}


def test_shadow_answers_when_older_than_they_are_kept_then_only_these_go(settings: Any) -> None:
    days = {200: uuid7_floor(ago_ms(200)), 91: uuid7_floor(ago_ms(91)), 89: uuid7_floor(ago_ms(89))}
    for key in days.values():
        make_shadow_result(id=key)
    settings.SHADOW_KEEP_DAYS = 0
    assert services.forget_shadow_results() == 0
    settings.SHADOW_KEEP_DAYS = 90
    assert services.forget_shadow_results() == 2
    assert list(ShadowResult.objects.values_list("pk", flat=True)) == [days[89]]


def ago_ms(days: int) -> int:
    return int((timezone.now() - timedelta(days=days)).timestamp() * 1000)
