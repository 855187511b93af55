"""Import data: choose where rows are, look at them, begin."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.display import thousands
from common.errors import FluemanError
from common.wording import in_words
from datasets import services
from datasets.admin.import_forms import COLUMNS_SHOWN, ImportForm, columns_of, rows_of
from datasets.formats.words import why
from datasets.models import Dataset, DatasetVersion
from datasets.services import imports
from datasets.sources.hooks import source_of, sources
from files.models import StoredFile

PERMISSION = "datasets.add_source"
OFFERED = 200


class ImportPage:
    """The page of an import, and the button that leads there; mixed into the pages of datasets."""

    def pages(self) -> list[Any]:
        """Add the page."""
        return [*super().pages(), ("import/", self.import_view, "import")]  # type: ignore[misc]

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Add the button over the list."""
        links = list(super().list_links(request))  # type: ignore[misc]
        if request.user.has_perm(PERMISSION):  # type: ignore[union-attr]
            url = reverse("admin:datasets_dataset_import")
            links.append({"label": _("Import data"), "url": url, "primary": not any("primary" in one for one in links)})
        return links

    def detail_links(self, request: HttpRequest, obj: Dataset) -> list[dict[str, Any]]:
        """Add the button over a dataset."""
        links = list(super().detail_links(request, obj))  # type: ignore[misc]
        if obj.archived_at is None and request.user.has_perm(PERMISSION):  # type: ignore[union-attr]
            url = f"{reverse('admin:datasets_dataset_import')}?dataset={obj.pk}"
            links.append({"label": _("Import data"), "url": url})
        return links

    def import_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the form; look, or begin and lead to the job."""
        require(request, PERMISSION)
        given = request.POST if request.method == "POST" else request.GET
        offered = [one for one in sources() if not one.permission or request.user.has_perm(one.permission)]
        names = [source.kind for source in offered]
        source = source_of(given.get("kind") if given.get("kind") in names else names[0])
        form = ImportForm(given if _is_filled(request) else None, source=source, user=request.user)
        form.initial = {**form.initial, **_initial(request)}
        context: dict[str, Any] = {"form": self.dress(form), "source": source, "sources": offered}  # type: ignore[attr-defined]
        if form.is_bound and form.is_valid() and (answer := _work(request, form, context)):
            return answer
        context |= _lists(form)
        return self.page(request, "admin/datasets/import.html", title=gettext("Import data"), **context)  # type: ignore[attr-defined, no-any-return]


def _is_filled(request: HttpRequest) -> bool:
    return request.method == "POST"


def _initial(request: HttpRequest) -> dict[str, Any]:
    """Fill in what a link has said: options of the source, a dataset, or a file, after which the dataset is named."""
    found: dict[str, Any] = {name: value for name, value in request.GET.items() if name.startswith("s_")}
    if key := request.GET.get("file"):
        file = StoredFile.objects.visible_to(request.user.pk).filter(pk=key).first() if _is_key(key) else None
        if file is not None:
            found |= {"s_file": file.pk, "dataset": file.name.partition(".")[0][:100]}
    if (key := request.GET.get("dataset")) and _is_key(key):
        found["dataset"] = Dataset.objects.filter(pk=key).values_list("name", flat=True).first() or ""
    return found


def _is_key(text: str) -> bool:
    return len(text) in (32, 36) and all(letter in "0123456789abcdefABCDEF-" for letter in text)


def _work(request: HttpRequest, form: ImportForm, context: dict[str, Any]) -> HttpResponseBase | None:
    """Look, and begin where that is wanted of a look that was seen. What is refused stands in the form."""
    is_seen = request.POST.get("basis") == form.basis()
    reading = form.reading() | (columns_of(request.POST) if is_seen else {})
    asked = {"kind": form.source.kind, "options": form.options(), "reading": reading, "actor": request.user}
    try:
        asked["secret"] = form.secret()
        if "start" in request.POST and (is_seen or request.POST.get("blind")):
            data = form.cleaned_data
            made = services.import_dataset(dataset=data["dataset"], limit=data["limit"], **asked)
            return HttpResponseRedirect(reverse("admin:datasets_preprocessingjob_change", args=[made.pk]))
        look = services.look_at(**asked)
        imports.parse_limit(form.cleaned_data["limit"])
    except FluemanError as error:
        _refuse(form, error)
        context["is_blind"] = error.code == "look_impossible"
    else:
        context |= _shown(look)
    context |= {"basis": form.basis(), "sealed": _carried(form)}
    return None


def _carried(form: ImportForm) -> str:
    try:
        return form.carried()
    except FluemanError:
        return ""


def _refuse(form: ImportForm, error: FluemanError) -> None:
    """Put what is wrong beside its field."""
    told = False
    for name, text in error.fields.items():
        field = next((one for one in (f"s_{name}", name) if one in form.fields), None)
        if field is not None:
            form.add_error(field, text)
            told = True
    if not told:
        form.add_error(None, in_words(error.message))


def _shown(look: Any) -> dict[str, Any]:
    """Give what the page says of a look."""
    found = look.found
    facts = [found.format.upper(), found.compression, found.encoding.upper(), found.sheet]
    names = {"\t": gettext("tab"), ",": gettext("comma"), ";": gettext("semicolon")}
    if found.delimiter:
        facts.append(gettext("apart by %(mark)s") % {"mark": names.get(found.delimiter, found.delimiter)})
    if len(found.files) > 1:
        facts.append(gettext("%(count)d files") % {"count": len(found.files)})
    rejects = [{"line": one.line, "file": one.file, "column": one.column, "why": why(one)} for one in look.rejects]
    return {
        "look": look,
        "facts": " · ".join(filter(None, facts)),
        "columns": rows_of(look),
        "hidden_columns": max(0, len(found.columns) - COLUMNS_SHOWN),
        "rejects": rejects,
        "rejected": thousands(look.rejected),
        "read": thousands(look.read + look.rejected),
    }


def _lists(form: ImportForm) -> dict[str, Any]:
    found: dict[str, Any] = {"datasets": Dataset.objects.present().values_list("name", flat=True)[:OFFERED]}
    if any(one.form == "version" for one in form.source.fields):
        sealed = DatasetVersion.objects.sealed().select_related("dataset").order_by("-id")[:OFFERED]
        found["versions"] = [f"{one.dataset.name}:{one.number}" for one in sealed]
    if any(one.form == "file" for one in form.source.fields):
        found["has_files"] = form.fields["s_file"].queryset.exists()
    return found
