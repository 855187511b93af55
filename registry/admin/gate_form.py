"""A gate as a form: a card for each requirement with the fields of its kind, the canary plan, approvals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.numbers import whole
from datasets.models import Dataset
from registry.guard import Guard
from registry.measures.catalogue import METRICS, SLICED
from registry.measures.words import metric_label
from registry.models import GatePolicy
from registry.requirements import KINDS, LIVE, METRIC, MOST, SLICES

TITLES = {
    METRIC: _("A figure is good enough"),
    LIVE: _("Not worse than the live version"),
    SLICES: _("Good enough for every value of a column"),
}
NOTES = {
    METRIC: _("a limit for one figure over one dataset"),
    LIVE: _("beside the version that answers callers now"),
    SLICES: _("so that no group of rows is left behind"),
}


class CardForm(forms.Form):
    """What all requirements have."""

    dataset = forms.ModelChoiceField(label=_("Dataset"), queryset=Dataset.objects.none())
    version = forms.IntegerField(
        label=_("Version of it"), min_value=1, required=False, help_text=_("empty: always the newest sealed one")
    )
    split = forms.CharField(label=_("Split"), max_length=50, required=False, help_text=_("empty: all rows"))
    label = forms.CharField(
        label=_("Column of right answers"), max_length=255, required=False,
        help_text=_("empty: the one that the newest evaluation took"),
    )  # fmt: skip
    metric = forms.ChoiceField(label=_("Figure"))

    metrics: tuple[str, ...] = tuple(METRICS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = Dataset.objects.present()  # type: ignore[attr-defined]
        choices = [(name, metric_label(name)) for name in self.metrics]
        self.fields["metric"].choices = choices  # type: ignore[attr-defined]

    def entry(self, kind: str) -> dict[str, Any]:
        """Give the requirement as plain data, with the fields of its kind that were filled in."""
        known = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        return {**known, "kind": kind, "dataset": str(self.cleaned_data["dataset"].pk)}


class MetricCard(CardForm):
    """A limit for one number."""

    at_least = forms.FloatField(label=_("At least"), required=False, help_text=_("shares between 0 and 1: 0.9 is 90 %"))
    at_most = forms.FloatField(label=_("At most"), required=False)


class LiveCard(CardForm):
    """A number beside that of the live version."""

    most_worse = forms.FloatField(
        label=_("Worse by at most"), min_value=0, initial=0, help_text=_("shares between 0 and 1: 0.01 is one point")
    )
    is_significant = forms.BooleanField(
        label=_("Surely so"), required=False, help_text=_("the whole 95 % interval of the difference is above that")
    )


class SlicesCard(CardForm):
    """A limit for each value of a column."""

    metrics = SLICED
    column = forms.CharField(label=_("Column"), max_length=255)
    at_least = forms.FloatField(label=_("At least"), required=False, help_text=_("shares between 0 and 1: 0.9 is 90 %"))
    at_most = forms.FloatField(label=_("At most"), required=False)
    rows = forms.IntegerField(
        label=_("Values with so many rows"), min_value=1, initial=30, help_text=_("fewer rows say too little")
    )


CARDS: Mapping[str, type[CardForm]] = {METRIC: MetricCard, LIVE: LiveCard, SLICES: SlicesCard}


class GateForm(forms.Form):
    """What a gate demands besides its requirements."""

    guards_serving = forms.BooleanField(
        label=_("Asked before a version answers callers"),
        required=False,
        initial=True,
        help_text=_("deployments, canaries and changes of weight; protected aliases ask by their own rule"),
    )
    approvals = forms.IntegerField(label=_("Approvals needed to serve"), min_value=0, max_value=20, initial=0)
    steps = forms.CharField(
        label=_("Canary: weights it goes through"),
        required=False,
        max_length=200,
        help_text=_("percent, with commas: 5, 25, 100; 100 makes it live; empty: no plan"),
    )
    step_minutes = forms.FloatField(
        label=_("Canary: minutes at each weight"), min_value=0.1, initial=10, required=False
    )
    error_rate = forms.FloatField(
        label=_("Canary: stop at more errors by"),
        required=False,
        initial=0.01,
        help_text=_("a share: 0.01 is one point"),
    )
    latency_factor = forms.FloatField(
        label=_("Canary: stop when slower by the factor"), required=False, initial=1.5, min_value=1
    )
    drift = forms.FloatField(label=_("Canary: stop at more drift of answers than"), required=False, initial=0.25)
    min_requests = forms.IntegerField(
        label=_("Canary: calls before it counts as good"), required=False, initial=500, min_value=1
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=500, required=False, help_text=_("It is kept in the audit log.")
    )

    def clean_steps(self) -> list[int]:
        """Read the weights."""
        text = self.cleaned_data["steps"].replace("%", "")
        try:
            return [int(word) for word in text.replace(",", " ").split()]
        except ValueError:
            raise forms.ValidationError(gettext("These must be whole numbers with commas between.")) from None

    def plan(self) -> dict[str, Any]:
        """Give the canary plan; empty where there is none."""
        if not self.cleaned_data["steps"]:
            return {}
        names = ("step_minutes", "error_rate", "latency_factor", "drift", "min_requests")
        known = {name: self.cleaned_data[name] for name in names if self.cleaned_data[name] is not None}
        return {"steps": self.cleaned_data["steps"], **known}


class Page:
    """The whole form of one model's gate: read from a policy or from what was sent."""

    def __init__(self, policy: GatePolicy | None, sent: QueryDict | None) -> None:
        self.form = GateForm(sent, initial=_initial(policy))
        kinds = sent.getlist("kinds") if sent else [one["kind"] for one in (policy.requirements if policy else [])]
        known = list(policy.requirements) if policy and sent is None else []
        self.cards: list[tuple[str, CardForm]] = []
        for place, kind in enumerate(kind for kind in kinds[:MOST] if kind in KINDS):
            initial = known[place] if place < len(known) else None
            self.cards.append((kind, CARDS[kind](sent, prefix=f"r{place}", initial=initial)))

    def is_valid(self) -> bool:
        """Whether all can be read."""
        return all([self.form.is_valid(), *(card.is_valid() for _, card in self.cards)])

    def values(self) -> dict[str, Any]:
        """Give what the service takes."""
        data = self.form.cleaned_data
        return {
            "requirements": [card.entry(kind) for kind, card in self.cards],
            "canary_plan": self.form.plan(),
            "approvals": data["approvals"],
            "guards_serving": data["guards_serving"],
            "reason": data["reason"],
        }


def changed(sent: QueryDict) -> QueryDict | None:
    """Give what was sent with a card more or less, `None` where it is to be saved."""
    kind = str(sent.get("add", ""))
    if kind in KINDS:
        more = sent.copy()
        more.appendlist("kinds", kind)
        place = len(more.getlist("kinds")) - 1
        for name, field in CARDS[kind].base_fields.items():
            if field.initial not in (None, ""):
                more[f"r{place}-{name}"] = str(field.initial)
        return more
    gone = whole(sent.get("remove", ""))
    return None if gone is None else _without(sent, gone)


def _without(sent: QueryDict, gone: int) -> QueryDict:
    """Give what was sent without one card; those behind it move up."""
    left = sent.copy()
    kinds = sent.getlist("kinds")
    left.setlist("kinds", [kind for place, kind in enumerate(kinds) if place != gone])
    for name in list(left):
        text, dash, field = name.removeprefix("r").partition("-")
        place = whole(text, least=gone) if name.startswith("r") and dash else None
        if place is not None:
            values = left.pop(name)
            if place > gone:
                left.setlist(f"r{place - 1}-{field}", values)
    return left


def _initial(policy: GatePolicy | None) -> dict[str, Any]:
    if policy is None:
        return {}
    told: dict[str, Any] = {"guards_serving": policy.guards_serving, "approvals": policy.approvals}
    if policy.canary_plan:
        plan = Guard.from_dict(policy.canary_plan).as_dict()
        told |= {**plan, "steps": ", ".join(map(str, plan["steps"]))}
    return told
