"""Where a model stands on the closed loop, and the one next action. Pure: facts in, states and a verb out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from feedback.improving.facts import Facts, Gate

STEPS = ("answers", "queue", "review", "data", "train", "evaluate", "gate", "serve")


class State(StrEnum):
    """Of one step. `WAITS`: somebody has to do something; `HIDDEN`: the reader may not see its rows."""

    DONE = "done"
    GOING_ON = "going_on"
    WAITS = "waits"
    NOT_BEGUN = "not_begun"
    BLOCKED = "blocked"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Step:
    """Where one step stands: a state, a code that says why, and the verb that moves it on, if there is one."""

    name: str
    state: State
    code: str
    verb: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """All steps in their order, and the one to act on next."""

    steps: tuple[Step, ...]
    next: Step


def stand(facts: Facts) -> Loop:
    """Give where each step stands, and the next action.

    What is furthest along comes first: a canary is brought to its end before new disputes are settled. What is blocked
    is passed over while an earlier step has work; where nothing has any, the last thing that is blocked is shown.
    """
    found: dict[str, Step] = {}
    for name in STEPS:
        found[name] = Step(name, State.HIDDEN, "hidden") if name in facts.hidden else _RULES[name](facts, found)
    return Loop(tuple(found.values()), _next(facts, found))


def _next(facts: Facts, found: Mapping[str, Step]) -> Step:
    backwards = [found[name] for name in reversed(STEPS)]
    if not facts.heard:  # nothing answers yet: a version has to come first, and then a deployment
        backwards = [found["train"], found["answers"]]
    for states in ((State.WAITS, State.GOING_ON), (State.BLOCKED,), (State.NOT_BEGUN,)):
        for step in backwards:
            if step.state in states and step.verb and (step.name, step.state) != ("answers", State.GOING_ON):
                return step
    return found["answers"]


def _answers(facts: Facts, _found: Mapping[str, Step]) -> Step:
    if not facts.heard:
        if facts.tried is None or facts.tried.state != "ready":
            return Step("answers", State.NOT_BEGUN, "no_version", "upload")
        return Step("answers", State.NOT_BEGUN, "no_deployment", "deploy")
    if all(one.calls == 0 for one in facts.heard):
        return Step("answers", State.NOT_BEGUN, "no_calls", "try")
    code = "not_judged" if not facts.total("judged") else "wrong" if facts.total("wrong") else "good"
    return Step("answers", State.GOING_ON, code, "watch")


def _queue(facts: Facts, found: Mapping[str, Step]) -> Step:
    is_open = any(one.is_open for one in facts.queues)
    if facts.total("open"):
        return Step("queue", State.WAITS, "open", "put_into_review" if is_open else "make_queue")
    if not is_open:
        has_calls = found["answers"].state != State.NOT_BEGUN
        return Step("queue", State.NOT_BEGUN, "no_queue", "make_queue" if has_calls else "")
    return Step("queue", State.DONE, "all_held")


def _review(facts: Facts, _found: Mapping[str, Step]) -> Step:
    if facts.total("disputed"):
        return Step("review", State.WAITS, "disputed", "settle")
    if facts.total("waiting"):
        return Step("review", State.WAITS, "waiting", "review")
    return Step("review", State.DONE, "judged") if facts.total("decided") else Step("review", State.NOT_BEGUN, "none")


def _data(facts: Facts, _found: Mapping[str, Step]) -> Step:
    data, fresh = facts.data, facts.total("fresh")
    if data and data.state == "writing":
        return Step("data", State.GOING_ON, "writing", "see_data")
    if fresh:
        is_reviewed = not facts.total("waiting") and not facts.total("disputed")
        return Step("data", State.WAITS if is_reviewed else State.NOT_BEGUN, "fresh", "make_data")
    if data and data.state == "failed":
        return Step("data", State.BLOCKED, "failed", "see_data")
    return Step("data", State.DONE, "made") if data else Step("data", State.NOT_BEGUN, "none")


def _train(facts: Facts, _found: Mapping[str, Step]) -> Step:
    tried, data = facts.tried, facts.data
    if tried and tried.waits_for_trust:
        return Step("train", State.WAITS, "trust", "trust")
    if tried and tried.state in ("pending", "checking"):
        return Step("train", State.GOING_ON, "checking", "see_version")
    if data and data.state == "sealed" and not data.is_used:
        return Step("train", State.WAITS, "unused", "upload")
    if tried and tried.state != "ready":
        return Step("train", State.BLOCKED, "refused", "see_version")
    if tried:
        return Step("train", State.DONE, "named" if tried.named else "after")
    return Step("train", State.DONE, "live") if facts.is_closed else Step("train", State.NOT_BEGUN, "none")


def _evaluate(facts: Facts, _found: Mapping[str, Step]) -> Step:
    if facts.tried is None or facts.tried.state != "ready":
        is_round = facts.is_closed and facts.evaluated is not None
        return Step("evaluate", State.DONE, "round") if is_round else Step("evaluate", State.NOT_BEGUN, "none")
    if facts.evaluated and not facts.evaluated.is_over:
        return Step("evaluate", State.GOING_ON, "running", "see_evaluation")
    if facts.gate.missing:
        return Step("evaluate", State.WAITS, "missing", "run_missing")
    if facts.evaluated is None:
        return Step("evaluate", State.WAITS, "unknown", "evaluate")
    if facts.evaluated.verdict == "worse":
        return Step("evaluate", State.BLOCKED, "worse", "see_evaluation")
    return Step("evaluate", State.DONE, "known", "see_evaluation")


def _gate(facts: Facts, found: Mapping[str, Step]) -> Step:
    if facts.tried is None:
        return Step("gate", State.DONE, "round") if facts.is_closed else Step("gate", State.NOT_BEGUN, "none")
    if facts.canary:
        return Step("gate", State.DONE, "let_in")
    if facts.heard and facts.gate.reasons:
        return Step("gate", State.BLOCKED, "refused", "see_gate")
    if found["evaluate"].state not in (State.DONE, State.HIDDEN) or not facts.heard:
        return Step("gate", State.NOT_BEGUN, "later")
    return _approval(facts.gate)


def _approval(gate: Gate) -> Step:
    if gate.asked and gate.asked.state == "waiting":
        return Step("gate", State.WAITS, "asked", "decide")
    if gate.approvals and not gate.asked:
        return Step("gate", State.WAITS, "to_ask", "ask")
    return Step("gate", State.DONE, "approved" if gate.asked else "passed" if gate.demands else "free")


def _serve(facts: Facts, found: Mapping[str, Step]) -> Step:
    canary = facts.canary
    if canary:
        if canary.verdict == "good" and not canary.grows:
            return Step("serve", State.WAITS, "good", "promote")
        return Step("serve", State.GOING_ON, f"canary_{canary.verdict}", "see_traffic")
    if facts.stopped:
        return Step("serve", State.BLOCKED, facts.stopped.code, "see_traffic")
    if facts.tried is None:
        return Step("serve", State.DONE, "live") if facts.is_closed else Step("serve", State.NOT_BEGUN, "none")
    if found["gate"].state != State.DONE:
        return Step("serve", State.NOT_BEGUN, "later")
    return Step("serve", State.WAITS, "ready", "carry_out" if facts.gate.asked else "start_canary")


_RULES: Mapping[str, Callable[[Facts, Mapping[str, Step]], Step]] = {
    "answers": _answers, "queue": _queue, "review": _review, "data": _data,
    "train": _train, "evaluate": _evaluate, "gate": _gate, "serve": _serve,
}  # fmt: skip
