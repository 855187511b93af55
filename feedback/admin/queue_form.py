"""The form of a review queue: what is judged, how, what brings items, and who judges."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import CheckboxSelectMultiple
from common.confirm import show_refusal
from common.display import person_name
from common.errors import FluemanError, Invalid
from feedback.models import ReviewQueue
from feedback.rules import RULES
from feedback.rules.base import A_DAY, PRIORITY, Rule, RuleField
from inference.labels import label_names_of
from inference.models import Deployment, Route

MOST_PEOPLE = 500
MINUTE_S = 60
_RULE_ERROR = re.compile(r"rules\[(\d+)\]\.?(\w*)")


class QueueForm(forms.Form):
    """What a queue is told, but for its rules."""

    name = forms.CharField(label=_("Name"), max_length=100)
    description = forms.CharField(label=_("What it is for"), required=False, widget=forms.Textarea(attrs={"rows": 2}))
    deployment = forms.ChoiceField(label=_("Deployment"), required=False)
    answer = forms.ChoiceField(label=_("What is asked"), choices=ReviewQueue.Answer.choices, widget=forms.RadioSelect)
    choices = forms.CharField(
        label=_("Labels"),
        required=False,
        help_text=_("One a line, in the order of their keys: the first is key 1."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    guidelines = forms.CharField(
        label=_("How to judge"),
        required=False,
        help_text=_("Reviewers can open it beside each item."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    reviewers_per_item = forms.IntegerField(label=_("Reviewers per item"), min_value=1, max_value=20)
    golden_percent = forms.IntegerField(
        label=_("Golden items in percent"),
        min_value=0,
        max_value=50,
        help_text=_("Items whose answer is known are mixed in; they show how reliable somebody is."),
    )
    lock_minutes = forms.IntegerField(label=_("Minutes an item is kept for a person"), min_value=1, max_value=1440)
    is_blind = forms.BooleanField(
        label=_("Blind"), required=False, help_text=_("Reviewers do not see what the model answered.")
    )
    is_masked = forms.BooleanField(
        label=_("Mask personal data"),
        required=False,
        help_text=_("Names, numbers and addresses are hidden in the copies that the queue keeps."),
    )
    reviewers = forms.TypedMultipleChoiceField(
        label=_("Reviewers"),
        required=False,
        coerce=int,
        help_text=_("Nobody chosen: everybody who may review."),
        widget=CheckboxSelectMultiple,
    )

    def __init__(
        self, *args: Any, queue: ReviewQueue | None = None, given: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(*args, initial=_initial(queue) | (_given(given) if given and queue is None else {}), **more)
        names = list(Deployment.objects.order_by("name").values_list("name", flat=True)[:MOST_PEOPLE])
        names += [queue.deployment] if queue and queue.deployment and queue.deployment not in names else []
        self.fields["deployment"].choices = [("", _("all deployments")), *((name, name) for name in names)]
        self.fields["reviewers"].choices = [(person.pk, person_name(person)) for person in possible_reviewers()]
        if queue is not None:
            self.fields["name"].disabled = True

    def told(self) -> dict[str, Any]:
        """Give what the services take, without rules."""
        told = dict(self.cleaned_data)
        told["choices"] = [line.strip() for line in told["choices"].splitlines() if line.strip()]
        told["lock_seconds"] = told.pop("lock_minutes") * MINUTE_S
        told["reviewers"] = list(User.objects.filter(pk__in=told["reviewers"]))
        return told


@dataclass(frozen=True, slots=True)
class RuleCard:
    """One rule in the form: whether it is chosen, its fields with what was typed, and what is wrong."""

    place: int
    rule: Rule
    key: str
    is_chosen: bool
    values: Mapping[str, Any]
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """What the names of its inputs begin with."""
        return f"rule-{self.place}"

    @property
    def fields(self) -> list[dict[str, Any]]:
        """Its own numbers, then how urgent it is and how many it may bring."""
        return [self._field(one) for one in (*self.rule.fields, PRIORITY, A_DAY)]

    @property
    def other_errors(self) -> list[str]:
        """What is wrong with none of its fields."""
        return [text for name, text in self.errors.items() if name not in {one["name"] for one in self.fields}]

    def told(self) -> dict[str, Any]:
        """Give the rule as the services take it."""
        told = {"kind": self.rule.kind} | ({"id": self.key} if self.key else {})
        values = {one.name: _number(self.values.get(one.name), one) for one in (*self.rule.fields, PRIORITY, A_DAY)}
        return told | {name: value for name, value in values.items() if value is not None}

    def _field(self, one: RuleField) -> dict[str, Any]:
        value = self.values.get(one.name, one.default)
        return {
            "name": one.name, "input": f"{self.prefix}-{one.name}", "label": one.label, "unit": one.unit,
            "value": "" if value is None else value, "least": one.least, "most": one.most,
            "step": 1 if one.is_whole else "any", "error": self.errors.get(one.name, ""),
        }  # fmt: skip


def possible_reviewers() -> list[User]:
    """Give the people who may review, by name."""
    people = User.objects.with_perm("feedback.add_review", backend="django.contrib.auth.backends.ModelBackend")
    return list(people.order_by("username")[:MOST_PEOPLE])


def cards_of(queue: ReviewQueue | None, given: Collection[str] = ()) -> list[RuleCard]:
    """Give the rules that a queue has as cards, then those that it could have, of which some are chosen already."""
    kept = [rule for rule in (queue.rules if queue else []) if rule["kind"] in RULES]
    cards = [RuleCard(place, RULES[one["kind"]], one["id"], True, one) for place, one in enumerate(kept)]
    unused = [rule for kind, rule in RULES.items() if kind not in {one["kind"] for one in kept}]
    return cards + [RuleCard(place, rule, "", rule.kind in given, {}) for place, rule in enumerate(unused, len(cards))]


def typed_cards(queue: ReviewQueue | None, data: Mapping[str, str]) -> list[RuleCard]:
    """Give the cards with what was typed into them."""
    typed = []
    for card in cards_of(queue):
        values = {one["name"]: data.get(one["input"], "") for one in card.fields}
        typed.append(RuleCard(card.place, card.rule, card.key, card.prefix in data, values))
    return typed


def rules_told(cards: list[RuleCard]) -> list[dict[str, Any]]:
    """Give the chosen rules as the services take them."""
    return [card.told() for card in cards if card.is_chosen]


def put_errors(form: QueueForm, cards: list[RuleCard], error: FluemanError | ValidationError) -> None:
    """Show what a service refused: at the rule that it speaks of, else at the form."""
    chosen = [card for card in cards if card.is_chosen]
    rest: dict[str, str] = {}
    for name, text in getattr(error, "fields", {}).items():
        found = _RULE_ERROR.match(name)
        if found and int(found[1]) < len(chosen):
            chosen[int(found[1])].errors[found[2]] = text
        else:
            rest["lock_minutes" if name == "lock_seconds" else name] = text
    if isinstance(error, FluemanError):
        if not rest and error.fields:
            form.add_error(None, _("Please correct the marked rules."))
            return
        error = Invalid(error.message, fields=rest)
    show_refusal(form, error)


def labels_by_deployment() -> dict[str, list[str]]:
    """Give the labels of the version that answers for each deployment, to be taken with one click."""
    routes = Route.objects.filter(kind=Route.Kind.LIVE).order_by("weight").values_list("deployment__name", "version")
    by_name = dict(routes[:MOST_PEOPLE])
    names = label_names_of(by_name.values())
    return {name: list(names[version]) for name, version in by_name.items() if version in names}


def _initial(queue: ReviewQueue | None) -> dict[str, Any]:
    source = queue or ReviewQueue()
    names = ("name", "description", "deployment", "answer", "guidelines", "reviewers_per_item", "golden_percent")
    first = {name: getattr(source, name) for name in (*names, "is_blind", "is_masked")}
    first |= {"choices": "\n".join(source.choices), "lock_minutes": source.lock_seconds // MINUTE_S}
    return first | {"reviewers": [person.pk for person in queue.reviewers.all()] if queue else []}


def _given(params: Mapping[str, str]) -> dict[str, Any]:
    """Give what an address fills a new queue with: its name, its deployment and the labels of that."""
    first = {name: params[name][:100] for name in ("name", "deployment") if name in params}
    labels = labels_by_deployment().get(first.get("deployment", ""), [])
    return first | ({"choices": "\n".join(labels)} if labels else {})


def _number(typed: Any, one: RuleField) -> Any:
    """Give what was typed as a number, as it is where it is none: the rule says what is wrong."""
    if typed in (None, ""):
        return None
    if isinstance(typed, int | float):
        return typed
    try:
        return int(typed) if one.is_whole else float(typed)
    except ValueError:
        return typed
