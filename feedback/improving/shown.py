"""A model's loop as plain data in the reader's language: what the page, REST and the command all show."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext

from feedback.improving.facts import Facts
from feedback.improving.figures import FIGURES, LINKS
from feedback.improving.gathering import SEES, facts_of
from feedback.improving.loop import State, Step, stand
from feedback.improving.verbs import action_of, roles_with
from feedback.improving.wording import STATES, TITLES, round_words, sentence
from feedback.sight import Onlooker
from registry.models import RegisteredModel


def improvement_of(model: RegisteredModel, reader: Onlooker) -> dict[str, Any]:
    """Give where a model stands: `headline`, the `next` step's name and its action, and all `steps`."""
    facts = facts_of(model, reader)
    loop = stand(facts)
    return {
        "model": model.name,
        "headline": _words(loop.next, facts),
        "next": {"step": loop.next.name, "action": action_of(loop.next, facts, reader)},
        "round": round_words(facts),
        "steps": [_step(step, facts, reader) for step in loop.steps],
        "commands": _commands(facts) if loop.steps[4].code == "unused" else [],
    }


def _step(step: Step, facts: Facts, reader: Onlooker) -> dict[str, Any]:
    is_hidden = step.state == State.HIDDEN
    return {
        "name": step.name,
        "title": str(TITLES[step.name]),
        "state": step.state.value,
        "state_words": str(STATES[step.state]),
        "code": step.code,
        "words": _words(step, facts),
        "reasons": list(facts.gate.reasons) if step.name == "gate" and not is_hidden else [],
        "figures": [] if is_hidden else FIGURES[step.name](facts, reader),
        "links": [] if is_hidden else LINKS[step.name](facts),
        "action": None if is_hidden else action_of(step, facts, reader),
    }


def _words(step: Step, facts: Facts) -> str:
    if step.state == State.HIDDEN:
        return gettext("You may not see this. It can be seen by: %(roles)s") % {"roles": roles_with(*SEES[step.name])}
    return sentence(step, facts)


def _commands(facts: Facts) -> list[str]:
    """Give how to get the data and bring the retrained version, to be copied."""
    assert facts.data
    name, model = shlex.quote(facts.data.reference), shlex.quote(facts.model)
    return [
        f"python manage.py export_dataset {name} data.parquet",
        f"python manage.py import_model FOLDER --name {model} --trained-on {name}",
        f'curl -H "X-Api-Key: $KEY" "$URL/api/v1/models/{quote(facts.model)}/versions"'
        f" -F files=@flueman.json -F files=@model.safetensors -F trained_on={name}",
    ]
