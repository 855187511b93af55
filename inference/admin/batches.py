"""Batch runs: how far, will it finish, what went wrong?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ReadOnlyAdmin, Verb
from common.display import duration, figure, percent, thousands
from common.errors import FluemanError
from common.live import LiveMixin
from common.wording import in_words
from inference.admin.batch_form import ChooseForm, columns_form, option_of
from inference.batches import services
from inference.batches.looking import look_into
from inference.batches.looks import Look
from inference.models import BatchRun
from jobs.admin.begun import Begun
from jobs.admin.jobs import shown_state_of
from jobs.models import Job

State = Job.State


def _cancel(*, obj: BatchRun, actor: Any, reason: str) -> str:
    services.cancel_run(batch=obj, actor=actor, reason=reason)
    return gettext("It was asked to stop. What is done stays, and the run can be resumed.")


def _retry(*, obj: BatchRun, actor: Any, reason: str) -> str:
    services.retry_run(batch=obj, actor=actor, reason=reason)
    return gettext("It goes on behind the %(rows)s rows that are done.") % {"rows": thousands(obj.rows_done)}


def _delete(*, obj: BatchRun, actor: Any, reason: str) -> str:
    services.delete_run(batch=obj, actor=actor, reason=reason)
    return gettext("The run is forgotten; its result stays among the files.")


@admin.register(BatchRun)
class BatchRunAdmin(Begun, LiveMixin, ReadOnlyAdmin):
    """All batch runs, a new one, and one as it goes on."""

    question = _("A version over all rows of a file: Parquet, JSON Lines or CSV in, Parquet out.")
    empty_text = _("A batch run predicts every row of a file and gives the results as a new file.")
    empty_command = "manage.py run_batch rows.parquet --model intent -n 1 --user admin"
    detail_template = "admin/inference/batch.html"
    live_template = "admin/inference/batch_body.html"
    list_display = ("label", "shown_state", "shown_progress", "shown_wrong", "maker", "when")
    list_select_related = ("version__model", "job", "created_by")
    list_filter = ("job__state",)
    search_fields = ("file_name", "version__model__name")
    search_help_text = _("file or model")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="cancel",
            label=_("Cancel"),
            permission="inference.change_batchrun",
            run=_cancel,
            is_offered=lambda run: not run.job.is_finished and run.job.cancel_requested_at is None,
            is_destructive=True,
        ),
        Verb(
            name="retry",
            label=_("Go on"),
            permission="inference.change_batchrun",
            run=_retry,
            is_offered=lambda run: run.job.is_retryable,
            is_primary=True,
        ),
        Verb(
            name="delete",
            label=_("Forget"),
            permission="inference.delete_batchrun",
            run=_delete,
            is_offered=lambda run: run.job.is_finished,
            is_destructive=True,
            removes=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BatchRun]:
        """Narrow to what the person may see."""
        runs = super().get_queryset(request).visible_to(request.user)
        return runs.select_related("version__model", "job", "result__blob", "created_by", "file")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A run is begun on a page of its own."""
        return request.user.has_perm("inference.add_batchrun")

    def pages(self) -> list[Any]:
        """Add the part of the page that follows the run."""
        return [("<uuid:pk>/live/", self.live_view, "live")]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponseBase:
        """Choose version and file; then the columns, with the first rows beside them; then begin."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        choose = ChooseForm(given if given.get("version") and given.get("file") else None, user=request.user)
        choose.initial = {"version": given.get("version", ""), "file": given.get("file", "")}
        context: dict[str, Any] = {"choose": self.dress(choose)}
        if choose.is_bound and choose.is_valid():
            answer = self._columns(request, choose, context)
            if isinstance(answer, HttpResponseBase):
                return answer
        return self.page(request, "admin/inference/batch_new.html", title=self.new_title(), **context)

    def _columns(self, request: HttpRequest, choose: forms.Form, context: dict[str, Any]) -> HttpResponseBase | None:
        """Fill in the second half of the page, or begin the run. What is refused stands in the form."""
        version, file = choose.cleaned_data["version"], choose.cleaned_data["file"]
        try:
            look = look_into(file=file, version=version, columns={})
        except FluemanError as error:
            choose.add_error("file", in_words(error.message))
            return None
        form = columns_form(version, look)(request.POST if request.method == "POST" else None)
        context |= {"form": self.dress(form), "look": look, "sample": _sample(look), "version": version, "file": file}
        if request.method != "POST" or not form.is_valid():
            return None
        options = option_of(form, version)
        try:
            tried = services.look_at(version=version, file=file, **options)
            options.pop("columns")
            made = services.start_run(version=version, file=file, look=tried, actor=request.user, **options)
        except FluemanError as error:
            form.add_error(None, in_words(error.message))
            return None
        return HttpResponseRedirect(self.url_of(made))

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how far it is, or how it ended."""
        numbers = {"run": str(obj), "done": thousands(obj.rows_done), "total": thousands(obj.rows_total)}
        numbers["wrong"] = thousands(obj.rows_wrong)
        if obj.job.state == State.SUCCEEDED:
            said = gettext("%(run)s: all %(done)s rows are done, %(wrong)s of them wrong")
        else:
            said = {
                State.QUEUED: gettext("%(run)s waits for a worker"),
                State.RUNNING: gettext("%(run)s is running: %(done)s of %(total)s rows"),
                State.FAILED: gettext("%(run)s stopped after %(done)s rows"),
                State.CANCELLED: gettext("%(run)s was cancelled after %(done)s rows"),
                State.DEAD: gettext("%(run)s was given up after %(done)s rows"),
            }[obj.job.state]
        return said % numbers

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give progress, speed, time left, the first results and what is wrong."""
        may_fetch = request.user.has_perm("files.view_storedfile") and obj.result is not None
        is_own = may_fetch and (
            obj.result.owner_id == request.user.pk or request.user.has_perm("files.view_any_storedfile")
        )
        took = obj.job.started_at and (obj.job.finished_at or timezone.now()) - obj.job.started_at
        return {
            "job": obj.job,
            "state": shown_state_of(obj.job.state),
            "live_url": reverse("admin:inference_batchrun_live", args=[obj.pk]),
            "share": percent(obj.rows_done / obj.rows_total) if obj.rows_total else "",
            "left": duration(obj.left_ms) if obj.job.state == State.RUNNING and obj.left_ms is not None else "",
            "rate": thousands(obj.rows_per_s),
            "done_url": reverse("admin:files_storedfile_change", args=[obj.result_id]) if obj.result_id else "#result",
            "took": duration(took / timedelta(milliseconds=1)) if took else "",
            "wrong_share": percent(obj.rows_wrong / obj.rows_done) if obj.rows_done else "",
            "pairs": list(obj.columns.items()),
            "sample_columns": list(obj.sample[0]) if obj.sample else [],
            "sample_rows": [[cell(value) for value in row.values()] for row in obj.sample],
            "download_url": reverse("admin:files_storedfile_content", args=[obj.result_id]) if is_own else "",
        }

    @admin.display(description=_("batch run"))
    def label(self, obj: Any) -> str:
        """Name version and file."""
        return str(obj)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state of its job."""
        return shown_state_of(obj.job.state)

    @admin.display(description=_("rows"))
    def shown_progress(self, obj: Any) -> Any:
        """Show how far it is."""
        told = gettext("%(done)s of %(total)s") % {
            "done": thousands(obj.rows_done),
            "total": thousands(obj.rows_total),
        }
        if obj.job.state != State.RUNNING:
            return told
        return format_html('<div class="fm-progress"><i style="width: {}%"></i></div>{}', obj.job.progress, told)

    @admin.display(description=_("wrong"))
    def shown_wrong(self, obj: Any) -> SafeString:
        """Give the wrong rows."""
        return figure(thousands(obj.rows_wrong), f"{self.url_of(obj)}#wrong" if obj.rows_wrong else "")


def _sample(look: Look) -> list[dict[str, Any]]:
    """Give the rows that were tried, each with what is wrong with it."""
    return [
        {"cells": [cell(value) for value in row.values()], "error": look.errors.get(str(number), "")}
        for number, row in enumerate(look.sample)
    ]


def cell(value: Any) -> str:
    """Give a value as a reader sees it: numbers short, lists by their first numbers."""
    if value is None:
        return "–"
    if isinstance(value, list):
        shown = ", ".join(cell(one) for one in value[:4])
        return f"{shown}, …" if len(value) > 4 else shown
    return f"{value:.6g}" if isinstance(value, float) else str(value)
