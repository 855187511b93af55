"""Export: how do I get these rows out?"""

from __future__ import annotations

from shlex import quote
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.display import badge
from common.errors import FluemanError
from common.live import live_part
from common.wording import in_words
from datasets import services
from datasets.models import DatasetVersion
from datasets.services.exports import EXPORT, FORMATS, splits_of
from jobs.models import Job

SHOWN = 10


class ExportForm(forms.Form):
    """How the rows are written."""

    format = forms.ChoiceField(label=_("Format"), choices=list(FORMATS.items()), widget=forms.RadioSelect)
    split = forms.ChoiceField(label=_("Split"), required=False)
    is_guarded = forms.BooleanField(
        label=_("Safe to open in a spreadsheet"),
        required=False,
        initial=True,
        help_text=_("CSV: a quote before texts that begin with = + - @, which a spreadsheet would run as a formula."),
    )
    has_bom = forms.BooleanField(
        label=_("For Excel"),
        required=False,
        help_text=_("CSV: marks the file as UTF-8, so that Excel shows Korean as it is."),
    )

    def __init__(self, *args: Any, version: DatasetVersion, **kwargs: Any) -> None:
        """Offer the splits of the version."""
        super().__init__(*args, **kwargs)
        names = [split for split in splits_of(version) if split]
        self.fields["split"].choices = [("", _("all")), *((name, name) for name in names)]
        if not names:
            del self.fields["split"]
        self.initial.setdefault("format", "csv")

    def options(self) -> list[forms.BoundField]:
        """Give what may be switched."""
        return [self["is_guarded"], self["has_bom"]]


def export_view(request: HttpRequest, model_admin: Any, version: DatasetVersion) -> HttpResponse:
    """Show the form and what was exported lately; on POST begin an export."""
    require(request, "datasets.export_datasetversion")
    form = ExportForm(request.POST if request.method == "POST" else None, version=version)
    if request.method == "POST" and form.is_valid():
        try:
            services.start_export(version=version, actor=request.user, **form.cleaned_data)
            return HttpResponseRedirect(request.path)
        except FluemanError as error:
            form.add_error(None, in_words(error.message))
    named = quote(f"{version.dataset.name}:{version.number}")
    return model_admin.page(
        request,
        "admin/datasets/export.html",
        title=gettext("Export %(version)s") % {"version": version},
        question=_("The export becomes a file of yours; you may go on with other things meanwhile."),
        original=version,
        back=model_admin.url_of(version),
        form=model_admin.dress(form),
        live_url=f"{request.path}live/",
        command=f"python manage.py export_dataset {named} PATH --format csv",
        **_lately(request, version),
    )


def exports_live(request: HttpRequest, model_admin: Any, version: DatasetVersion) -> HttpResponse:
    """Give the list of exports anew."""
    require(request, "datasets.export_datasetversion")
    shown = _lately(request, version)
    return live_part(request, "admin/datasets/export_jobs.html", shown, is_over=not shown["is_live"])


def _lately(request: HttpRequest, version: DatasetVersion) -> dict[str, Any]:
    """Give the person's last exports of a version."""
    own = Job.objects.filter(kind=EXPORT, target_type=version._meta.label_lower, target_id=str(version.pk))
    jobs = list(own.filter(created_by=request.user).order_by("-id")[:SHOWN])
    rows = [
        {
            "job": job,
            "state": badge(job.state, job.get_state_display()),
            "format": FORMATS.get(job.payload["options"]["format"], ""),
            "split": job.payload["options"]["split"],
            "url": _file_url(job),
            "is_running": not job.is_finished,
        }
        for job in jobs
    ]
    return {"jobs": rows, "is_live": any(row["is_running"] for row in rows)}


def _file_url(job: Job) -> str:
    file = job.result.get("file")
    return reverse("admin:files_storedfile_change", args=[file]) if file else ""
