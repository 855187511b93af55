"""The two halves of the page of a new evaluation: versions and data, then the columns."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.choices import CheckboxSelectMultiple
from common.display import thousands
from datasets.models import DatasetVersion
from inference.evaluating.plan import Plan, may_be_label
from inference.evaluating.services import MOST_VERSIONS, outputs_to_judge, splits_of, types_of
from registry.models import ModelVersion

OFFERED = 200
LIVE, NOBODY = "live", "nobody"


class _Data(forms.ModelChoiceField):
    def label_from_instance(self, obj: DatasetVersion) -> str:
        return f"{obj} · {gettext('%(rows)s rows') % {'rows': thousands(obj.rows)}}"


class ChooseForm(forms.Form):
    """Which versions over which rows."""

    version = forms.ModelChoiceField(label=_("Version"), queryset=ModelVersion.objects.none())
    data = _Data(
        label=_("Data"),
        queryset=DatasetVersion.objects.none(),
        help_text=_("rows whose right answers are known; none that the version was trained on"),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        versions = ModelVersion.objects.present().ready().select_related("model").order_by("model__name", "-number")
        self.fields["version"].queryset = versions  # type: ignore[attr-defined]
        sealed = DatasetVersion.objects.sealed().filter(dataset__archived_at=None).select_related("dataset")
        self.fields["data"].queryset = sealed.order_by("dataset__name", "-number")  # type: ignore[attr-defined]


def columns_form(version: ModelVersion, data: DatasetVersion, plan: Plan | None) -> type[forms.Form]:
    """Give the form of all else, filled with what was guessed."""
    types, task = types_of(data), outputs_to_judge(version).task
    choices = [(name, f"{name} ({kind})") for name, kind in list(types.items())[:OFFERED]]
    empty = [("", gettext("– choose –"))]
    fields: dict[str, forms.Field] = {}
    for number, spec in enumerate(version.parsed_signature().inputs):
        fields[f"input_{number}"] = forms.ChoiceField(
            label=gettext("Column for the input “%(name)s”") % {"name": spec.name},
            choices=[*empty, *choices],
            initial=plan.inputs.get(spec.name, "") if plan else "",
        )
    fields["label"] = forms.ChoiceField(
        label=gettext("Column of the right answers"),
        choices=[*empty, *((name, told) for name, told in choices if may_be_label(task, types[name]))],
        initial=plan.label if plan else "",
    )
    if splits := splits_of(data):
        fields["split"] = forms.ChoiceField(
            label=gettext("Rows"),
            choices=[("", gettext("all")), *((name, name) for name in splits)],
            initial="test" if "test" in splits else "",
            required=False,
        )
    plain = [(name, name) for name, kind in types.items() if not kind.startswith("list")][:OFFERED]
    fields["slices"] = forms.MultipleChoiceField(
        label=gettext("Look at the values of these columns one by one"),
        choices=plain,
        widget=CheckboxSelectMultiple,
        required=False,
    )
    return type("ColumnsForm", (forms.Form,), fields | _others(version))


def _others(version: ModelVersion) -> dict[str, forms.Field]:
    """Give what to compare with, and what to run side by side."""
    others = ModelVersion.objects.ready().filter(model=version.model_id).exclude(pk=version.pk).order_by("-number")
    named = [(str(one.pk), f"v{one.number}") for one in others[:OFFERED]]
    fields: dict[str, forms.Field] = {
        "baseline": forms.ChoiceField(
            label=gettext("Compare with"),
            choices=[(LIVE, gettext("the version that is live")), (NOBODY, gettext("no other")), *named],
            required=False,
        )
    }
    if named:
        fields["beside"] = forms.MultipleChoiceField(
            label=gettext("Evaluate these too"),
            choices=named[: 3 * MOST_VERSIONS],
            widget=CheckboxSelectMultiple,
            required=False,
        )
    return fields


def option_of(form: forms.Form, version: ModelVersion) -> dict[str, Any]:
    """Give what was chosen, as the service takes it."""
    chosen = form.cleaned_data
    inputs = {spec.name: chosen[f"input_{number}"] for number, spec in enumerate(version.parsed_signature().inputs)}
    given = {"inputs": inputs, "label": chosen["label"], "slices": chosen["slices"], "split": chosen.get("split", "")}
    baseline = chosen.get("baseline") or LIVE
    own = ModelVersion.objects.select_related("model")
    return {
        "versions": [version, *own.filter(pk__in=chosen.get("beside") or [])],
        "given": given,
        "baseline": None if baseline in (LIVE, NOBODY) else own.get(pk=baseline),
        "is_compared": baseline != NOBODY,
    }
