"""Difference: what changed between two versions?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.difference import difference
from common.display import thousands
from common.errors import FluemanError
from common.live import live_part
from common.wording import in_words
from datasets import services
from datasets.admin import shown
from datasets.models import DatasetVersion, VersionDifference
from files.services import open_blob

OFFERED = 100
SHOWN_COLUMNS, SHOWN_ROWS = 20, 8


class CompareForm(forms.Form):
    """The other version, and what tells rows apart."""

    before = forms.CharField(
        label=_("Earlier version"),
        max_length=120,
        widget=forms.TextInput(attrs={"list": "known-versions", "autocomplete": "off"}),
        help_text=_("NAME:3, of this dataset or of another one with the same columns."),
    )
    key = forms.ChoiceField(
        label=_("Rows are told apart by"),
        required=False,
        help_text=_("Rows with one value here are one row, before and after; without, whole rows are compared."),
    )

    def __init__(self, *args: Any, version: DatasetVersion, **kwargs: Any) -> None:
        """Offer the columns of the version."""
        super().__init__(*args, **kwargs)
        names = [(column["name"], column["name"]) for column in version.columns]
        self.fields["key"].choices = [("", _("a column of unique values called id or key, if there is one")), *names]


def compare_view(request: HttpRequest, model_admin: Any, version: DatasetVersion) -> HttpResponse:
    """Ask what a version is to be compared with; on POST lead to what differs."""
    require(request, "datasets.view_datasetversion")
    others = version.dataset.versions.sealed().exclude(pk=version.pk).select_related("dataset").order_by("-number")
    known = [f"{one.dataset.name}:{one.number}" for one in others[:OFFERED]]
    earlier = version.parent or others.filter(number__lt=version.number).first()
    initial = {"before": f"{earlier.dataset.name}:{earlier.number}" if earlier else ""}
    form = CompareForm(request.POST if request.method == "POST" else None, version=version, initial=initial)
    if request.method == "POST" and form.is_valid():
        require(request, "datasets.add_datasetversion")
        try:
            before = services.find_version(form.cleaned_data["before"])
            key = form.cleaned_data["key"]
            found = services.compare_versions(before=before, after=version, key=key, actor=request.user)
            return HttpResponseRedirect(difference_url(found))
        except FluemanError as error:
            field = "before" if "before" in error.fields or error.code == "unknown_version" else None
            form.add_error("key" if "key" in error.fields else field, in_words(error.message))
    return model_admin.page(
        request,
        "admin/datasets/compare.html",
        title=gettext("What changed in %(version)s?") % {"version": version},
        original=version,
        back=model_admin.url_of(version),
        known=known,
        earlier=[(one, difference_url(one)) for one in _earlier(version)],
        form=model_admin.dress(form),
    )


def difference_view(
    request: HttpRequest, model_admin: Any, version: DatasetVersion, found: VersionDifference
) -> HttpResponse:
    """Show what differs; while it is being found, how far that is."""
    require(request, "datasets.view_datasetversion")
    context = _shown(found)
    if request.GET.get("part") == "live":
        return live_part(request, "admin/datasets/difference_body.html", context, is_over=not context["is_live"])
    return model_admin.page(
        request,
        "admin/datasets/difference.html",
        title=headline(found),
        original=version,
        back=model_admin.url_of(version),
        live_url=f"{request.path}?part=live",
        may_download=found.blob_id and request.user.has_perm("datasets.export_datasetversion"),
        **context,
    )


def difference_download(request: HttpRequest, found: VersionDifference) -> FileResponse:
    """Give all differences as Parquet."""
    require(request, "datasets.export_datasetversion")
    if found.blob is None:
        raise Http404
    name = f"{found.before}-{found.after}.difference.parquet"
    response = FileResponse(open_blob(found.blob), as_attachment=True, filename=name)
    response["Content-Type"] = "application/vnd.apache.parquet"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def difference_url(found: VersionDifference) -> str:
    """Give the address of a difference."""
    return reverse("admin:datasets_datasetversion_difference", args=[found.after_id, found.pk])


def headline(found: VersionDifference) -> str:
    """Say in one line what differs."""
    names = {"before": found.before, "after": found.after}
    if not found.found_at:
        return gettext("%(before)s and %(after)s are being compared") % names
    told = found.summary
    parts = [
        (told["added"], ngettext("%(count)s row added", "%(count)s rows added", told["added"])),
        (told["removed"], ngettext("%(count)s row removed", "%(count)s rows removed", told["removed"])),
        (told["changed"], ngettext("%(count)s row changed", "%(count)s rows changed", told["changed"])),
    ]
    said = [text % {"count": thousands(count)} for count, text in parts if count]
    if not said and not any(told["columns"].values()):
        return gettext("%(before)s and %(after)s hold the same rows") % names
    what = ", ".join(said) or gettext("the rows are the same, the columns differ")
    return gettext("%(before)s → %(after)s: %(what)s") % {**names, "what": what}


def _earlier(version: DatasetVersion) -> list[VersionDifference]:
    found = VersionDifference.objects.filter(after=version).select_related("before__dataset", "after__dataset")
    return list(found.order_by("-id")[:10])


def _shown(found: VersionDifference) -> dict[str, Any]:
    told: Mapping[str, Any] = found.summary
    counts = [
        (_("added"), told.get("added"), "#added" if told.get("added") else ""),
        (_("removed"), told.get("removed"), "#removed" if told.get("removed") else ""),
        (_("changed"), told.get("changed"), "#changed" if told.get("changed") else ""),
        (_("unchanged"), told.get("same"), shown.rows_url(found.after)),
    ]
    columns = told.get("columns", {})
    return {
        "found": found,
        "job": found.job,
        "is_live": found.found_at is None and found.job is not None and not found.job.is_finished,
        "counts": counts if told else [],
        "columns": columns if any(columns.values()) else None,
        "by_column": list(told.get("by_column", {}).items())[:SHOWN_COLUMNS],
        "key": told.get("key", ""),
        "doubled_keys": told.get("doubled_keys", 0),
        "changed": [
            {"row": one["row"], "row_before": one["row_before"], "changes": _changes(one, columns)}
            for one in found.examples.get("changed", [])[:SHOWN_ROWS]
        ],
        "tables": [
            {"label": label, "tone": name, **_table(found.examples.get(name, [])[:SHOWN_ROWS])}
            for name, label in (("added", _("Added")), ("removed", _("Removed")))
            if found.examples.get(name)
        ],
        "shown_rows": SHOWN_ROWS,
    }


def _changes(example: Mapping[str, Any], columns: Mapping[str, Any]) -> list[Any]:
    """Give the columns that differ, word by word; those that only one version has are told of once for all rows."""
    one_sided = {*columns.get("added", []), *columns.get("removed", [])}
    found = difference(example["before"], example["after"])
    return [one for one in found if one.is_changed and one.name not in one_sided]


def _table(examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give rows of one version under the names of their first columns."""
    names = list(examples[0]["values"])[:SHOWN_COLUMNS]
    rows = [{"row": one["row"], "cells": [one["values"].get(name) for name in names]} for one in examples]
    return {"names": names, "rows": rows}
