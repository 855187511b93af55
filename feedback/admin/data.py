"""Reviewed items as a dataset version: which queues, how much agreement, what goes on the way."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import CheckboxSelectMultiple, require
from common.errors import FluemanError
from common.numbers import whole
from common.wording import in_words
from datasets.models import Dataset, DatasetVersion
from datasets.services.splits import DEFAULT_SHARES
from feedback.gathering import finished_items
from feedback.models import ReviewQueue
from feedback.services.exporting import make_dataset_version

SHOWN_VERSIONS = 100


class DataForm(forms.Form):
    """What becomes of which queues."""

    queues = forms.ModelMultipleChoiceField(
        ReviewQueue.objects.all(), label=_("Review queues"), widget=CheckboxSelectMultiple
    )
    dataset = forms.CharField(
        label=_("Dataset"),
        max_length=100,
        widget=forms.TextInput(attrs={"list": "fb-datasets"}),
        help_text=_("One that is there gets a new version; another name makes one."),
    )
    least_agreement = forms.IntegerField(
        label=_("Agreement at least, in percent"), initial=0, min_value=0, max_value=100,
        help_text=_("Items about which fewer of their reviewers agree stay out, even where somebody has settled them."),
    )  # fmt: skip
    against = forms.ModelChoiceField(
        DatasetVersion.objects.none(), label=_("Leave out what is near to"), required=False,
        empty_label=_("nothing: keep all"), help_text=_("Choose what the model is trained on: nothing comes in twice."),
    )  # fmt: skip
    is_split = forms.BooleanField(
        label=_("Divide into training, validation and test (80, 10, 10 %)"), required=False, initial=True
    )
    mask = forms.BooleanField(label=_("Mask personal data before anything is written"), required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the newest versions."""
        super().__init__(*args, **kwargs)
        newest = DatasetVersion.objects.sealed().select_related("dataset").order_by("-id")[:SHOWN_VERSIONS]
        self.fields["against"].queryset = DatasetVersion.objects.filter(pk__in=[one.pk for one in newest])


def data_view(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Show the form; on POST begin the version and lead to its job."""
    require(request, "datasets.add_datasetversion")
    queue = ReviewQueue.objects.filter(pk=whole(request.GET.get("queue", ""))).first()
    initial = {"queues": [queue], "dataset": queue.name} if queue else {}
    form = DataForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = _make(request, form.cleaned_data)
            return HttpResponseRedirect(reverse("admin:datasets_preprocessingjob_change", args=[made.pk]))
        except FluemanError as error:
            form.add_error(next((name for name in error.fields if name in form.fields), None), in_words(error.message))
    return model_admin.page(  # type: ignore[no-any-return]
        request,
        "admin/feedback/data.html",
        title=gettext("Reviewed items as data"),
        headline=_headline(queue),
        form=model_admin.dress(form),
        queue=queue,
        datasets=list(Dataset.objects.present().values_list("name", flat=True)[:200]),
    )


def _make(request: HttpRequest, data: dict[str, Any]) -> Any:
    if not Dataset.objects.filter(name=data["dataset"]).exists():
        require(request, "datasets.add_dataset")
    return make_dataset_version(
        queues=list(data["queues"]),
        dataset=data["dataset"],
        actor=request.user,
        least_agreement=data["least_agreement"] / 100,
        dedup_against=data["against"],
        split=DEFAULT_SHARES if data["is_split"] else (),
        mask=data["mask"],
    )


def _headline(queue: ReviewQueue | None) -> str:
    if queue is None:
        return gettext("Make a dataset version of what reviewers agree about")
    count = finished_items([queue]).count()
    said = gettext("%(count)d items of %(queue)s are agreed or settled")
    return said % {"count": count, "queue": queue.name}
