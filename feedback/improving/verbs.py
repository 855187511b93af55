"""What moves each step on: the page that does it, and who may. Nothing is done here: all lead to forms that are there.

Source of who may what: `accounts/roles.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.roles import ROLES
from feedback.improving.facts import Facts, Heard, Queue
from feedback.improving.loop import Step
from feedback.sight import Onlooker

DEPLOY = "inference.deploy_deployment"


@dataclass(frozen=True, slots=True)
class Verb:
    """A page that moves a step on: what its button says, what it asks for, and where it is."""

    label: Any
    permission: str
    url: Callable[[Facts], str]


def action_of(step: Step, facts: Facts, reader: Onlooker) -> dict[str, Any] | None:
    """Give the verb of a step for a reader, `None` where nothing moves it on; without the right it says who has it."""
    verb = VERBS.get(step.verb)
    if verb is None:
        return None
    why = _refusal(step.verb, verb, facts, reader)
    url = "" if why else verb.url(facts)
    return {"verb": step.verb, "label": str(verb.label), "url": url, "is_allowed": not why, "who": why}


def roles_with(*permissions: str) -> str:
    """Name the roles that hold all of some permissions."""
    return ", ".join(str(role.label) for role in ROLES.values() if role.permissions.issuperset(permissions))


def _refusal(name: str, verb: Verb, facts: Facts, reader: Onlooker) -> str:
    """Say who can do it, where the reader cannot."""
    roles = {"roles": roles_with(verb.permission)}
    if not reader.may(verb.permission):
        return gettext("Can be done by: %(roles)s") % roles
    if name == "decide" and facts.gate.asked and facts.gate.asked.is_own:
        return gettext("You asked for it or made the version: somebody else decides (%(roles)s)") % roles
    if name == "review" and not facts.total("mine"):
        return gettext("Nothing is left for you here: other reviewers are needed")
    return ""


def feedback_url(heard: Heard, **more: Any) -> str:
    """Give the inbox of a deployment's last 30 days."""
    return page_url("feedback_feedback_changelist", deployment=heard.deployment, range="30d", **more)


def calls_url(deployment: str, **more: Any) -> str:
    """Give the request log of a deployment."""
    return page_url("inference_inferencerequest_changelist", deployment=deployment, **({"range": "30d"} | more))


def items_url(queue: Queue, **more: Any) -> str:
    """Give the items of a queue."""
    return page_url("feedback_reviewitem_changelist", queue=queue.key, **more)


def row_url(name: str, key: Any) -> str:
    """Give the page of a row, such as `registry_modelversion`."""
    return reverse(f"admin:{name}_change", args=[key])


def page_url(page: str, /, *keys: Any, **query: Any) -> str:
    """Give a page of the back office by its name, such as `feedback_reviewqueue_settle`."""
    told = {field: value for field, value in query.items() if value not in ("", None)}
    return f"{reverse(f'admin:{page}', args=keys)}{'?' if told else ''}{urlencode(told)}"


def _most(rows: tuple[Any, ...], name: str) -> Any:
    return max(rows, key=lambda row: getattr(row, name) or 0)


def _tried(facts: Facts) -> Any:
    return facts.tried.key if facts.tried else ""


def _upload(facts: Facts) -> str:
    return page_url("registry_registeredmodel_upload", model=facts.model)


def _put_into_review(facts: Facts) -> str:
    heard: Heard = _most(facts.heard, "open")
    return page_url("feedback_feedback_review", deployment=heard.deployment, thumb=-1, review="no", range="30d")


def _make_queue(facts: Facts) -> str:
    heard: Heard = _most(facts.heard, "open")
    name = heard.deployment
    return page_url("feedback_reviewqueue_add", deployment=name, name=name, rule="thumbs_down")


def _evaluate(facts: Facts) -> str:
    return page_url("registry_evaluation_add", version=_tried(facts), data=facts.exam)


def _ask(facts: Facts) -> str:
    return page_url("registry_approvalrequest_ask", version=_tried(facts), deployment=facts.heard[0].deployment)


def _carry_out(facts: Facts) -> str:
    return page_url("registry_approvalrequest_do", facts.gate.asked.key if facts.gate.asked else "", "carry-out")


def _start_canary(facts: Facts) -> str:
    return page_url("inference_deployment_do", facts.heard[0].key, "start-canary", version=_tried(facts))


def _promote(facts: Facts) -> str:
    route = facts.canary.route if facts.canary else ""
    return page_url("inference_deployment_do", facts.heard[0].key, "promote", route=route)


VERBS: Mapping[str, Verb] = {
    "upload": Verb(_("Upload a version"), "registry.add_modelversion", _upload),
    "deploy": Verb(
        _("Deploy it"), DEPLOY,
        lambda facts: page_url("inference_deployment_add", version=_tried(facts), name=facts.model),
    ),
    "try": Verb(
        _("Try it"), "inference.predict_deployment",
        lambda facts: page_url("inference_deployment_try", facts.heard[0].key),
    ),
    "watch": Verb(_("See what is said"), "feedback.view_feedback", lambda facts: feedback_url(facts.heard[0])),
    "make_queue": Verb(_("Make a review queue"), "feedback.add_reviewqueue", _make_queue),
    "put_into_review": Verb(_("Put them into review"), "feedback.adjudicate_reviewqueue", _put_into_review),
    "settle": Verb(
        _("Settle them"), "feedback.adjudicate_reviewqueue",
        lambda facts: page_url("feedback_reviewqueue_settle", _most(facts.queues, "disputed").key),
    ),
    "review": Verb(
        _("Judge them"), "feedback.add_review",
        lambda facts: page_url("feedback_reviewqueue_review", _most(facts.queues, "mine").key),
    ),
    "make_data": Verb(
        _("Make a dataset version"), "datasets.add_datasetversion",
        lambda facts: page_url("feedback_feedback_data", queue=_most(facts.queues, "fresh").key),
    ),
    "see_data": Verb(
        _("Follow it"), "datasets.view_preprocessingjob",
        lambda facts: row_url("datasets_preprocessingjob", facts.data.work if facts.data else ""),
    ),
    "trust": Verb(
        _("Decide about trust"), "registry.trust_modelversion",
        lambda facts: page_url("registry_modelversion_do", _tried(facts), "trust"),
    ),
    "see_version": Verb(
        _("See the version"), "registry.view_modelversion",
        lambda facts: row_url("registry_modelversion", _tried(facts)),
    ),
    "evaluate": Verb(_("Evaluate it"), "registry.add_evaluation", _evaluate),
    "run_missing": Verb(
        _("See and run what is missing"), "registry.add_evaluation",
        lambda facts: page_url("registry_gatepolicy_lacks", _tried(facts)),
    ),
    "see_evaluation": Verb(
        _("See the evaluation"), "registry.view_evaluation",
        lambda facts: row_url("registry_evaluation", facts.evaluated.key if facts.evaluated else ""),
    ),
    "see_gate": Verb(
        _("See what it lacks"), "registry.view_gatepolicy",
        lambda facts: page_url("registry_gatepolicy_lacks", _tried(facts)),
    ),
    "decide": Verb(
        _("Decide"), "registry.decide_approvalrequest",
        lambda facts: row_url("registry_approvalrequest", facts.gate.asked.key if facts.gate.asked else ""),
    ),
    "ask": Verb(_("Ask for approval"), "registry.add_approvalrequest", _ask),
    "carry_out": Verb(_("Carry it out"), DEPLOY, _carry_out),
    "start_canary": Verb(_("Start the canary"), DEPLOY, _start_canary),
    "promote": Verb(_("Make it live"), DEPLOY, _promote),
    "see_traffic": Verb(
        _("See its traffic"), "inference.view_deployment",
        lambda facts: row_url("inference_deployment", facts.heard[0].key),
    ),
}  # fmt: skip
