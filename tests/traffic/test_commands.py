"""The commands of traffic: each does what it says, twice too, and refuses in a sentence."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from audit.models import AuditEvent
from inference.models import Deployment, RunnerState
from registry.models import GatePolicy
from tests.traffic.making import count_canary, make_deployment, make_version, start_canary, weights

pytestmark = pytest.mark.django_db


def say(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command(*map(str, arguments), stdout=out, **options)
    return out.getvalue()


def test_commands_when_run_one_after_another_move_the_calls() -> None:
    for number in range(1, 5):
        make_version(number)
    assert "intent v1  live  100%  ready" in say("deploy", "intent", "intent", 1)
    deployment = Deployment.objects.get()
    assert "intent v2  canary  5%" in say("start_canary", "intent", 2, "--reason", "smaller")
    say("start_shadow", "intent", 3, "--share", 20)
    assert weights(deployment) == {(1, "live"): 95, (2, "canary"): 5, (3, "shadow"): 20}
    say("end_route", "intent", 3)
    say("promote", "intent", 2)
    assert weights(deployment) == {(2, "live"): 100}
    say("set_weights", "intent", "2=80", "4=20")
    assert weights(deployment) == {(2, "live"): 80, (4, "live"): 20}
    say("rollback", "intent", "--to", 1)
    assert weights(deployment) == {(1, "live"): 100}
    assert AuditEvent.objects.get(action="inference.canary_started").reason == "smaller"


def test_start_canary_when_no_guard_is_named_then_that_of_the_gate() -> None:
    deployment, second = make_deployment(), make_version(2)
    plan = {"error_rate": 0.002, "steps": [25, 100]}
    GatePolicy.objects.create(model=second.model, canary_plan=plan, guards_serving=False)

    def guard_of(*options: Any) -> tuple[float, list[int], float]:
        say("start_canary", "intent", 2, *options)
        guard = deployment.routes.get(kind="canary").guard or {}
        say("end_route", "intent", 2)
        return guard["error_rate"], guard["steps"], guard["step_minutes"]

    assert guard_of() == (0.002, [25, 100], 10)
    assert guard_of("--steps", 50, 100) == (0.01, [50, 100], 10)
    assert guard_of("--steps") == (0.01, [], 10)
    assert guard_of("--step-minutes", 3) == (0.01, [], 3)


def test_commands_when_run_twice_change_nothing_the_second_time() -> None:
    for number in (1, 2, 3):
        make_version(number)
    once = [
        ("deploy", "intent", "intent", 1),
        ("start_canary", "intent", 2, "--weight", 10),
        ("start_shadow", "intent", 3),
        ("end_route", "intent", 3),
        ("set_weights", "intent", "1=80", "2=20"),
        ("promote", "intent", 2),
    ]
    for command in once:
        say(*command)
        count = Deployment.objects.get().revisions.count()
        say(*command)
        assert Deployment.objects.get().revisions.count() == count, command


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("start_canary", "other", 2), "there is no deployment 'other'"),
        (("start_canary", "intent", 9), "there is no version 9"),
        (("start_canary", "intent", 1), "answers callers already"),
        (("set_weights", "intent", "1=70"), "add up to 100"),
        (("set_weights", "intent", "1:100"), "is not VERSION=PERCENT"),
        (("promote", "intent", 2), "does not try"),
        (("rollback", "intent"), "nothing to go back to"),
        (("rollback", "intent", "--to", 7), "has no change 7"),
        (("deploy", "intent", "intent", 9), "there is no version 9"),
        (("show_deployment", "other"), "there is no deployment 'other'"),
        (("promote", "intent", 2, "--user", "nobody"), "there is no user nobody"),
    ],
)
@translation.override("en")
def test_commands_when_they_cannot_say_why(command: tuple[Any, ...], said: str) -> None:
    make_deployment()
    make_version(2)
    with pytest.raises(CommandError, match=said):
        say(*command)


def test_show_deployment_when_there_is_a_canary_tells_routes_verdict_and_changes() -> None:
    deployment = make_deployment(reason="first \x1b[2J one")
    count_canary(start_canary(deployment, make_version(2)), canary=412, live=9000)
    RunnerState.objects.filter(version__number=2).update(state="failed", error="no \x1b]0;memory")
    shown = say("show_deployment", "intent")
    assert "canary intent v2: watching, 412 calls, 88 missing" in shown
    assert "#2" in shown
    assert "failed: no" in shown
    assert "\x1b" not in shown
    assert shown.splitlines()[-1] == "intent is in service, 2 routes, 2 changes so far"
