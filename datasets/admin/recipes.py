"""Recipes: what will this do?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.admin import ReadOnlyAdmin, Verb
from common.confirm import ReasonForm
from common.display import ago, person_name
from datasets.admin import recipe_pages
from datasets.admin.recipe_editor import editor
from datasets.admin.recipe_run import run_view
from datasets.models import DatasetVersion, Recipe, RecipeVersion
from datasets.services import recipes as services


class RecipeWordsForm(ReasonForm):
    """What a recipe is called and says of itself."""

    reason = None  # type: ignore[assignment]  # words need none
    name = forms.CharField(label=_("Name"), max_length=100)
    description = forms.CharField(
        label=_("Description"), required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 3})
    )


def _words_form(recipe: Recipe) -> type[ReasonForm]:
    """Give the form that begins with what the recipe says now."""
    first = {"name": recipe.name, "description": recipe.description}

    class Filled(RecipeWordsForm):
        def __init__(self, data: Any = None, **more: Any) -> None:
            super().__init__(data, initial=first, **more)

    return Filled


def _describe(*, obj: Recipe, actor: Any, name: str, description: str) -> str:
    services.change_recipe(recipe=obj, actor=actor, name=name, description=description)
    return gettext("Saved.")


def _archive(*, obj: Recipe, actor: Any, reason: str) -> str:
    services.archive_recipe(recipe=obj, actor=actor, reason=reason)
    return gettext("The recipe is archived. What it made stays.")


def _restore(*, obj: Recipe, actor: Any, reason: str) -> str:
    services.restore_recipe(recipe=obj, actor=actor, reason=reason)
    return gettext("The recipe is back in the list.")


class _ArchivedFilter(admin.SimpleListFilter):
    title = _("archived")
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the archived ones."""
        return [("yes", _("archived"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Recipe]) -> QuerySet[Recipe]:
        """Narrow to those in use unless the others are wanted."""
        return queryset.exclude(archived_at=None) if self.value() == "yes" else queryset.filter(archived_at=None)


@admin.register(Recipe)
class RecipeAdmin(ReadOnlyAdmin):
    """Recipes by name, and the editor of one."""

    question = _("Ordered steps that make a new version of a dataset; each is tried on a few rows while you write it.")
    empty_text = _("A recipe cleans, filters and changes rows, step by step. Begin with an empty one or a ready one.")
    empty_command = "python manage.py run_recipe recipe.yaml --dataset NAME --wait"
    detail_template = "admin/datasets/recipe.html"
    list_display = ("label", "steps", "made", "keeper", "updated")
    list_select_related = ("owner",)
    list_filter = (_ArchivedFilter,)
    search_fields = ("name", "description")
    search_help_text = _("name or description")
    sortable_by = ("label",)
    verbs = (
        Verb(
            name="describe",
            label=_("Edit the words"),
            permission="datasets.change_recipe",
            run=_describe,
            form=_words_form,
        ),
        Verb(
            name="archive",
            label=_("Archive"),
            permission="datasets.delete_recipe",
            run=_archive,
            is_offered=lambda recipe: recipe.archived_at is None,
            is_destructive=True,
        ),
        Verb(
            name="restore",
            label=_("Restore"),
            permission="datasets.delete_recipe",
            run=_restore,
            is_offered=lambda recipe: recipe.archived_at is not None,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recipe]:
        """Read the owner too."""
        return super().get_queryset(request).select_related("owner")

    def enrich(self, rows: list[Any]) -> None:
        """Read the last versions of all recipes on the page, and what they made last."""
        newest = RecipeVersion.objects.filter(recipe__in=rows, number=F("recipe__last_version"))
        last = {one.recipe_id: one for one in newest}
        made: dict[Any, DatasetVersion] = {}
        sealed = DatasetVersion.objects.sealed().filter(recipe__recipe__in=rows).select_related("dataset", "recipe")
        for version in sealed.defer("columns", "summary").order_by("-id")[: 20 * len(rows)]:
            if version.recipe:
                made.setdefault(version.recipe.recipe_id, version)
        for row in rows:
            row.newest, row.made_last = last.get(row.pk), made.get(row.pk)

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Offer a new recipe."""
        if not request.user.has_perm("datasets.add_recipe"):  # type: ignore[union-attr]
            return []
        url = reverse("admin:datasets_recipe_new")
        return [{"label": _("New recipe"), "url": url, "primary": True, "key": "n"}]

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to versions and YAML."""
        links = [("versions", _("Versions")), ("yaml", _("YAML"))]
        return [
            {"label": label, "url": reverse(f"admin:datasets_recipe_{name}", args=[obj.pk])} for name, label in links
        ]

    def pages(self) -> list[Any]:
        """Add what the editor asks for, and the pages beside it."""
        return [
            ("new/", self._bound(recipe_pages.new_view), "new"),
            ("<uuid:key>/preview/", require_POST(self._bound(recipe_pages.preview_view)), "preview"),
            ("<uuid:key>/save/", require_POST(self._bound(recipe_pages.save_view)), "save"),
            ("<uuid:key>/versions/", self._bound(recipe_pages.versions_view), "versions"),
            ("<uuid:key>/yaml/", self._bound(recipe_pages.yaml_view), "yaml"),
            ("<uuid:key>/run/", self._bound(run_view), "run"),
        ]

    def _bound(self, view: Any) -> Any:
        return lambda request, **found: view(self, request, **found)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what it made last."""
        made = DatasetVersion.objects.sealed().filter(recipe__recipe=obj).select_related("dataset")
        if version := made.only("number", "dataset__name").order_by("-id").first():
            return gettext("%(name)s made %(version)s last") % {"name": obj.name, "version": version}
        return gettext("%(name)s has made nothing yet") % {"name": obj.name}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give what the editor works with."""
        return editor(request, obj)

    @admin.display(description=_("name"), ordering="name")
    def label(self, obj: Any) -> SafeString:
        """Name it, with what it says of itself."""
        return format_html("{}<br><small class='fm-quiet'>{}</small>", obj.name, obj.description[:100])

    @admin.display(description=_("steps"))
    def steps(self, obj: Any) -> str:
        """Count the steps and name the version."""
        return f"{len(obj.newest.steps) if obj.newest else 0} · v{obj.last_version}"

    @admin.display(description=_("made last"))
    def made(self, obj: Any) -> SafeString | str:
        """Lead to the newest version that it made."""
        if obj.made_last is None:
            return gettext("nothing yet")
        url = reverse("admin:datasets_datasetversion_change", args=[obj.made_last.pk])
        return format_html('<a href="{}">{}</a>', url, obj.made_last)

    @admin.display(description=_("owner"))
    def keeper(self, obj: Any) -> str:
        """Name the owner."""
        return person_name(obj.owner) if obj.owner else "–"

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.updated_at)
