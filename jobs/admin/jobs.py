"""Jobs: how far, will it finish, what went wrong?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure, OrmQ, Success
from django_q.models import Schedule as BellSchedule

from common.admin import KeysetPaginator, ReadOnlyAdmin, Verb
from common.display import badge, duration, name_of, tree
from common.live import LiveMixin, live_part
from jobs import handlers, services
from jobs.admin.begun import Begun
from jobs.admin.words import WORDS
from jobs.models import Job, JobLog

State = Job.State
LINES = 300
AT_ONCE = 8
_STEP_STATES: dict[str, str] = {State.RUNNING: "running", State.SUCCEEDED: "done", State.QUEUED: "waiting"}

for model in (Failure, OrmQ, BellSchedule, Success):  # the bell is nobody's business
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class KindFilter(admin.SimpleListFilter):
    """Background work is left out until asked for: it would crowd out what people began."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Give all kinds."""
        kinds = sorted((str(one.label), one.kind) for one in handlers.every())
        return [("all", gettext("all, background work too")), *((kind, label) for label, kind in kinds)]

    def choices(self, changelist: Any) -> Any:
        """Name the choice that is made without asking."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice | ({"display": gettext("all but background work")} if number == 0 else {})

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        """Narrow the list."""
        if self.value() == "all":
            return queryset
        if self.value():
            return queryset.filter(kind=self.value())
        return queryset.filter(schedule=None).exclude(
            kind__in=[one.kind for one in handlers.every() if one.is_background]
        )


def _cancel(*, obj: Job, actor: Any, reason: str) -> str:
    job = services.cancel(job=obj, actor=actor, reason=reason)
    return gettext("Cancelled.") if job.is_finished else gettext("The job was asked to stop.")


def _retry(*, obj: Job, actor: Any, reason: str) -> str:
    services.retry(job=obj, actor=actor, reason=reason)
    return gettext("Back in the queue.")


@admin.register(Job)
class JobAdmin(Begun, LiveMixin, ReadOnlyAdmin):
    """All jobs, and one job as it goes on."""

    question = _("What is being worked on, and did it come to a good end?")
    empty_text = _("Jobs appear here when a model is uploaded, and for all other work that takes its time.")
    detail_template = "admin/jobs/job.html"
    live_template = "admin/jobs/job_body.html"
    list_before_template = "admin/jobs/now.html"
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
            is_offered=lambda job: job.is_retryable,
            is_primary=True,
        ),
    )

    def pages(self) -> list[Any]:
        """Add the parts of the pages that follow what goes on."""
        return [("now/", self.now_view, "now"), ("<uuid:pk>/live/", self.live_view, "live")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show what runs and what waits above the list."""
        return super().changelist_view(request, self._now() | (extra_context or {}))

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Give what runs and what waits anew."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return live_part(request, "admin/jobs/now_body.html", self._now())

    def is_over(self, obj: Any, shown: Mapping[str, Any]) -> bool:
        """Tell whether the job has ended."""
        return bool(obj.is_finished)

    def _now(self) -> dict[str, Any]:
        """Give the running jobs, then the waiting ones in the order of their turn."""
        running = Job.objects.filter(state=State.RUNNING).order_by("id")[:AT_ONCE]
        waiting = Job.objects.filter(state=State.QUEUED).order_by("-priority", "id")[: AT_ONCE + 1]
        rows = [{"job": job, "label": self.label(job), "left": self._left(job)} for job in [*running, *waiting]]
        return {"now": rows[:AT_ONCE], "is_more": len(rows) > AT_ONCE, "now_url": reverse("admin:jobs_job_now")}

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say how far it is, or how it ended."""
        return {
            State.QUEUED: gettext("%(job)s waits for a worker"),
            State.RUNNING: gettext("%(job)s is running, %(progress)s %%"),
            State.SUCCEEDED: gettext("%(job)s is done"),
            State.FAILED: gettext("%(job)s failed"),
            State.CANCELLED: gettext("%(job)s was cancelled"),
            State.DEAD: gettext("%(job)s was given up: its process died at every attempt"),
        }[obj.state] % {"job": self.label(obj), "progress": obj.progress}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give progress, time left, steps, log and result."""
        lines = list(obj.logs.order_by("-id")[:LINES])[::-1]
        return {
            "state": self.shown_state(obj),
            "kind": handlers.label_of(obj.kind),
            "left": self._left(obj),
            "took": self.took(obj),
            "target_url": _target_url(obj),
            "live_url": reverse("admin:jobs_job_live", args=[obj.pk]),
            "steps": _steps(obj, lines),
            "is_paused": obj.state == State.QUEUED and obj.due_at is not None and obj.due_at > timezone.now(),
            "lines": [line for line in lines if line.level != "step"],
            "is_cut": len(lines) == LINES,
            "result": tree(obj.result, words=WORDS) if obj.result else "",
        }

    @admin.display(description=_("job"))
    def label(self, obj: Any) -> str:
        """Name what is done to what."""
        return name_of(obj)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state, and a wish to cancel that was not yet heeded."""
        if obj.state == State.RUNNING and obj.cancel_requested_at:
            return badge("cancelled", gettext("stopping"))
        return shown_state_of(obj.state)

    @admin.display(description=_("progress"))
    def shown_progress(self, obj: Any) -> Any:
        """Show how far it is while it runs, else what went wrong, or a dash."""
        if obj.state != State.RUNNING:
            return obj.error[:120] or "–"
        return format_html('<div class="fm-progress"><i style="width: {}%"></i></div>{}', obj.progress, obj.step)

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


def shown_state_of(state: str) -> SafeString:
    """Give the word and colour of a state."""
    return badge(state, State(state).label, tone="bad" if state == State.DEAD else "")


def _steps(job: Job, lines: list[JobLog]) -> list[dict[str, Any]]:
    """Give the steps of the last attempt, each with its time; the last one goes on while the job runs."""
    begun = [line for line in lines if line.level == "step" and line.attempt == job.attempts]
    ends = [*(line.at for line in begun[1:]), job.finished_at or timezone.now()]
    last = len(begun) - 1
    return [
        {
            "name": line.message,
            "took": duration((end - line.at) / timedelta(milliseconds=1)),
            "state": _STEP_STATES.get(job.state, "failed") if number == last else "done",
        }
        for number, (line, end) in enumerate(zip(begun, ends, strict=False))
    ]


def _target_url(job: Job) -> str:
    """Give the page of what the job works at, empty if it has none."""
    if not job.target_type:
        return ""
    try:
        return reverse(f"admin:{job.target_type.replace('.', '_')}_change", args=[job.target_id])
    except NoReverseMatch:
        return ""
