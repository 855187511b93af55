"""Dataset versions: what is in here, is it clean?"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ReadOnlyAdmin
from common.display import ago, figure, person_name, size, thousands
from common.live import live_part
from common.wording import in_words
from datasets import services
from datasets.admin import shown
from datasets.admin.further import FurtherPages
from datasets.admin.rows import cells, row_values, rows_context
from datasets.downloads import send_part, send_rejects
from datasets.models import DatasetVersion, Recipe
from datasets.profile.wording import facts, sentence, tone
from datasets.services.profiles import PROFILE
from datasets.usage import find_products
from jobs.models import Job

COLUMNS_SHOWN = 25
PARTS_SHOWN = 200
RECIPES_OFFERED = 6
State = DatasetVersion.State


@admin.register(DatasetVersion)
class DatasetVersionAdmin(FurtherPages, ReadOnlyAdmin):
    """Versions of all datasets, and one with its columns and rows."""

    question = _("What was made lately?")
    empty_text = _("A version appears here when rows are imported, or when a recipe has run.")
    empty_command = "manage.py import_dataset reviews.csv --name reviews"
    detail_template = "admin/datasets/version.html"
    list_display = ("label", "shown_state", "shown_rows", "weight", "made", "maker", "when")
    list_select_related = ("dataset", "created_by", "source", "recipe__recipe", "parent__dataset")
    list_filter = ("state",)
    search_fields = ("dataset__name", "digest")
    search_help_text = _("dataset or digest")
    sortable_by = ()
    paginator = KeysetPaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[DatasetVersion]:
        """Read what a page names along."""
        found = super().get_queryset(request)
        return found.select_related("dataset", "created_by", "source", "recipe__recipe", "parent__dataset", "profile")

    def pages(self) -> list[Any]:
        """Add rows, one row, one column, what follows the profile, and the bytes."""
        return [
            *super().pages(),
            ("<uuid:pk>/rows/", self.rows_view, "rows"),
            ("<uuid:pk>/rows/<int:number>/", self.row_view, "row"),
            ("<uuid:pk>/columns/<int:place>/", self.column_view, "column"),
            ("<uuid:pk>/profile/", self.profile_view, "profile"),
            ("<uuid:pk>/parts/<int:number>/", self.part_view, "part"),
            ("<uuid:pk>/rejects/", self.rejects_view, "rejects"),
        ]

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what is in it."""
        said = {
            State.WRITING: gettext("%(version)s is being made"),
            State.FAILED: gettext("%(version)s was not made"),
            State.SEALED: f"%(version)s: {facts(obj)}",
        }
        return said[State(obj.state)] % {"version": obj}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give columns, warnings, rows, and where it comes from."""
        common = {
            "state": shown.state(obj),
            "made_by": shown.made_by(obj),
            "dataset_url": reverse("admin:datasets_dataset_change", args=[obj.dataset_id]),
            "products": find_products([obj.pk]).get(obj.pk, []),
            "job": getattr(obj, "preprocessing", None),
        }
        if not obj.is_sealed:
            return common
        may_export = request.user.has_perm("datasets.export_datasetversion")  # type: ignore[union-attr]
        parts = list(obj.parts.order_by("number")[:PARTS_SHOWN]) if may_export else []
        return {
            **common,
            **self._profile(request, obj),
            **rows_context(request, obj),
            "parts": [(part, shown.version_url(obj, "part", part.number)) for part in parts],
            "may_export": may_export,
            "recipes": _recipes(request, obj),
            "rejects_url": shown.version_url(obj, "rejects") if obj.rejects_id else "",
            "profile_url": shown.version_url(obj, "profile"),
        }

    def _profile(self, request: HttpRequest, obj: DatasetVersion) -> dict[str, Any]:
        """Give a page of the columns with what was found in them, or say how far that is."""
        found = services.profile_of(obj)
        if found is None:
            job = Job.objects.filter(kind=PROFILE, target_id=str(obj.pk)).order_by("-pk").first()
            return {"profile_job": job, "is_profiled": False, "is_profile_over": job is None or job.is_finished}
        start = _number(request.GET.get("from_column"), len(found["columns"]))
        page = found["columns"][start : start + COLUMNS_SHOWN]
        lines = [shown.column_row(obj, column, found["rows"]) for column in page]
        for place, line in enumerate(lines, start):
            line["url"] = shown.version_url(obj, "column", place)
        behind = start + len(page)
        return {
            "is_profiled": True,
            "columns": lines,
            "first_column": start + 1,
            "last_column": behind,
            "next_columns": behind if behind < len(found["columns"]) else None,
            "earlier_columns": max(0, start - COLUMNS_SHOWN) if start else None,
            "warnings": shown.warnings_of(obj),
        }

    def _sealed(self, request: HttpRequest, pk: Any) -> DatasetVersion:
        """Give a sealed version that this person may see."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        version: DatasetVersion | None = self.get_object(request, str(pk))  # type: ignore[assignment]
        if version is None or not version.is_sealed:
            raise Http404
        return version

    def profile_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Give the part of the page about columns anew until the profile is there."""
        version = self._sealed(request, pk)
        context = {**self._profile(request, version), "original": version}
        is_over = context["is_profiled"] or context["is_profile_over"]
        return live_part(request, "admin/datasets/parts/columns.html", context, is_over=is_over)

    def rows_view(self, request: HttpRequest, pk: Any) -> JsonResponse:
        """Go on with a search: `{"html", "next", "said", "found"}`, or `{"error"}`."""
        context = rows_context(request, self._sealed(request, pk))
        if error := context.get("rows_error"):
            return JsonResponse({"error": in_words(error.message)}, status=error.status)
        html = render_to_string("admin/datasets/parts/row_lines.html", context, request)
        return JsonResponse(
            {"html": html, "next": context["next_url"], "said": context["searched"], **context["counts"]}
        )

    def row_view(self, request: HttpRequest, pk: Any, number: int) -> HttpResponseBase:
        """Show one row whole."""
        version = self._sealed(request, pk)
        values = row_values(version, number - 1) if 0 < number <= version.rows else None
        if values is None:
            raise Http404
        return self.page(
            request,
            "admin/datasets/row.html",
            title=gettext("Row %(number)s of %(version)s") % {"number": thousands(number), "version": version},
            original=version,
            values=cells(values, version),
            version_url=shown.version_url(version),
            earlier=shown.version_url(version, "row", number - 1) if number > 1 else "",
            later=shown.version_url(version, "row", number + 1) if number < version.rows else "",
        )

    def column_view(self, request: HttpRequest, pk: Any, place: int) -> HttpResponseBase:
        """Show all that was found in one column."""
        version = self._sealed(request, pk)
        found = services.profile_of(version)
        if found is None or place >= len(found["columns"]):
            raise Http404
        column, rows = found["columns"][place], found["rows"]
        line = shown.column_row(version, column, rows)
        name = column["name"]
        mine = [one for one in found["findings"] if one.get("column") == name or name in one.get("columns", [])]
        return self.page(
            request,
            "admin/datasets/column.html",
            title=gettext("“%(column)s”: %(missing)s missing, %(distinct)s different values")
            % {"column": name, "missing": line["missing"], "distinct": line["distinct"]},
            original=version,
            line=line,
            facts=shown.counts(version, column, rows),
            warnings=[(tone(one), sentence(one)) for one in mine],
            histogram=shown.histogram(column),
            quantiles=shown.quantiles(column),
            spread=column.get("values") or column.get("lengths"),
            top=shown.shares(version, column, rows),
            top_error=column.get("top_error"),
            writing=shown.scripts(column),
            looked_at=column.get("looked_at"),
            version_url=shown.version_url(version),
        )

    def part_view(self, request: HttpRequest, pk: Any, number: int) -> HttpResponseBase:
        """Give the bytes of a part."""
        if not request.user.has_perm("datasets.export_datasetversion"):  # type: ignore[union-attr]
            raise PermissionDenied
        return send_part(request, self._sealed(request, pk), number)

    def rejects_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give the rows that were set aside."""
        return send_rejects(request, self._sealed(request, pk))

    @admin.display(description=_("version"))
    def label(self, obj: Any) -> str:
        """Name it."""
        return str(obj)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state."""
        return shown.state(obj)

    @admin.display(description=_("rows"))
    def shown_rows(self, obj: Any) -> SafeString | str:
        """Count the rows."""
        return figure(thousands(obj.rows), shown.rows_url(obj)) if obj.is_sealed else "–"

    @admin.display(description=_("size"))
    def weight(self, obj: Any) -> str:
        """Give the size."""
        return size(obj.size_bytes) if obj.is_sealed else "–"

    @admin.display(description=_("made of"))
    def made(self, obj: Any) -> SafeString | str:
        """Say what made it."""
        return shown.made_by(obj)

    @admin.display(description=_("by"))
    def maker(self, obj: Any) -> str:
        """Name who had it made."""
        return person_name(obj.created_by) if obj.created_by else "–"

    @admin.display(description=_("when"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.sealed_at or obj.created_at)


def _recipes(request: HttpRequest, version: DatasetVersion) -> list[tuple[str, str]]:
    """Give the recipes that were changed last, each with where it is run on a version, and where a new one begins."""
    if not request.user.has_perm("datasets.run_recipe"):  # type: ignore[union-attr]
        return []
    known = Recipe.objects.present().filter(last_version__gt=0).order_by("-updated_at")[:RECIPES_OFFERED]
    found = [(recipe.name, reverse("admin:datasets_recipe_run", args=[recipe.pk])) for recipe in known]
    found.append((gettext("New recipe"), reverse("admin:datasets_recipe_new")))
    return [(name, f"{url}?version={version.pk}") for name, url in found]


def _number(given: str | None, below: int) -> int:
    return min(int(given), max(0, below - 1)) if given and given.isascii() and given.isdigit() and len(given) < 9 else 0
