"""What is asked of somebody who describes a dataset."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from common.confirm import ReasonForm
from datasets.models import Dataset
from datasets.services.datasets import LONGEST_DESCRIPTION
from datasets.services.naming import LONGEST_NAME

_KNOWN = {"": None, "yes": True, "no": False}
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "MIT", "Apache-2.0", "KOGL-1", "proprietary")


class DatasetForm(ReasonForm):
    """What a dataset is called and what is said of it."""

    reason = None  # type: ignore[assignment]  # words need none
    name = forms.CharField(label=_("Name"), max_length=LONGEST_NAME)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=LONGEST_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Where the rows come from, what they are for, what is to be minded."),
    )
    tags = forms.CharField(label=_("Tags"), required=False, max_length=3000, help_text=_("words with commas between"))
    licence = forms.CharField(
        label=_("Licence"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"list": "licences"}),
        help_text=_("an SPDX name such as CC-BY-4.0, or in words"),
    )
    has_personal_data = forms.ChoiceField(
        label=_("Personal data"),
        required=False,
        choices=[("", _("not known")), ("yes", _("yes, rows name or describe persons")), ("no", _("no"))],
    )

    def clean_has_personal_data(self) -> bool | None:
        """Give what is known."""
        return _KNOWN[self.cleaned_data["has_personal_data"]]

    def clean_tags(self) -> list[str]:
        """Give the words."""
        return [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]


def filled_form(dataset: Dataset) -> type[ReasonForm]:
    """Give the form that begins with what the dataset says now."""
    known = next(word for word, value in _KNOWN.items() if value is dataset.has_personal_data)
    first = {name: getattr(dataset, name) for name in ("name", "description", "licence")}
    first |= {"tags": ", ".join(str(tag) for tag in dataset.tags.all()), "has_personal_data": known}

    class Filled(DatasetForm):
        def __init__(self, data: Any = None, **more: Any) -> None:
            super().__init__(data, initial=first, **more)

    return Filled
