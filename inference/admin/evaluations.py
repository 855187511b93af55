"""Evaluations: is this version good, where is it wrong, and is it better than the live one?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ReadOnlyAdmin, Verb
from common.display import badge, figure, thousands
from common.errors import FluemanError
from common.live import LiveMixin
from common.wording import in_words
from inference.admin import evaluation_shown as shown
from inference.admin.evaluation_form import ChooseForm, columns_form, option_of
from inference.admin.evaluation_rows import rows_context
from inference.evaluating import services
from inference.evaluating.wording import headline, main_metric
from jobs.admin.begun import Begun
from jobs.admin.jobs import shown_state_of
from jobs.models import Job
from registry.measures.catalogue import gain
from registry.measures.words import figure_in_words, signed
from registry.models import Evaluation, ModelVersion
from registry.services.evaluations import delete_evaluation


def _cancel(*, obj: Evaluation, actor: Any, reason: str) -> str:
    services.cancel_evaluation(evaluation=obj, actor=actor, reason=reason)
    return gettext("It was asked to stop. What is done stays, and it can go on later.")


def _retry(*, obj: Evaluation, actor: Any, reason: str) -> str:
    services.retry_evaluation(evaluation=obj, actor=actor, reason=reason)
    return gettext("It goes on where it stopped.")


def _delete(*, obj: Evaluation, actor: Any, reason: str) -> str:
    delete_evaluation(evaluation=obj, actor=actor, reason=reason)
    return gettext("The evaluation is forgotten.")


@admin.register(Evaluation)
class EvaluationAdmin(Begun, LiveMixin, ReadOnlyAdmin):
    """All evaluations, a new one, and one with the rows behind its figures."""

    question = _("A version over rows whose right answers are known: how good it is, and where it is wrong.")
    empty_text = _("An evaluation runs a version over a labelled dataset version and counts what is right.")
    empty_command = "manage.py evaluate_version intent -n 2 --data sentences --user admin"
    detail_template = "admin/inference/evaluation.html"
    live_template = "admin/inference/evaluation_body.html"
    list_display = ("label", "shown_state", "shown_figure", "shown_gap", "shown_rows", "maker", "when")
    list_select_related = ("version__model", "dataset_version__dataset", "job", "created_by")
    list_filter = ("task",)
    linked_lookups = ("dataset_version",)
    search_fields = ("version__model__name", "dataset_version__dataset__name")
    search_help_text = _("model or dataset")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="cancel",
            label=_("Cancel"),
            permission="registry.change_evaluation",
            run=_cancel,
            is_offered=lambda one: bool(one.job) and not one.job.is_finished and one.job.cancel_requested_at is None,
            is_destructive=True,
        ),
        Verb(
            name="retry",
            label=_("Go on"),
            permission="registry.change_evaluation",
            run=_retry,
            is_offered=lambda one: bool(one.job) and one.finished_at is None and one.job.is_retryable,
            is_primary=True,
        ),
        Verb(
            name="delete",
            label=_("Forget"),
            permission="registry.delete_evaluation",
            run=_delete,
            is_offered=lambda one: one.job is None or one.job.is_finished,
            is_destructive=True,
            removes=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        """Leave reports out of the list: they are long."""
        found = super().get_queryset(request).select_related(*self.list_select_related, "baseline__version__model")
        is_list = request.resolver_match and request.resolver_match.url_name == "registry_evaluation_changelist"
        return found.defer("baseline__report", *(["report"] if is_list else []))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An evaluation is begun on a page of its own."""
        return request.user.has_perm("registry.add_evaluation")

    def pages(self) -> list[Any]:
        """Add the part that follows the job, the rows, and the button of a gate's page."""
        return [
            ("<uuid:pk>/live/", self.live_view, "live"),
            ("<uuid:pk>/rows/", self.rows_view, "rows"),
            ("missing/<uuid:version>/", self.missing_view, "missing"),
        ]

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to the same again with other choices."""
        if obj.finished_at is None or not self.has_add_permission(request):
            return []
        url = f"{reverse('admin:registry_evaluation_add')}?version={obj.version_id}&data={obj.dataset_version_id}"
        return [{"label": gettext("Evaluate again"), "url": url}]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Choose version and data; then the columns; then begin."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        choose = ChooseForm(given if given.get("version") and given.get("data") else None)
        choose.initial = {"version": given.get("version", ""), "data": given.get("data", "")}
        context: dict[str, Any] = {"choose": self.dress(choose)}
        if choose.is_bound and choose.is_valid():
            answer = self._columns(request, choose, context)
            if isinstance(answer, HttpResponseBase):
                return answer
        return self.page(request, "admin/inference/evaluation_new.html", title=self.new_title(), **context)

    def _columns(self, request: HttpRequest, choose: forms.Form, context: dict[str, Any]) -> HttpResponseBase | None:
        version, data = choose.cleaned_data["version"], choose.cleaned_data["data"]
        try:
            services.outputs_to_judge(version)
        except FluemanError as error:
            choose.add_error("version", in_words(error.message))
            return None
        try:
            plan = services.plan_for(version=version, data=data)
        except FluemanError as error:
            plan, context["guess"] = None, in_words(error.message)
        form = columns_form(version, data, plan)(request.POST if request.method == "POST" else None)
        context |= {"form": self.dress(form), "version": version, "data": data}
        if request.method != "POST" or not form.is_valid():
            return None
        try:
            made = services.start_evaluations(data=data, actor=request.user, **option_of(form, version))
        except FluemanError as error:
            form.add_error(None, in_words(error.message))
            return None
        own = next(one for one in made if one.version_id == version.pk)
        return HttpResponseRedirect(self.url_of(own))

    def rows_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Show the rows that the address asks for."""
        found = self.viewed(request, pk)
        if not request.user.has_perm("datasets.view_datasetversion"):
            raise PermissionDenied
        context = rows_context(request, found)
        title = gettext("Rows of %(evaluation)s") % {"evaluation": found}
        return self.page(request, "admin/inference/evaluation_rows.html", title=title, original=found, **context)

    def missing_view(self, request: HttpRequest, version: Any) -> HttpResponseBase:
        """Begin the evaluations that a version's gate misses, and lead back to the page that said so."""
        if request.method != "POST":
            raise Http404
        if not self.has_add_permission(request):
            raise PermissionDenied
        own = ModelVersion.objects.present().select_related("model").filter(pk=version).first()
        if own is None:
            raise Http404
        try:
            made = services.run_missing(version=own, actor=request.user)
        except FluemanError as error:
            messages.error(request, in_words(error.message))
        else:
            told = ngettext("%(count)d evaluation was begun.", "%(count)d evaluations were begun.", len(made))
            messages.success(request, told % {"count": len(made)})
        return HttpResponseRedirect(reverse("admin:registry_gatepolicy_lacks", args=[own.pk]))

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how good it is."""
        return headline(obj)

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give figures, comparison, matrix, curves, slices and the choices that were made."""
        is_going_on = bool(obj.job) and not obj.job.is_finished
        context = {"job": obj.job, "state": _state(obj), "is_going_on": is_going_on}
        context["live_url"] = reverse("admin:registry_evaluation_live", args=[obj.pk])
        context["rows_url"] = reverse("admin:registry_evaluation_rows", args=[obj.pk])
        return context | (shown.found(obj, context["rows_url"]) if obj.finished_at else {})

    @admin.display(description=_("evaluation"))
    def label(self, obj: Any) -> str:
        """Name version and data."""
        return str(obj)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show whether it is done, else the state of its job."""
        return _state(obj)

    @admin.display(description=_("right or away"))
    def shown_figure(self, obj: Any) -> SafeString:
        """Give the main number."""
        return figure(figure_in_words(main_metric(obj), obj.metrics.get(main_metric(obj))), _rows_url(obj))

    @admin.display(description=_("against"))
    def shown_gap(self, obj: Any) -> str:
        """Give the difference to the other version."""
        name = main_metric(obj)
        if obj.baseline is None or obj.metrics.get(name) is None or obj.baseline.metrics.get(name) is None:
            return "–"
        better = gain(name, obj.metrics[name], obj.baseline.metrics[name])
        return f"{signed(name, better)} · {obj.baseline.version}"

    @admin.display(description=_("rows"))
    def shown_rows(self, obj: Any) -> SafeString:
        """Give how many rows there were."""
        return figure(thousands(obj.rows), _rows_url(obj))


def _rows_url(evaluation: Evaluation) -> str:
    return reverse("admin:registry_evaluation_rows", args=[evaluation.pk]) if evaluation.finished_at else ""


def _state(evaluation: Evaluation) -> SafeString:
    if evaluation.finished_at:
        return badge("done", gettext("done"))
    return shown_state_of(evaluation.job.state if evaluation.job else Job.State.FAILED)
