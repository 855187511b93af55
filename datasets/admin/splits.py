"""Split: divide a version into training, validation and test."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.errors import FluemanError
from common.wording import in_words
from datasets import services
from datasets.models import DatasetVersion
from datasets.services.splits import DEFAULT_SHARES

LINES = 5


class SplitForm(forms.Form):
    """Names and percentages, and what keeps rows together."""

    together = forms.ChoiceField(
        label=_("Keep together"),
        required=False,
        help_text=_("Rows with one value here never part: a person, a document, an id. The value alone decides where."),
    )
    stratify = forms.ChoiceField(
        label=_("Divide each class alike"),
        required=False,
        help_text=_("Each value of this column is divided exactly; then a row may fall elsewhere in a later version."),
    )
    text = forms.ChoiceField(
        label=_("Warn of texts in two splits"),
        required=False,
        help_text=_("A text that is trained on and tested with makes a model look better than it is."),
    )
    seed = forms.IntegerField(label=_("Seed"), initial=0, min_value=0, max_value=2**31 - 1)

    def __init__(self, *args: Any, version: DatasetVersion, **kwargs: Any) -> None:
        """Offer the columns of the version."""
        super().__init__(*args, **kwargs)
        names = [(column["name"], column["name"]) for column in version.columns]
        texts = [(column["name"], column["name"]) for column in version.columns if column["type"] == "text"]
        self.fields["together"].choices = [("", _("rows that are equal in all columns")), *names]
        self.fields["stratify"].choices = [("", _("no")), *names]
        self.fields["text"].choices = [("", _("the column with the longest texts")), *texts]
        for number in range(LINES):
            name, share = DEFAULT_SHARES[number] if number < len(DEFAULT_SHARES) else ("", 0.0)
            self.fields[f"name_{number}"] = forms.CharField(
                label=_("Name"), max_length=50, required=False, initial=name
            )
            self.fields[f"share_{number}"] = forms.FloatField(
                label=_("Percent"), min_value=0, max_value=100, required=False, initial=f"{share:g}" if share else None
            )

    def shares(self) -> list[tuple[str, float]]:
        """Give the splits that were filled in."""
        lines = [(self.cleaned_data[f"name_{n}"], self.cleaned_data[f"share_{n}"]) for n in range(LINES)]
        return [(name, share or 0.0) for name, share in lines if name or share]

    def lines(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """Give the fields of each split."""
        return [(self[f"name_{n}"], self[f"share_{n}"]) for n in range(LINES)]

    def further(self) -> list[forms.BoundField]:
        """Give the other fields."""
        return [self[name] for name in ("together", "stratify", "text", "seed")]


def split_view(request: HttpRequest, model_admin: Any, version: DatasetVersion) -> HttpResponse:
    """Show the form; on POST begin the new version and lead to its job."""
    require(request, "datasets.add_datasetversion")
    form = SplitForm(request.POST if request.method == "POST" else None, version=version)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            made = services.split_version(
                version=version,
                shares=form.shares(),
                actor=request.user,
                together=[data["together"]],
                stratify=data["stratify"],
                text=data["text"],
                seed=data["seed"],
            )
            return HttpResponseRedirect(reverse("admin:datasets_preprocessingjob_change", args=[made.pk]))
        except FluemanError as error:
            form.add_error(None, in_words(error.message))
    return model_admin.page(
        request,
        "admin/datasets/split.html",
        title=gettext("Split %(version)s") % {"version": version},
        question=_("The same rows as a new version, divided into parts for training and for judging."),
        original=version,
        back=model_admin.url_of(version),
        form=model_admin.dress(form),
    )
