"""Where each step stands and what is next, told by facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from feedback.improving.facts import (
    Asked,
    Canary,
    Data,
    Evaluated,
    Facts,
    Gate,
    Heard,
    Queue,
    Stopped,
    Version,
)
from feedback.improving.loop import STEPS, State, stand
from feedback.improving.verbs import VERBS
from feedback.improving.wording import _SENTENCES

LIVE, TRIED = Version(uuid4(), 6), Version(uuid4(), 7)
HEARD = Heard("intent", 1, calls=900, judged=10, wrong=2, corrected=1)
QUEUE = Queue(1, "intent", "intent", agreed=9, settled=1)
DATA = Data(uuid4(), "reviewed v1", "reviewed:1", uuid4(), rows=10)
KNOWN = Evaluated(uuid4(), "better", verdict="better", before="80 %", after="90 %")
BAD = Evaluated(uuid4(), "worse", verdict="worse")
ASKED = Asked(uuid4(), "waiting", 0, 1, "minji")
CANARY = Canary(5, 10, "watching", 20, 480, grows=True)
STOPPED = Stopped("stopped", datetime(2026, 1, 1, tzinfo=UTC), "drift")
USED = replace(DATA, is_used=True)
# The whole loop from its beginning: what is new is told, all else is as it was where nothing has happened.
BEGINNING = Facts(model="intent", heard=(HEARD,), live=LIVE)
REVIEWED = replace(BEGINNING, queues=(QUEUE,), data=DATA)
RETRAINED = replace(REVIEWED, data=USED, tried=TRIED)
EVALUATED = replace(RETRAINED, evaluated=KNOWN)


def with_queue(facts: Facts, **more: Any) -> Facts:
    return replace(facts, queues=(replace(QUEUE, **more),))


def with_gate(**more: Any) -> Facts:
    return replace(EVALUATED, gate=Gate(**more))


def open_answers(facts: Facts, count: int = 3) -> Facts:
    return replace(facts, heard=(replace(HEARD, open=count),))


NEXT = {
    "no version": (Facts("intent"), "answers not_begun no_version upload"),
    "a version that nothing calls": (Facts("intent", tried=TRIED), "answers not_begun no_deployment deploy"),
    "no calls and no queue, but a better version": (
        replace(EVALUATED, heard=(replace(HEARD, calls=0, judged=0),), queues=()), "serve waits ready start_canary",
    ),
    "a first version being checked": (
        Facts("intent", tried=replace(TRIED, state="checking")), "train going_on checking see_version",
    ),
    "no calls": (replace(BEGINNING, heard=(replace(HEARD, calls=0, judged=0),)), "answers not_begun no_calls try"),
    "nothing said and no queue": (replace(BEGINNING, heard=(replace(HEARD, judged=0, wrong=0),)),
                                  "queue not_begun no_queue make_queue"),
    "wrong answers and no queue": (open_answers(BEGINNING), "queue waits open make_queue"),
    "wrong answers and a closed queue": (
        open_answers(with_queue(BEGINNING, is_open=False)), "queue waits open make_queue",
    ),
    "wrong answers beside a queue": (
        open_answers(with_queue(BEGINNING, agreed=0, settled=0)), "queue waits open put_into_review",
    ),
    "waiting items": (with_queue(BEGINNING, waiting=5), "review waits waiting review"),
    "disputes before waiting items": (with_queue(BEGINNING, waiting=5, disputed=3), "review waits disputed settle"),
    "decided items": (with_queue(BEGINNING, fresh=10), "data waits fresh make_data"),
    "decided items while others wait": (with_queue(BEGINNING, fresh=10, waiting=1), "review waits waiting review"),
    "a version being made": (replace(REVIEWED, data=replace(DATA, state="writing")), "data going_on writing see_data"),
    "a version that failed": (replace(REVIEWED, data=replace(DATA, state="failed")), "data blocked failed see_data"),
    "a version that failed and fresh items": (
        with_queue(replace(REVIEWED, data=replace(DATA, state="failed")), fresh=10), "data waits fresh make_data",
    ),
    "data that nothing was trained on": (REVIEWED, "train waits unused upload"),
    "data before fresh items": (with_queue(REVIEWED, fresh=4, waiting=2), "train waits unused upload"),
    "a version being checked": (
        replace(RETRAINED, tried=replace(TRIED, state="pending")), "train going_on checking see_version",
    ),
    "a program": (
        replace(RETRAINED, tried=replace(TRIED, state="pending", waits_for_trust=True)), "train waits trust trust",
    ),
    "a refused version": (replace(RETRAINED, tried=replace(TRIED, state="refused")),
                          "train blocked refused see_version"),
    "a refused version and disputes": (
        with_queue(replace(RETRAINED, tried=replace(TRIED, state="refused")), disputed=1),
        "review waits disputed settle",
    ),
    "not evaluated": (RETRAINED, "evaluate waits unknown evaluate"),
    "not evaluated as the gate asks": (
        replace(EVALUATED, gate=Gate(demands=2, missing=1)), "evaluate waits missing run_missing",
    ),
    "being evaluated": (
        replace(RETRAINED, evaluated=replace(KNOWN, is_over=False)), "evaluate going_on running see_evaluation",
    ),
    "surely worse": (replace(RETRAINED, evaluated=BAD), "evaluate blocked worse see_evaluation"),
    "surely worse and waiting items": (
        with_queue(replace(RETRAINED, evaluated=BAD), waiting=5), "review waits waiting review",
    ),
    "surely worse and newer data": (
        replace(RETRAINED, evaluated=BAD, data=DATA), "train waits unused upload",
    ),
    "refused by the gate": (with_gate(demands=1, reasons=("too low",)), "gate blocked refused see_gate"),
    "to be asked": (with_gate(approvals=1), "gate waits to_ask ask"),
    "asked": (with_gate(approvals=1, asked=ASKED), "gate waits asked decide"),
    "approved": (with_gate(approvals=1, asked=replace(ASKED, state="approved")), "serve waits ready carry_out"),
    "passed": (with_gate(demands=1), "serve waits ready start_canary"),
    "nothing demanded, and disputes": (with_queue(EVALUATED, disputed=3), "serve waits ready start_canary"),
    "a canary": (replace(EVALUATED, canary=CANARY), "serve going_on canary_watching see_traffic"),
    "a canary that grows": (
        replace(EVALUATED, canary=replace(CANARY, verdict="good")), "serve going_on canary_good see_traffic",
    ),
    "a canary that is good": (
        replace(EVALUATED, canary=replace(CANARY, verdict="good", grows=False)), "serve waits good promote",
    ),
    "a canary that does harm": (
        replace(EVALUATED, canary=replace(CANARY, verdict="stopped")), "serve going_on canary_stopped see_traffic",
    ),
    "a stopped canary": (replace(EVALUATED, stopped=STOPPED), "serve blocked stopped see_traffic"),
    "a stopped canary and wrong answers": (
        open_answers(replace(EVALUATED, stopped=STOPPED)), "queue waits open put_into_review",
    ),
    "rolled back": (
        replace(EVALUATED, stopped=replace(STOPPED, code="rolled_back")), "serve blocked rolled_back see_traffic",
    ),
    "all round": (replace(RETRAINED, tried=None, evaluated=KNOWN), "answers going_on wrong watch"),
    "all round, and it begins again": (
        open_answers(replace(RETRAINED, tried=None, evaluated=KNOWN)), "queue waits open put_into_review",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NEXT)
def test_next_when_facts_are_given_then_it_is_what_is_furthest_along(case: str) -> None:
    facts, wanted = NEXT[case]
    found = stand(facts).next
    assert " ".join((found.name, found.state, found.code, found.verb)) == wanted


@pytest.mark.parametrize("case", NEXT)
def test_steps_when_facts_are_given_then_each_has_its_sentence_and_a_page_for_its_verb(case: str) -> None:
    steps = stand(NEXT[case][0]).steps
    assert [step.name for step in steps] == list(STEPS)
    assert {(step.name, step.code) for step in steps} <= set(_SENTENCES)
    assert {step.verb for step in steps} <= {"", *VERBS}


def test_steps_when_all_cases_are_told_then_no_sentence_and_no_verb_is_left_over() -> None:
    steps = [step for facts, _wanted in NEXT.values() for step in stand(facts).steps]
    steps += stand(
        replace(EVALUATED, tried=replace(TRIED, named="reviewed v1"), heard=(replace(HEARD, wrong=0),))
    ).steps
    steps += stand(replace(EVALUATED, stopped=replace(STOPPED, code="not_loaded"))).steps
    assert {(step.name, step.code) for step in steps} == set(_SENTENCES)
    assert {step.verb for step in steps} - {""} == set(VERBS)


def test_steps_when_a_round_is_done_then_all_are_done_but_the_answers() -> None:
    steps = stand(replace(RETRAINED, tried=None, evaluated=KNOWN)).steps
    assert [step.state for step in steps] == [State.GOING_ON, *[State.DONE] * 7]


@pytest.mark.parametrize("name", STEPS)
def test_step_when_its_rows_may_not_be_seen_then_it_is_hidden_and_never_next(name: str) -> None:
    facts = replace(open_answers(with_queue(EVALUATED, disputed=1, fresh=3)), hidden=frozenset({name}))
    loop = stand(facts)
    assert loop.steps[STEPS.index(name)].state == State.HIDDEN
    assert loop.next.name != name


def test_all_steps_when_nothing_may_be_seen_then_nothing_is_said() -> None:
    loop = stand(Facts("intent", hidden=frozenset(STEPS)))
    assert {step.state for step in loop.steps} == {State.HIDDEN}
    assert (loop.next.state, loop.next.verb) == (State.HIDDEN, "")
