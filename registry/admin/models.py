"""Models: which version should I use?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import ReadOnlyAdmin, Verb
from common.confirm import ReasonForm
from common.display import ago, figure, thousands
from common.markdown import markdown
from registry import services
from registry.admin import shown
from registry.admin.aliases import VERBS as ALIAS_VERBS
from registry.admin.aliases import rows_of
from registry.admin.card import card_view
from registry.admin.compare import compare_view
from registry.admin.deleted import MODEL_VERBS, deleted_view, is_deleted, is_present
from registry.admin.gates import gate_links
from registry.admin.shown import of_one_row
from registry.admin.upload import upload_view
from registry.admin.was_live import was_live_view
from registry.models import ModelVersion, RegisteredModel
from registry.usage import Usage, find_usages, live_usages, live_version, model_steps

VERSIONS_SHOWN = 100


def _long_text(label: Any, help_text: Any = "") -> forms.CharField:
    area = forms.Textarea(attrs={"rows": 4})
    return forms.CharField(label=label, help_text=help_text, required=False, max_length=20_000, widget=area)


class ModelWordsForm(ReasonForm):
    """What a model says of itself."""

    reason = None  # type: ignore[assignment]  # words need none
    description = _long_text(_("Description"))
    intended_use = _long_text(_("Intended use"), _("For the model card: what it is for, and for whom. Markdown."))
    limits = _long_text(_("Limits"), _("What it must not be used for, and where it is known to fail. Markdown."))
    licence = forms.CharField(
        label=_("Licence"), required=False, max_length=120, help_text=_("an SPDX name, or in words")
    )
    task = forms.CharField(label=_("Task"), required=False, max_length=50)


def _words_form(model: RegisteredModel) -> type[ReasonForm]:
    """Give the form that begins with what the model says now."""
    first = {name: getattr(model, name) for name in ModelWordsForm.base_fields if name != "reason"}

    class Filled(ModelWordsForm):
        def __init__(self, data: Any = None, **more: Any) -> None:
            super().__init__(data, initial=first, **more)

    return Filled


def _describe(*, obj: RegisteredModel, actor: Any, **words: str) -> str:
    services.update_model(model=obj, actor=actor, **words)
    return gettext("Saved.")


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin):
    """Models by name, and one model with its versions."""

    question = _("Which models are there, and which version of each should be used?")
    empty_text = _("A model is a name with versions. Upload a folder with weights and flueman.json to begin.")
    empty_command = "python manage.py import_model FOLDER --name my-model --deploy"
    detail_template = "admin/registry/model.html"
    list_display = ("name", "task", "use", "newest", "count", "updated", "keeper")
    list_select_related = ("owner",)
    search_fields = ("name", "description", "tags__value")
    search_help_text = _("name, description or tag")
    sortable_by = ("name",)
    verbs = (
        Verb(
            name="describe",
            label=_("Edit the words"),
            permission="registry.change_registeredmodel",
            run=_describe,
            form=_words_form,
            is_offered=is_present,
        ),
        *MODEL_VERBS,
        *ALIAS_VERBS,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredModel]:
        """Leave deleted models out of lists; each has its page."""
        found = super().get_queryset(request)
        return found if of_one_row(request) else found.filter(deleted_at=None)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask once where versions serve, for the headline and for the rows."""
        usages = live_usages(ModelVersion.objects.present())
        response = super().changelist_view(request, {"headline": _headline_of(usages), **(extra_context or {})})
        if found := (getattr(response, "context_data", None) or {}).get("cl"):
            self._fill(found.result_list, usages)
        return response

    def _fill(self, rows: list[Any], usages: Mapping[UUID, list[Usage]]) -> None:
        """Give rows their newest versions, and those that have aliases or uses."""
        versions = ModelVersion.objects.present().filter(model__in=rows)
        sums = versions.order_by().values_list("model").annotate(Count("pk"), Max("number"))
        counts, pairs = {}, Q(pk=None)
        for model_id, counts[model_id], last in sums:
            pairs |= Q(model=model_id, number=last)
        newest = {one.model_id: one for one in versions.filter(pairs)}
        named = (
            versions.filter(Q(aliases__isnull=False) | Q(pk__in=list(usages))).distinct().prefetch_related("aliases")
        )
        for row in rows:
            row.newest_version, row.version_count = newest.get(row.pk), counts.get(row.pk, 0)
            row.named = [(one, usages.get(one.pk, [])) for one in named if one.model_id == row.pk]

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Offer the upload and the bin."""
        bin_link = {"label": _("Deleted models"), "url": reverse("admin:registry_registeredmodel_deleted")}
        if not request.user.has_perm("registry.add_modelversion"):  # type: ignore[union-attr]
            return [bin_link]
        url = reverse("admin:registry_registeredmodel_upload")
        return [{"label": _("Upload a model"), "url": url, "primary": True, "key": "n"}, bin_link]

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Offer the upload of the next version, the comparison and the card."""
        if is_deleted(obj):
            return []
        upload = f"{reverse('admin:registry_registeredmodel_upload')}?model={obj.name}"
        links = [{"label": _("Upload a version"), "url": upload, "primary": True, "key": "n"}]
        links = links if request.user.has_perm("registry.add_modelversion") else []  # type: ignore[union-attr]
        if obj.versions.present()[1:2]:
            links.append(
                {"label": _("Compare"), "url": reverse("admin:registry_registeredmodel_compare", args=[obj.pk])}
            )
        allowed = [step for step in model_steps() if request.user.has_perm(step.permission)]  # type: ignore[union-attr]
        return [
            *links,
            *({"label": step.label, "url": step.url(obj)} for step in allowed),
            *gate_links(request, obj),
            {"label": _("Model card"), "url": reverse("admin:registry_registeredmodel_card", args=[obj.pk])},
        ]

    def pages(self) -> list[Any]:
        """Add the upload, the bin, the comparison and the card."""
        return [
            ("upload/", self.upload, "upload"),
            ("deleted/", self.deleted, "deleted"),
            ("<int:pk>/compare/", self.compare, "compare"),
            ("<int:pk>/card/", self.card, "card"),
            ("<int:pk>/was-live/", self.was_live, "was_live"),
        ]

    def upload(self, request: HttpRequest) -> Any:
        """Take the files of a version."""
        return upload_view(request, self)

    def deleted(self, request: HttpRequest) -> Any:
        """Show what can be restored."""
        return deleted_view(request, self)

    def compare(self, request: HttpRequest, pk: int) -> Any:
        """Show two versions beside each other."""
        return compare_view(request, self, pk)

    def card(self, request: HttpRequest, pk: int) -> Any:
        """Show what may be handed on."""
        return card_view(request, self, pk)

    def was_live(self, request: HttpRequest, pk: int) -> Any:
        """Show what was live at any time."""
        return was_live_view(request, self, pk)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say which version to use."""
        if is_deleted(obj):
            return shown.deleted_words(obj)
        versions = obj.versions.present().order_by("-number")
        usages = live_usages(versions)
        if usages and (live := live_version(obj)) and live.pk in usages:
            said = gettext("Use %(name)s v%(number)d: it serves %(where)s")
            return said % {"name": obj.name, "number": live.number, "where": _names(usages[live.pk])}
        if named := versions.filter(aliases__isnull=False).first():
            said = gettext("Use %(name)s v%(number)d, the %(alias)s; nothing serves yet")
            return said % {"name": obj.name, "number": named.number, "alias": named.aliases.all()[0].name}
        if ready := versions.ready().first():
            return gettext("%(name)s v%(number)d is ready; nothing serves yet") % {
                "name": obj.name,
                "number": ready.number,
            }
        if versions.exists():
            return gettext("%(name)s has no version that is ready") % {"name": obj.name}
        return gettext("%(name)s has no versions yet") % {"name": obj.name}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the versions, newest first, with metrics against the one that serves."""
        versions_here = obj.versions.all() if is_deleted(obj) else obj.versions.present()
        query = versions_here.select_related("created_by").prefetch_related("aliases", *shown.DATA).order_by("-number")
        versions, usages = list(query[:VERSIONS_SHOWN]), find_usages(obj.versions.all())
        most = live_version(obj) if usages else None
        live = next((one for one in versions if most and one.pk == most.pk), None)
        shown.compare_metrics(versions, live)
        for version in versions:
            version.data = shown.trained_on(version)
            version.shown_state, version.uses = shown.state(version), shown.usage_links(usages.get(version.pk, []))
        return {
            "words": markdown(obj.description),
            "versions": versions,
            "can_compare": len(versions) > 1 and not is_deleted(obj),
            "compare_url": reverse("admin:registry_registeredmodel_compare", args=[obj.pk]),
            "older": versions_here.count() - len(versions) if len(versions) == VERSIONS_SHOWN else 0,
            "all_url": f"{reverse('admin:registry_modelversion_changelist')}?model__id__exact={obj.pk}",
            "is_compared": live is not None and len(versions) > 1,
            "metric_names": shown.metric_names(versions),
            "tags": obj.tags.all(),
            "alias_rows": [] if is_deleted(obj) else rows_of(request, obj),
            "was_live_url": reverse("admin:registry_registeredmodel_was_live", args=[obj.pk]),
            "upload_url": f"{reverse('admin:registry_registeredmodel_upload')}?model={obj.name}",
            "can_upload": request.user.has_perm("registry.add_modelversion"),  # type: ignore[union-attr]
            "command": f"python manage.py import_model FOLDER --name {obj.name}",
        }

    @admin.display(description=_("in use"))
    def use(self, obj: Any) -> SafeString:
        """Name the versions that serve or have an alias."""
        parts = [
            format_html("v{} {}{}", one.number, shown.chips(alias.name for alias in one.aliases.all()), _names(uses))
            for one, uses in obj.named
        ]
        return format_html_join(SafeString("<br>"), "{}", ((part,) for part in parts)) or SafeString("–")

    @admin.display(description=_("newest"))
    def newest(self, obj: Any) -> SafeString | str:
        """Tell the state of the newest version."""
        newest = obj.newest_version
        return format_html("v{} {}", newest.number, shown.state(newest)) if newest else gettext("no versions yet")

    @admin.display(description=_("versions"))
    def count(self, obj: Any) -> SafeString:
        """Count the versions."""
        url = f"{reverse('admin:registry_modelversion_changelist')}?model__id__exact={obj.pk}"
        return figure(thousands(obj.version_count), url)

    @admin.display(description=_("updated"))
    def updated(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.updated_at)

    @admin.display(description=_("owner"))
    def keeper(self, obj: Any) -> str:
        """Name the owner."""
        return str(obj.owner or "–")


def _headline_of(usages: Mapping[UUID, list[Usage]]) -> str:
    """Say how many models there are and how many serve."""
    count = RegisteredModel.objects.present().count()
    serving = ModelVersion.objects.filter(pk__in=list(usages)).values("model").distinct().count()
    said = ngettext(
        "%(count)d model, %(serving)d of them in use", "%(count)d models, %(serving)d of them in use", count
    )
    return said % {"count": count, "serving": serving}


def _names(usages: list[Usage]) -> str:
    return ", ".join(use.label for use in usages)
