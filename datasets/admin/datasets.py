"""Datasets: what data is there, and what is in each?"""

from __future__ import annotations

from shlex import quote
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, ReadOnlyAdmin, Verb
from common.confirm import show_refusal
from common.display import ago, badge, figure, person_name, size, thousands
from common.errors import FluemanError
from datasets import services
from datasets.admin import shown
from datasets.admin.forms import LICENCES, DatasetForm, filled_form
from datasets.admin.imports import ImportPage
from datasets.models import Dataset, DatasetTag, DatasetVersion, PreprocessingJob
from datasets.profile.wording import facts
from datasets.usage import find_products

VERSIONS_SHOWN = 100
TAGS_OFFERED = 50


def _describe(*, obj: Dataset, actor: Any, **facts: Any) -> str:
    services.change_dataset(dataset=obj, actor=actor, **facts)
    return gettext("Saved.")


def _archive(*, obj: Dataset, actor: Any, reason: str) -> str:
    services.archive_dataset(dataset=obj, actor=actor, reason=reason)
    return gettext("Archived. It can be restored at any time.")


def _restore(*, obj: Dataset, actor: Any, reason: str) -> str:
    services.restore_dataset(dataset=obj, actor=actor, reason=reason)
    return gettext("Restored.")


class ArchiveFilter(admin.SimpleListFilter):
    """What is there, or what was archived."""

    title = _("place")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the archive."""
        return [("1", _("the archive"))]

    def choices(self, changelist: Any) -> Any:
        """Name the choice that is made without asking."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice | ({"display": gettext("datasets in use")} if number == 0 else {})

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> QuerySet[Dataset]:
        """Narrow the list."""
        return queryset.filter(archived_at__isnull=False) if self.value() else queryset.filter(archived_at=None)


class TagFilter(admin.SimpleListFilter):
    """Datasets with a tag."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the tags that most datasets have."""
        counted = DatasetTag.objects.order_by().values_list("name").annotate(Count("pk"))
        return [(name, name) for name, _count in counted.order_by("-pk__count", "name")[:TAGS_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> QuerySet[Dataset]:
        """Narrow the list."""
        return queryset.filter(tags__name=self.value()) if self.value() else queryset


@admin.register(Dataset)
class DatasetAdmin(ImportPage, ReadOnlyAdmin):
    """Datasets by name, a new one, and one with its versions."""

    question = _("What data is there, and what is in it?")
    empty_text = _("A dataset is rows under a name. Each import or recipe makes a new version, which never changes.")
    empty_command = "manage.py import_dataset reviews.csv --name reviews"
    detail_template = "admin/datasets/dataset.html"
    show_add_link = False  # beside the import, which makes a dataset too
    list_display = ("label", "newest", "rows", "weight", "words", "terms", "keeper", "updated")
    list_select_related = ("owner",)
    list_filter = (ArchiveFilter, "has_personal_data", TagFilter)
    search_fields = ("name", "description", "tags__name")
    search_help_text = _("name, description or tag")
    sortable_by = ("label",)

    class Media:
        css = {"all": ("datasets/data.css",)}

    verbs = (
        Verb(
            name="describe",
            label=_("Edit the words"),
            permission="datasets.change_dataset",
            run=_describe,
            form=filled_form,
        ),
        Verb(
            name="restore",
            label=_("Restore"),
            permission="datasets.delete_dataset",
            run=_restore,
            is_offered=lambda dataset: dataset.archived_at is not None,
            is_primary=True,
        ),
        Verb(
            name="archive",
            label=_("Archive"),
            permission="datasets.delete_dataset",
            run=_archive,
            consequence=lambda _dataset: Consequence(
                gettext(
                    "It leaves the lists and gets no new versions. What was made of it stays, and can be looked at."
                )
            ),
            is_offered=lambda dataset: dataset.archived_at is None,
            is_destructive=True,
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A dataset is begun on a page of its own."""
        return bool(request.user.has_perm("datasets.add_dataset"))  # type: ignore[union-attr]

    def enrich(self, rows: list[Any]) -> None:
        """Read the newest versions and tags of all datasets on the page."""
        found = DatasetVersion.objects.sealed().filter(dataset__in=rows)
        numbers = dict(found.order_by().values_list("dataset").annotate(Max("number")))
        same = found.filter(number__in=set(numbers.values()))
        newest = {one.dataset_id: one for one in same if numbers[one.dataset_id] == one.number}
        tags: dict[Any, list[str]] = {}
        for tag in DatasetTag.objects.filter(dataset__in=rows):
            tags.setdefault(tag.dataset_id, []).append(tag.name)
        for row in rows:
            row.newest_version, row.tag_names = newest.get(row.pk), tags.get(row.pk, [])

    def list_headline(self, request: HttpRequest) -> str:
        """Say how many there are."""
        count = Dataset.objects.present().count()
        return ngettext("%(count)s dataset", "%(count)s datasets", count) % {"count": thousands(count)}

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Offer an empty dataset beside what the import offers."""
        links = super().list_links(request)
        if self.has_add_permission(request):
            links.append({"label": _("New dataset"), "url": reverse("admin:datasets_dataset_add")})
        return links

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Ask for the words, make the dataset, lead to it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DatasetForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                made = services.create_dataset(actor=request.user, **form.cleaned_data)
                return HttpResponseRedirect(self.url_of(made))
            except (FluemanError, ValidationError) as error:
                show_refusal(form, error)
        context = {"form": self.dress(form), "licences": LICENCES, "list_url": self.list_url()}
        return self.page(request, "admin/datasets/new.html", title=_("New dataset"), **context)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what the newest version holds."""
        newest = obj.versions.sealed().order_by("-number").first()
        if obj.archived_at:
            return gettext("%(name)s is archived") % {"name": obj.name}
        if newest is None:
            return gettext("%(name)s has no rows yet") % {"name": obj.name}
        return f"{obj.name} v{newest.number}: {facts(newest)}"

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the versions, newest first, what made them and what was made of them."""
        query = obj.versions.select_related("created_by", "source", "recipe__recipe", "parent__dataset")
        versions = list(query.order_by("-number")[:VERSIONS_SHOWN])
        products = find_products([version.pk for version in versions])
        for version in versions:
            version.dataset = obj
            version.shown_state, version.made_by = shown.state(version), shown.made_by(version)
            version.products = [one for one in products.get(version.pk, []) if one.kind == "model"]
            version.url, version.rows_url = shown.version_url(version), shown.rows_url(version)
            version.rejects_url = shown.version_url(version, "rejects") if version.rejects_id else ""
            version.bad = version.summary.get("warnings") or 0
        return {
            "versions": versions,
            "tags": shown.chips(obj.tags.all()),
            "personal": personal(obj),
            "work": _unfinished(obj),
            "describe_url": reverse("admin:datasets_dataset_do", args=[obj.pk, "describe"]),
            "can_describe": request.user.has_perm("datasets.change_dataset"),  # type: ignore[union-attr]
            "command": f"manage.py import_dataset FILE --name {quote(obj.name)}",
        }

    @admin.display(description=_("name"), ordering="name")
    def label(self, obj: Any) -> SafeString:
        """Give the name and the beginning of the description."""
        words = obj.description.partition("\n")[0][:90]
        return format_html('{}<small class="dt-words">{}</small>', obj.name, words) if words else format_html(
            "{}", obj.name
        )  # fmt: skip

    @admin.display(description=_("newest"))
    def newest(self, obj: Any) -> SafeString | str:
        """Give the newest sealed version, and whether anything is to be minded."""
        version = obj.newest_version
        if version is None:
            return format_html('<span class="fm-quiet">{}</span>', gettext("no rows yet"))
        warnings = version.summary.get("warnings") or 0
        told = ngettext("%(count)d warning", "%(count)d warnings", warnings) % {"count": warnings}
        return format_html("v{} {}", version.number, badge("warn", told, "warn") if warnings else "")

    @admin.display(description=_("rows"))
    def rows(self, obj: Any) -> SafeString:
        """Give the rows of the newest version."""
        newest = obj.newest_version
        number = figure(thousands(newest.rows), shown.rows_url(newest)) if newest else "–"
        return format_html('<span class="fm-number">{}</span>', number)

    @admin.display(description=_("size"))
    def weight(self, obj: Any) -> SafeString:
        """Give the size of the newest version."""
        told = size(obj.newest_version.size_bytes) if obj.newest_version else "–"
        return format_html('<span class="fm-number">{}</span>', told)

    @admin.display(description=_("tags"))
    def words(self, obj: Any) -> SafeString | str:
        """Give the tags."""
        return shown.chips(obj.tag_names[:4]) if obj.tag_names else "–"

    @admin.display(description=_("licence"))
    def terms(self, obj: Any) -> SafeString:
        """Give the licence, and whether persons are in the rows."""
        mark = badge("warn", gettext("personal data"), "warn") if obj.has_personal_data else ""
        return format_html("{} {}", obj.licence or ("" if mark else "–"), mark)

    @admin.display(description=_("owner"))
    def keeper(self, obj: Any) -> str:
        """Name the owner."""
        return person_name(obj.owner) if obj.owner else "–"

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.updated_at)


def personal(dataset: Dataset) -> SafeString:
    """Say whether there is personal data."""
    if dataset.has_personal_data is None:
        return badge("unknown", gettext("personal data: not known"))
    said = gettext("holds personal data") if dataset.has_personal_data else gettext("no personal data")
    return badge("personal", said, "warn" if dataset.has_personal_data else "good")


def _unfinished(dataset: Dataset) -> list[PreprocessingJob]:
    """Give the work that goes on."""
    work = PreprocessingJob.objects.filter(version__dataset=dataset, job__finished_at=None, job__isnull=False)
    return list(work.select_related("version__dataset", "job").order_by("-pk")[:5])
