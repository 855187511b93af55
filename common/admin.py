"""What every page of the back office is made from; the only importer of the theme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext
from unfold import widgets
from unfold.admin import ModelAdmin as ThemedModelAdmin
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
from unfold.widgets import UnfoldAdminSelectWidget as Select
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
from unfold.widgets import UnfoldBooleanWidget as Checkbox

from common.choices import CheckboxSelectMultiple
from common.confirm import Consequence, ReasonForm, RefusedMixin, Shown, Verb, confirm_action
from common.display import name_of
from common.errors import FluemanError
from common.keyset import KeysetChangeListMixin, KeysetPaginator
from common.list_filters import parameters
from common.lookups import LONGEST_SEARCH
from common.onlooker import Onlooker, require

__all__ = [
    "LONGEST_SEARCH",
    "Checkbox",
    "CheckboxSelectMultiple",
    "Consequence",
    "KeysetPaginator",
    "ModelAdmin",
    "Onlooker",
    "PasswordInput",
    "ReadOnlyAdmin",
    "ReasonForm",
    "Select",
    "Shown",
    "TextInput",
    "Textarea",
    "Verb",
    "confirm_action",
    "require",
]


def _dress(widget: forms.Widget) -> None:
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.HiddenInput):
        return
    looks = {"select": widgets.SELECT_CLASSES, "textarea": widgets.TEXTAREA_CLASSES}
    kind = "select" if isinstance(widget, forms.Select) else "text"
    kind = "textarea" if isinstance(widget, forms.Textarea) else kind
    widget.attrs["class"] = " ".join(looks.get(kind, widgets.INPUT_CLASSES))


class EnrichedChangeList(ChangeList):
    """A list whose page of rows is handed to `ModelAdmin.enrich` before it is drawn."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the page, then what its columns need."""
        super().get_results(request)
        self.result_list: list[Any] = list(self.result_list)  # type: ignore[has-type]
        self.model_admin.enrich(self.result_list)


class KeysetChangeList(KeysetChangeListMixin, ChangeList):
    """The same, paged by key."""


class ModelAdmin(ThemedModelAdmin):
    """A page per row and a list, in house style: no bulk actions, no full counts, verbs through services.

    `question` is the line under a list's title; `empty_text` and `empty_command` are shown where there are no rows.
    With `detail_template` a row's page is that template, filled by `detail`, and no form. `linked_lookups` are the
    parameters of a list, besides those of its filters, that links of other pages bring.
    """

    question: ClassVar[Any] = ""
    empty_text: ClassVar[Any] = ""
    empty_command: ClassVar[str] = ""
    detail_template: ClassVar[str] = ""
    empty_value_display = "–"
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions: ClassVar[Any] = None
    verbs: ClassVar[Sequence[Verb]] = ()
    linked_lookups: ClassVar[Sequence[str]] = ()

    def list_headline(self, request: HttpRequest) -> Any:
        """Give the first line of the list."""
        return self.opts.verbose_name_plural

    def headline(self, request: HttpRequest, obj: Model) -> str:
        """Give the sentence that answers the page's question."""
        return name_of(obj)

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give what `detail_template` shows besides `original`."""
        return {}

    def enrich(self, rows: list[Any]) -> None:
        """Add to the rows of one page of the list what its columns need, in one query for all."""

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Give the buttons over the list: `{"label", "url"}` and at most one with `"primary": True`."""
        return []

    def detail_links(self, request: HttpRequest, obj: Model) -> list[dict[str, Any]]:
        """Give the buttons over a row's page that only lead somewhere, in the form of `list_links`."""
        return []

    def pages(self) -> list[tuple[str, Callable[..., HttpResponseBase], str]]:
        """Give further pages: (route, view, name), reached as `admin:<app>_<model>_<name>`."""
        return []

    def page(self, request: HttpRequest, template: str, *, title: Any, **context: Any) -> TemplateResponse:
        """Show a page of our own in the frame of the admin."""
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "model_admin": self}
        return TemplateResponse(request, template, {**frame, **context})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Page by key where the paginator says so."""
        return KeysetChangeList if issubclass(self.paginator, KeysetPaginator) else EnrichedChangeList

    def get_urls(self) -> list[URLPattern]:
        """Put the verbs and our own pages before Django's addresses."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        own = [path(route, view(page), name=f"{name}_{label}") for route, page, label in self.pages()]
        do = path("<path:object_id>/do/<slug:verb>/", view(self.verb_view), name=f"{name}_do")
        return [*own, do, *super().get_urls()]

    def verb_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponseBase:
        """Ask for the reason and do one verb to one row."""
        obj = self.get_object(request, object_id)
        found = next((one for one in self.verbs if one.name == verb), None)
        if obj is None or found is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not found.is_allowed(request, obj):
            raise PermissionDenied
        return confirm_action(request, model_admin=self, verb=found, obj=obj, back=self.url_of(obj))

    @staticmethod
    def dress(form: forms.Form) -> forms.Form:
        """Give the plain widgets of a form the theme's look."""
        for field in form.fields.values():
            _dress(field.widget)
        return form

    def new_title(self) -> str:
        """Give the title of the page that makes a row: the words of the button that leads there."""
        return gettext("New %(name)s") % {"name": self.opts.verbose_name}

    def url_of(self, obj: Model) -> str:
        """Give the address of a row's page."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])

    def list_url(self) -> str:
        """Give the address of the list."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for the beginning of what was typed: each word is a condition, and databases refuse thousands."""
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term[:LONGEST_SEARCH])
        return found

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow what filters and links ask: by others a hash is read bit by bit, or a regex holds the process."""
        filters = self.get_list_filter(request) if request else self.list_filter
        return lookup in self.linked_lookups or any(lookup in parameters(self.model, one) for one in filters)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list. The theme's own method is stepped over: it keeps the request on the shared instance."""
        own = {"title": self.opts.verbose_name_plural, "headline": self.list_headline(request)}
        own |= {"question": self.question, "links": self.list_links(request)}
        return super(ThemedModelAdmin, self).changelist_view(request, {**own, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show or save one row; what a service refuses is shown in the form, with everything typed kept."""
        hidden = ("show_save_and_add_another", "show_save_and_continue", "show_delete")  # deleting is a button above
        context: dict[str, Any] = dict.fromkeys(hidden, False)
        if object_id is None:
            context["title"] = self.new_title()
        context |= {**self._above(request, object_id), **(extra_context or {})}
        if self.detail_template and "original" in context:
            row = context["original"]
            shown = {"title": name_of(row), **context, **self.detail(request, row)}
            return self.page(request, self.detail_template, **shown)
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except (FluemanError, ValidationError) as error:
            request.service_error = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, context)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choose among what there is; other rows are made and changed on their own pages."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> type:
        """Give the form in the theme's look, with the error of the service if it has just refused."""
        form = super().get_form(request, obj, change=change, **kwargs)
        for field in form.base_fields.values():
            if "class" not in field.widget.attrs:
                _dress(field.widget)
        error = getattr(request, "service_error", None)
        return type("RefusedForm", (RefusedMixin, form), {"service_error": error}) if error else form

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Lead to what the audit trail says of the row: the framework's own log is not kept."""
        same = urlencode({"target_type__exact": self.opts.label_lower, "target_id__exact": object_id})
        return HttpResponseRedirect(f"{reverse('admin:audit_auditevent_changelist')}?{same}")

    def log_addition(self, *_args: Any) -> None:
        """Write nothing: the service has written the audit event."""

    log_change = log_deletions = log_addition

    def _above(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        obj = self.get_object(request, object_id) if object_id else None
        if obj is None or not self.has_view_or_change_permission(request, obj):
            return {}
        verbs = [verb.button(self, obj) for verb in self.verbs if verb.is_in_head and verb.is_allowed(request, obj)]
        links = [*self.detail_links(request, obj), *verbs]
        return {"headline": self.headline(request, obj), "links": links, "original": obj}


class ReadOnlyAdmin(ModelAdmin):
    """A page for rows that only services write."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows by hand."""
        return False
