"""Where each step stands, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from common.display import moment, thousands
from common.korean import settle_particles
from feedback.improving.facts import Facts
from feedback.improving.loop import State, Step
from registry.wording import in_words

TITLES: Mapping[str, Any] = {
    "answers": _("Answers"),
    "queue": _("Into review"),
    "review": _("Review"),
    "data": _("Data"),
    "train": _("Retraining"),
    "evaluate": _("Evaluation"),
    "gate": _("Gate and approval"),
    "serve": _("Canary and promotion"),
}
STATES: Mapping[State, Any] = {
    State.DONE: _("done"),
    State.GOING_ON: _("going on"),
    State.WAITS: _("waits for somebody"),
    State.NOT_BEGUN: _("not begun"),
    State.BLOCKED: _("blocked"),
    State.HIDDEN: _("not shown"),
}


def sentence(step: Step, facts: Facts) -> str:
    """Say where a step stands. A step that is hidden says nothing."""
    told = _SENTENCES.get((step.name, step.code), "")
    counted: int = _counts(facts).get(step.code, 0)
    least = "+" if step.code in ("open", "wrong") and not all(one.is_whole for one in facts.heard) else ""
    return settle_particles(str(told % {**_names(facts), "n": counted, "count": thousands(counted) + least}))


def round_words(facts: Facts) -> str:
    """Say what the last way round has brought, where the live version came of the newest data and was compared."""
    found = facts.evaluated
    if not (facts.is_closed and found and found.before and facts.live):
        return ""
    told = {"live": f"v{facts.live.number}", "before": found.before, "after": found.after}
    return settle_particles(gettext("It went round: %(before)s before, %(after)s with %(live)s.") % told)


def _counts(facts: Facts) -> dict[str, int]:
    """Give the number that a sentence turns on, by its code."""
    totals = {name: facts.total(name) for name in ("open", "wrong", "disputed", "waiting", "fresh")}
    return totals | {
        "missing": facts.gate.missing,
        "refused": len(facts.gate.reasons),
        "to_ask": facts.gate.approvals,
        "canary_watching": facts.canary.needed if facts.canary else 0,
    }


def _names(facts: Facts) -> dict[str, Any]:
    """Give what else sentences speak of."""
    tried, live, data, asked, canary = facts.tried, facts.live, facts.data, facts.gate.asked, facts.canary
    return {
        "model": facts.model,
        "tried": f"v{tried.number}" if tried else "–",
        "live": f"v{live.number}" if live else "–",
        "data": data.name if data else "–",
        "named": tried.named if tried else "",
        "since": moment(facts.live_since)[:16],
        "why": (facts.stopped.words if facts.stopped else "") or gettext("no reason was given"),
        "refusal": in_words(tried.refusal) if tried else "",
        "judged": thousands(facts.total("judged")),
        "evaluated": facts.evaluated.words if facts.evaluated else "",
        "by": asked.by if asked else "",
        "given": asked.given if asked else 0,
        "needed": asked.needed if asked else 0,
        "share": f"{canary.weight} %" if canary else "",
        "requests": thousands(canary.requests) if canary else "",
    }


_LATER = _("Begins when a new version is ready")
_EVALUATED = "%(evaluated)s"
_SENTENCES: Mapping[tuple[str, str], Any] = {
    ("answers", "no_version"): _("%(model)s has no version that can serve yet"),
    ("answers", "no_deployment"): _("%(tried)s is ready, and nothing calls it yet"),
    ("answers", "no_calls"): _("No call came in the last 30 days"),
    ("answers", "not_judged"): _("Nobody has judged an answer of the last 30 days"),
    ("answers", "good"): _("None of %(judged)s judgements of the last 30 days is a thumb down"),
    ("answers", "wrong"): ngettext_lazy(
        "%(count)s of %(judged)s judgements of the last 30 days is a thumb down",
        "%(count)s of %(judged)s judgements of the last 30 days are thumbs down",
        "n",
    ),
    ("queue", "open"): ngettext_lazy(
        "%(count)s thumb down is in no review queue", "%(count)s thumbs down are in no review queue", "n"
    ),
    ("queue", "no_queue"): _("No review queue takes these answers yet"),
    ("queue", "all_held"): _("All thumbs down are in review"),
    ("review", "disputed"): ngettext_lazy("%(count)s answer is disputed", "%(count)s answers are disputed", "n"),
    ("review", "waiting"): ngettext_lazy(
        "%(count)s answer waits for its review", "%(count)s answers wait for their review", "n"
    ),
    ("review", "judged"): _("All that came is judged"),
    ("review", "none"): _("Nothing has come to be judged yet"),
    ("data", "writing"): _("%(data)s is being made"),
    ("data", "fresh"): ngettext_lazy(
        "%(count)s decided answer is in no dataset version yet",
        "%(count)s decided answers are in no dataset version yet",
        "n",
    ),
    ("data", "failed"): _("%(data)s could not be made"),
    ("data", "made"): _("%(data)s holds all that was decided"),
    ("data", "none"): _("Begins when the first answer is decided"),
    ("train", "trust"): _("%(tried)s is a program and waits for somebody to trust it"),
    ("train", "checking"): _("%(tried)s is being checked"),
    ("train", "unused"): _("No version was trained on %(data)s yet"),
    ("train", "refused"): _("%(tried)s did not pass its check: %(refusal)s"),
    ("train", "named"): _("%(tried)s was trained on %(named)s"),
    ("train", "after"): _("%(tried)s is ready; it names no reviewed data that it was trained on"),
    ("train", "live"): _("%(live)s, which is live, came of %(data)s"),
    ("train", "none"): _("Begins when there is reviewed data"),
    ("evaluate", "running"): _EVALUATED,
    ("evaluate", "missing"): ngettext_lazy(
        "%(count)s evaluation of %(tried)s that the gate asks for is missing",
        "%(count)s evaluations of %(tried)s that the gate asks for are missing",
        "n",
    ),
    ("evaluate", "unknown"): _("%(tried)s has not been evaluated yet"),
    ("evaluate", "worse"): _EVALUATED,
    ("evaluate", "known"): _EVALUATED,
    ("evaluate", "round"): _EVALUATED,
    ("evaluate", "none"): _LATER,
    ("gate", "none"): _LATER,
    ("gate", "later"): _("Asked when %(tried)s is evaluated"),
    ("gate", "refused"): ngettext_lazy(
        "The gate refuses %(tried)s for %(count)s reason", "The gate refuses %(tried)s for %(count)s reasons", "n"
    ),
    ("gate", "asked"): _("%(by)s asked for approval of %(tried)s: %(given)s of %(needed)s given"),
    ("gate", "to_ask"): ngettext_lazy(
        "%(tried)s needs %(count)s approval before it serves",
        "%(tried)s needs %(count)s approvals before it serves",
        "n",
    ),
    ("gate", "approved"): _("%(tried)s is approved"),
    ("gate", "passed"): _("%(tried)s passes the gate"),
    ("gate", "free"): _("Nothing is demanded of %(tried)s"),
    ("gate", "let_in"): _("%(tried)s was let in"),
    ("gate", "round"): _("%(live)s was let in"),
    ("serve", "good"): _("The canary %(tried)s is as good as %(live)s so far"),
    ("serve", "canary_good"): _(
        "The canary %(tried)s answers %(share)s of the calls without harm, and grows by itself"
    ),
    ("serve", "canary_stopped"): _("The canary %(tried)s does harm and is being stopped"),
    ("serve", "canary_watching"): ngettext_lazy(
        "The canary %(tried)s has answered %(requests)s calls; %(count)s more is needed to judge it",
        "The canary %(tried)s has answered %(requests)s calls; %(count)s more are needed to judge it",
        "n",
    ),
    ("serve", "stopped"): _("The canary %(tried)s was stopped: %(why)s"),
    ("serve", "not_loaded"): _("%(tried)s could not be loaded: %(why)s"),
    ("serve", "rolled_back"): _("%(tried)s was rolled back: %(why)s"),
    ("serve", "live"): _("%(live)s is live since %(since)s"),
    ("serve", "none"): _LATER,
    ("serve", "later"): _("Begins when %(tried)s is let in"),
    ("serve", "ready"): _("%(tried)s may begin to serve"),
}
