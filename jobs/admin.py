"""Jobs: how far, will it finish, what went wrong?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure, OrmQ, Schedule, Success

from common.admin import KeysetPaginator, ReadOnlyAdmin, Verb
from common.display import ago, badge, duration
from jobs import handlers, services
from jobs.models import Job

State = Job.State
LINES = 300

for model in (Failure, OrmQ, Schedule, Success):  # the bell is nobody's business
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class KindFilter(admin.SimpleListFilter):
    """Recurring kinds are left out until asked for: they would crowd out what people began."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give all kinds."""
        return [("all", gettext("all, recurring too")), *((one.kind, str(one.label)) for one in handlers.every())]

    def choices(self, changelist: Any) -> Any:
        """Name the choice that is made without asking."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice | ({"display": gettext("begun by people")} if number == 0 else {})

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Narrow the list."""
        if self.value() == "all":
            return queryset
        if self.value():
            return queryset.filter(kind=self.value())
        return queryset.exclude(kind__in=[one.kind for one in handlers.recurring()])


def _cancel(*, obj: Job, actor: Any, reason: str) -> str:
    job = services.cancel(job=obj, actor=actor, reason=reason)
    return gettext("Cancelled.") if job.is_finished else gettext("The job was asked to stop.")


def _retry(*, obj: Job, actor: Any, reason: str) -> str:
    services.retry(job=obj, actor=actor, reason=reason)
    return gettext("Back in the queue.")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """All jobs, and one job as it goes on."""

    question = _("What is being worked on, and did it come to a good end?")
    empty_text = _("Jobs appear here when a model is uploaded, and for all other work that takes its time.")
    detail_template = "admin/jobs/job.html"
    list_display = ("label", "shown_state", "shown_progress", "maker", "when", "took")
    list_select_related = ("created_by",)
    list_filter = ("state", KindFilter)
    search_fields = ("target_label", "id")
    search_help_text = _("what it works at, or its id")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="cancel",
            label=_("Cancel"),
            permission="jobs.cancel_job",
            run=_cancel,
            is_offered=lambda job: not job.is_finished and job.cancel_requested_at is None,
            is_destructive=True,
        ),
        Verb(
            name="retry",
            label=_("Try again"),
            permission="jobs.retry_job",
            run=_retry,
            is_offered=lambda job: job.state in (State.FAILED, State.CANCELLED),
            is_primary=True,
        ),
    )

    def pages(self) -> list[Any]:
        """Add the part of the page that follows the job."""
        return [("<uuid:pk>/live/", self.live_view, "live")]

    def live_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Give the page's content anew while the job goes on; `X-Live-Done` ends the asking."""
        job = self.get_object(request, str(pk))
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        context = {**self._above(request, str(pk)), **self.detail(request, job)}
        response = HttpResponse(render_to_string("admin/jobs/job_body.html", context, request))
        response["Cache-Control"] = "no-store"
        if job.is_finished:
            response["X-Live-Done"] = "1"
        return response

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how far it is, or how it ended."""
        return {
            State.QUEUED: gettext("%(job)s waits for a worker"),
            State.RUNNING: gettext("%(job)s is running, %(progress)s %%"),
            State.SUCCEEDED: gettext("%(job)s is done"),
            State.FAILED: gettext("%(job)s failed"),
            State.CANCELLED: gettext("%(job)s was cancelled"),
        }[obj.state] % {"job": self.label(obj), "progress": obj.progress}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give progress, time left, log and result."""
        return {
            "state": self.shown_state(obj),
            "kind": handlers.label_of(obj.kind),
            "left": self._left(obj),
            "took": self.took(obj),
            "target_url": _target_url(obj),
            "live_url": reverse("admin:jobs_job_live", args=[obj.pk]),
            "lines": reversed(obj.logs.order_by("-id")[:LINES]),
        }

    @admin.display(description=_("job"))
    def label(self, obj: Any) -> str:
        """Name what is done to what."""
        return (
            f"{handlers.label_of(obj.kind)} · {obj.target_label}" if obj.target_label else handlers.label_of(obj.kind)
        )

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state, and a wish to cancel that was not yet heeded."""
        if obj.state == State.RUNNING and obj.cancel_requested_at:
            return badge("cancelled", gettext("stopping"))
        return badge(obj.state, obj.get_state_display())

    @admin.display(description=_("progress"))
    def shown_progress(self, obj: Any) -> Any:
        """Show how far it is while it runs, else what went wrong."""
        if obj.state != State.RUNNING:
            return obj.error[:120]
        return format_html('<div class="fm-progress"><i style="width: {}%"></i></div>{}', obj.progress, obj.step)

    @admin.display(description=_("by"))
    def maker(self, obj: Any) -> str:
        """Name who began it."""
        return str(obj.created_by or "–")

    @admin.display(description=_("begun"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)

    @admin.display(description=_("took"))
    def took(self, obj: Any) -> str:
        """Give the time of the last attempt so far."""
        if obj.started_at is None:
            return duration(None)
        return duration(((obj.finished_at or timezone.now()) - obj.started_at) / timedelta(milliseconds=1))

    def _left(self, obj: Job) -> str:
        """Guess the time left from the part that is done, once enough is done to guess from."""
        if obj.state != State.RUNNING or obj.started_at is None or not 5 <= obj.progress < 100:
            return ""
        spent = (timezone.now() - obj.started_at) / timedelta(milliseconds=1)
        return duration(spent * (100 - obj.progress) / obj.progress)


def _target_url(job: Job) -> str:
    """Give the page of what the job works at, empty if it has none."""
    if not job.target_type:
        return ""
    try:
        return reverse(f"admin:{job.target_type.replace('.', '_')}_change", args=[job.target_id])
    except NoReverseMatch:
        return ""
